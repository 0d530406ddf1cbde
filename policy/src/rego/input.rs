//! What programs are given: the shapes Spacelift gives its approval, plan, push and trigger
//! policies, all in one document, and under `stackly` what only we know.

mod change;

use chrono::{DateTime, Utc};
use contracts::{
    Action,
    chain::ChainKind,
    gate::{GateStack, Moment, PlannedChange},
};
use serde_json::{Value, json};

use self::change::{branch, commit, pull_request, push, tag};
use super::address;
use crate::{
    call::Call,
    evaluate::Case,
    people::{People, authors},
    review::{Review, Word, apart, newest},
};

/// What programs are given about a case: the same for all of its stacks, but for what is of one.
pub(crate) struct Inputs {
    whole: rego::Value,
    /// What is put in its place where a program is asked about one of the stacks.
    of_stacks: Vec<OfStack>,
}

/// A case as programs see it.
#[derive(Clone, Copy)]
struct View<'a> {
    people: &'a People,
    case: &'a Case<'a>,
    /// The gate that the question stands for: the one before the apply, where nobody asks there.
    stands_for: Moment,
}

struct OfStack {
    stack: String,
    /// At the top.
    own: Vec<(&'static str, rego::Value)>,
    /// Under `spacelift`.
    inner: Vec<(&'static str, rego::Value)>,
}

impl Inputs {
    /// What programs are given that are asked what they would say at this gate.
    pub(crate) fn new(people: &People, case: &Case<'_>, stands_for: Moment) -> Self {
        let view = View { people, case, stands_for };
        let of_stacks = case.request.stacks.iter().map(|one| OfStack::new(one, view)).collect();
        Self { whole: rego::value(&document(view)), of_stacks }
    }

    /// The input for one of the stacks; without one, for whatever stands first.
    pub(crate) fn about(&self, stack: Option<&str>) -> rego::Value {
        let named = |of: &&OfStack| stack.is_none_or(|stack| of.stack == stack);
        let mut input = self.whole.clone();
        let Some(of) = self.of_stacks.iter().find(named) else { return input };
        let mut inner = input["spacelift"].clone();
        put(&mut inner, &of.inner);
        put(&mut input, &of.own);
        put(&mut input, &[("spacelift", inner)]);
        input
    }

    /// The same as if nobody had said anything.
    pub(crate) fn unreviewed(mut input: rego::Value) -> rego::Value {
        let none = said(&[], &[]);
        let reviews = rego::value(&json!({ "current": none, "older": none }));
        put(&mut input, &[("reviews", reviews)]);
        input
    }
}

impl OfStack {
    fn new(one: &GateStack, view: View<'_>) -> Self {
        let value = |value: Value| rego::value(&value);
        let (stack, run) = (value(stack(one, view)), value(run(view, Some(one))));
        let mut own = vec![("stack", stack.clone()), ("run", run.clone())];
        if let Some(tag) = tag(one, view.case.request) {
            own.push(("push", value(push(view, Some(tag)))));
        }
        let name = one.stack.as_str().to_owned();
        if let Some(changes) = &view.case.request.changes {
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

fn document(view: View<'_>) -> Value {
    let View { people, case, .. } = view;
    let request = case.request;
    let run = run(view, None);
    let stacks: Vec<Value> = request.stacks.iter().map(|one| stack(one, view)).collect();
    let stack = stacks.first().cloned().unwrap_or(Value::Null);
    let authors: Vec<String> = request.change.authors.iter().map(|name| people.who(name)).collect();
    let mut document = json!({
        "run": run,
        "stack": stack,
        "stacks": stacks,
        "workflow": [],
        "in_progress": [],
        "reviews": reviews(view),
        "request": { "timestamp_ns": nanoseconds(case.now) },
        "push": push(view, None),
        "pull_request": pull_request(view),
        "spacelift": {
            "commit": commit(view),
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
            "authors": authors,
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

fn nanoseconds(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or_default()
}

/// The run, of one of the stacks if one is named.
fn run(view: View<'_>, stack: Option<&GateStack>) -> Value {
    let (case, request) = (view.case, view.case.request);
    let planned = stack.and_then(|one| request.plans.iter().find(|it| it.stack == one.stack));
    let id = planned.map_or(request.run.as_ref(), |plan| plan.run.as_ref());
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
        "state": view.state(),
        "branch": branch(&request.change),
        "command": "",
        "triggered_by": null,
        "drift_detection": case.request.action == Action::FixDrift,
        "based_on_local_workspace": false,
        "created_at": nanoseconds(case.asked_at),
        "updated_at": nanoseconds(case.asked_at),
        "flags": [],
        "user_provided_metadata": [],
        "changes": changes,
        "commit": commit(view),
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
            "name": address::name(&change.address),
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
            None => {
                let mut planned = json!({
                    "address": change.address,
                    "type": change.resource_type,
                    "name": address::name(&change.address),
                    "mode": "managed",
                    "change": { "actions": [action], "before": null, "after": null },
                });
                if let Some(module) = address::module(&change.address) {
                    planned["module_address"] = json!(module);
                }
                found.push(planned);
            }
        }
    }
    found
}

fn stack(stack: &GateStack, view: View<'_>) -> Value {
    let request = view.case.request;
    let repository = &request.change.repository;
    // Of what a tag delivers, nobody says which branch it tracks.
    let branch = tag(stack, request).is_none().then_some(&request.change.branch);
    let (namespace, name) = repository.split_once('/').unwrap_or(("", repository));
    json!({
        "id": stack.stack,
        "name": stack.stack,
        "labels": stack.labels,
        "space": { "id": stack.space, "name": stack.space, "labels": [] },
        "state": "UNCONFIRMED",
        "branch": branch,
        "repository": name,
        "namespace": namespace,
        "project_root": stack.path,
        "additional_project_globs": [],
        "administrative": false,
        "autodeploy": stack.autodeploy,
        "locked_by": null,
        "tracked_commit": commit(view),
        "worker_pool": stack.worker_pool.as_ref().map(|pool| json!({
            "id": pool.id,
            "name": pool.name,
            "public": pool.is_public(),
        })),
    })
}

/// Only what a person said last counts, as in Spacelift, and only approvals of people who are surely
/// others: a program counts them, and cannot ask who they are.
fn reviews(view: View<'_>) -> Value {
    let View { people, case, .. } = view;
    let (approvals, rejections): (Vec<&Review>, Vec<&Review>) =
        newest(people, case.reviews).into_iter().partition(|said| said.word == Word::Approve);
    let shown = |said: Vec<&Review>| -> Vec<Value> {
        said.into_iter().map(|one| review(one, view)).collect()
    };
    let (approvals, _) = apart(people, &authors(&case.request.change), approvals, |_| false);
    let (approvals, rejections) = (shown(approvals), shown(rejections));
    json!({ "current": said(&approvals, &rejections), "older": said(&[], &[]) })
}

fn said(approvals: &[Value], rejections: &[Value]) -> Value {
    json!({ "approvals": approvals, "rejections": rejections })
}

fn review(review: &Review, view: View<'_>) -> Value {
    let people = view.people;
    let who = people.who(&review.by);
    let claimed = |group: &String| people.vouched(std::slice::from_ref(group), &review.groups);
    let own = |(group, members): &(&String, &Vec<String>)| members.contains(&who) || claimed(group);
    let teams: Vec<&String> = people.groups.iter().filter(own).map(|(group, _)| group).collect();
    // Who made the change is called the same in both places, so that programs know them again.
    let is_author = people.same(&review.by, &view.case.request.change.author);
    let name = if is_author { view.author() } else { who.clone() };
    json!({
        "author": name,
        "author_roles": [],
        "request": { "timestamp_ns": nanoseconds(review.at) },
        "session": { "login": name, "name": name, "teams": teams, "machine": false },
        "state": view.state(),
        "state_version": 1,
    })
}

impl View<'_> {
    /// Who made the change: the person whom the policies know by that name, else as the host writes it,
    /// so that programs written for Spacelift find what they look for.
    fn author(&self) -> String {
        let name = &self.case.request.change.author;
        let person = self.people.who(name);
        if person == crate::people::person(name) { name.clone() } else { person }
    }

    fn state(&self) -> &'static str {
        match self.stands_for {
            Moment::BeforeChain | Moment::BeforePlan => "QUEUED",
            Moment::BeforeApply => "UNCONFIRMED",
        }
    }
}
