//! What programs are given: the shapes Spacelift gives its approval, plan, push and trigger
//! policies, all in one document, and under `stackly` what only we know.

use chrono::{DateTime, Utc};
use contracts::{
    chain::ChainKind,
    gate::{GateStack, Moment, PlannedChange},
};
use serde_json::{Value, json};

use crate::{
    call::Call,
    evaluate::Case,
    people::People,
    review::{Review, Word, newest},
};

/// What programs are given about a case: the same for all of its stacks, but for what is of one.
pub struct Inputs {
    whole: rego::Value,
    /// What is put in its place where a program is asked about one of the stacks.
    of_stacks: Vec<OfStack>,
}

struct OfStack {
    stack: String,
    /// At the top.
    own: Vec<(&'static str, rego::Value)>,
    /// Under `spacelift`.
    inner: Vec<(&'static str, rego::Value)>,
}

impl Inputs {
    /// Makes it.
    pub fn new(people: &People, case: &Case<'_>) -> Self {
        let of_stacks = case.request.stacks.iter().map(|one| OfStack::new(one, case)).collect();
        Self { whole: rego::Value::from(document(people, case)), of_stacks }
    }

    /// The input for one of the stacks; without one, for whatever stands first.
    pub fn about(&self, stack: Option<&str>) -> rego::Value {
        let named = |of: &&OfStack| stack.is_none_or(|stack| of.stack == stack);
        let mut input = self.whole.clone();
        let Some(of) = self.of_stacks.iter().find(named) else { return input };
        let mut inner = input["spacelift"].clone();
        put(&mut inner, &of.inner);
        put(&mut input, &of.own);
        put(&mut input, &[("spacelift", inner)]);
        input
    }
}

impl OfStack {
    fn new(one: &GateStack, case: &Case<'_>) -> Self {
        let value = |value: Value| rego::Value::from(value);
        let (stack, run) = (value(stack(one, case)), value(run(case, Some(one))));
        let mut own = vec![("stack", stack.clone()), ("run", run.clone())];
        let name = one.stack.as_str().to_owned();
        if let Some(changes) = &case.request.changes {
            let changes = resource_changes(changes.iter().filter(|it| is_of(it, Some(one))));
            own.push(("terraform", value(json!({ "resource_changes": changes }))));
        }
        Self { stack: name, own, inner: vec![("stack", stack), ("run", run)] }
    }
}

/// Puts fields into an object, in the place of those that are there.
fn put(object: &mut rego::Value, fields: &[(&'static str, rego::Value)]) {
    // It is made here, and is an object.
    let Ok(object) = object.as_object_mut() else { return };
    for (name, value) in fields {
        object.insert(rego::Value::from(*name), value.clone());
    }
}

/// Whether a change is one of this stack. What names none belongs to the only plan there is.
fn is_of(change: &PlannedChange, stack: Option<&GateStack>) -> bool {
    match (&change.stack, stack) {
        (Some(of), Some(stack)) => *of == stack.stack,
        _ => true,
    }
}

fn document(people: &People, case: &Case<'_>) -> Value {
    let request = case.request;
    let run = run(case, None);
    let stacks: Vec<Value> = request.stacks.iter().map(|one| stack(one, case)).collect();
    let stack = stacks.first().cloned().unwrap_or(Value::Null);
    let change = &request.change;
    let push = json!({
        "affected_files": files(case),
        "author": change.author,
        "branch": change.branch,
        "created_at": nanoseconds(case.asked_at),
        "hash": change.commit,
        "message": change.title,
        "tag": "",
    });
    let mut document = json!({
        "run": run,
        "stack": stack,
        "stacks": stacks,
        "workflow": [],
        "in_progress": [],
        "reviews": reviews(people, case),
        "request": { "timestamp_ns": nanoseconds(case.now) },
        "push": if change.pull_request.is_none() { push } else { Value::Null },
        "pull_request": pull_request(case),
        "spacelift": {
            "commit": commit(case),
            "run": run,
            "stack": stack,
            "previous_run": null,
            "request": { "timestamp_ns": nanoseconds(case.now) },
        },
        "third_party_metadata": {},
        "stackly": {
            "gate": request.gate,
            "chain": request.chain,
            "kind": request.kind,
            "moment": request.moment,
            "now": case.now,
            "asked_at": case.asked_at,
            "delta": request.delta,
            "steps": request.steps,
            "stacks": request.stacks,
            "files": request.files,
            "changes_more": request.changes_more,
            "unread": request.unread,
            "plans": request.plans,
            "differs": request.differs,
            "action": request.action,
            "planned_at": request.planned_at,
            "failures": request.failures,
            "cost_delta": Call::cost_delta(case.calls),
        },
    });
    if let Some(changes) = &request.changes {
        document["terraform"] = json!({ "resource_changes": resource_changes(changes.iter()) });
    }
    document
}

/// The files the change touches, as far as they are known.
fn files<'a>(case: &Case<'a>) -> &'a [String] {
    case.request.files.as_ref().map_or(&[], |files| &files.paths)
}

fn nanoseconds(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or_default()
}

/// The run, of one of the stacks if one is named.
fn run(case: &Case<'_>, stack: Option<&GateStack>) -> Value {
    let request = case.request;
    let planned = stack.and_then(|one| request.plans.iter().find(|it| it.stack == one.stack));
    let id = planned.map_or(request.run.as_ref(), |plan| plan.run.as_ref());
    let state = match request.moment {
        Moment::BeforeChain | Moment::BeforePlan => "QUEUED",
        Moment::BeforeApply => "UNCONFIRMED",
    };
    let kind = match request.kind {
        _ if request.action.destroys() => "DESTROY",
        ChainKind::Preview => "PROPOSED",
        ChainKind::Deploy => "TRACKED",
    };
    let changes = request.changes.iter().flatten().filter(|change| is_of(change, stack));
    let changes: Vec<Value> = changes.map(changed).collect();
    json!({
        "id": id.map(|run| run.0.clone()).unwrap_or_default(),
        "type": kind,
        "state": state,
        "branch": request.change.branch,
        "command": "",
        "triggered_by": null,
        "drift_detection": case.request.action == contracts::Action::FixDrift,
        "based_on_local_workspace": false,
        "created_at": nanoseconds(case.asked_at),
        "updated_at": nanoseconds(case.asked_at),
        "flags": [],
        "user_provided_metadata": [],
        "changes": changes,
        "commit": commit(case),
        "creator_session": null,
        "runtime_config": { "environment": [] },
    })
}

fn changed(change: &PlannedChange) -> Value {
    json!({
        "phase": "plan",
        "action": change.action,
        // Spacelift's own examples look for it under this name.
        "actions": [change.action],
        "moved": false,
        "entity": {
            "address": change.address,
            "type": change.resource_type,
            "name": change.address.rsplit('.').next(),
            "entity_type": "resource",
            "entity_vendor": "terraform",
            "data": {},
        },
    })
}

/// As in the JSON of a Terraform plan: a resource that is replaced has two actions.
fn resource_changes<'a>(changes: impl Iterator<Item = &'a PlannedChange>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for change in changes {
        let action = match change.action.as_str() {
            "added" => "create",
            "deleted" => "delete",
            "changed" => "update",
            other => other,
        };
        let known = found.iter_mut().find(|known| known["address"] == change.address.as_str());
        match known.and_then(|known| known["change"]["actions"].as_array_mut()) {
            Some(actions) => actions.push(json!(action)),
            None => found.push(json!({
                "address": change.address,
                "type": change.resource_type,
                "name": change.address.rsplit('.').next(),
                "mode": "managed",
                "change": { "actions": [action], "before": null, "after": null },
            })),
        }
    }
    found
}

fn commit(case: &Case<'_>) -> Value {
    let change = &case.request.change;
    json!({
        "author": change.author,
        "branch": change.branch,
        "created_at": nanoseconds(case.asked_at),
        "hash": change.commit,
        "message": change.title,
        "url": change.url,
    })
}

fn stack(stack: &GateStack, case: &Case<'_>) -> Value {
    let request = case.request;
    let repository = &request.change.repository;
    let (namespace, name) = repository.split_once('/').unwrap_or(("", repository));
    json!({
        "id": stack.stack,
        "name": stack.stack,
        "labels": stack.labels,
        "space": { "id": stack.space, "name": stack.space, "labels": [] },
        "state": "UNCONFIRMED",
        "branch": request.change.branch,
        "repository": name,
        "namespace": namespace,
        "project_root": stack.path,
        "additional_project_globs": [],
        "administrative": false,
        "autodeploy": stack.autodeploy,
        "locked_by": null,
        "tracked_commit": commit(case),
    })
}

fn pull_request(case: &Case<'_>) -> Value {
    let change = &case.request.change;
    let Some(number) = change.pull_request else { return Value::Null };
    json!({
        "id": number,
        "action": "synchronize",
        "author": change.author,
        "title": change.title,
        "draft": false,
        "closed": false,
        "labels": [],
        "diff": files(case),
        "base": { "branch": change.branch, "hash": change.previous },
        "head": { "hash": change.commit, "author": change.author, "message": change.title },
    })
}

/// Only what a person said last counts, as in Spacelift.
fn reviews(people: &People, case: &Case<'_>) -> Value {
    let newest = newest(people, case.reviews);
    let of = |word: Word| -> Vec<Value> {
        let said = newest.iter().filter(|review| review.word == word);
        said.map(|one| review(people, one, case)).collect()
    };
    json!({
        "current": { "approvals": of(Word::Approve), "rejections": of(Word::Reject) },
        "older": { "approvals": [], "rejections": [] },
    })
}

fn review(people: &People, review: &Review, case: &Case<'_>) -> Value {
    let who = people.who(&review.by);
    let claimed = |group: &String| people.vouched(std::slice::from_ref(group), &review.groups);
    let own = |(group, members): &(&String, &Vec<String>)| members.contains(&who) || claimed(group);
    let teams: Vec<&String> = people.groups.iter().filter(own).map(|(group, _)| group).collect();
    let state = match case.request.moment {
        Moment::BeforeApply => "UNCONFIRMED",
        Moment::BeforeChain | Moment::BeforePlan => "QUEUED",
    };
    json!({
        "author": review.by,
        "author_roles": [],
        "request": { "timestamp_ns": nanoseconds(review.at) },
        "session": { "login": review.by, "name": review.by, "teams": teams, "machine": false },
        "state": state,
        "state_version": 1,
    })
}
