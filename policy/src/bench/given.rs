//! What a test gives: the question, what people said about it, and what hooks told.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, CommitSha, GateId,
    chain::{ChainKind, WorkerPool},
    change::{Change, TouchedFiles},
    gate::{GateRequested, GateStack, Moment, PlannedChange, RecentFailure},
    run::Delta,
};
use located::{Placed, Section};
use uuid::Uuid;

use crate::{
    call::{Answer, Call},
    document::scope::{ACTIONS, KINDS, MOMENTS},
    model::{Cost, Silence},
    review::{Review, Word},
};

/// What may happen to a resource; what is replaced is deleted and added.
const CHANGES: [(&str, &str); 3] =
    [("added", "added"), ("changed", "changed"), ("deleted", "deleted")];
/// What a hook may say.
const ANSWERS: [(&str, Option<bool>); 3] =
    [("pass", Some(true)), ("deny", Some(false)), ("silence", None)];
/// What may be given.
const GIVEN: [&str; 37] = [
    "now",
    "asked_at",
    "timezone",
    "moment",
    "kind",
    "action",
    "planned_at",
    "failed",
    "under_way",
    "stack",
    "stacks",
    "follows",
    "space",
    "labels",
    "code_labels",
    "path",
    "files",
    "autodeploy",
    "worker_pool",
    "repository",
    "branch",
    "author",
    "authors",
    "title",
    "pull_request",
    "added",
    "changed",
    "deleted",
    "deleted_types",
    "changes",
    "cost_delta",
    "chain_size",
    "approvals",
    "rejections",
    "overrides",
    "claims",
    "hook_answers",
];

type When = Option<DateTime<Utc>>;

/// The question, at the time that the test is about, with a plan that was shown at another.
pub(super) fn request(
    given: &Section<'_>,
    (now, planned_at): (When, When),
) -> Option<GateRequested> {
    given.only(&GIVEN, &[]);
    let moment = given.text("moment").and_then(|text| given.word("moment", &text, &MOMENTS));
    let kind = given.text("kind").and_then(|text| given.word("kind", &text, &KINDS));
    let labels =
        |key| given.texts(key).into_iter().map(|(label, _)| label).collect::<Vec<String>>();
    let code_labels = labels("code_labels");
    let labels = [labels("labels"), code_labels.clone()].concat();
    let mut names: Vec<String> = given.texts("stacks").into_iter().map(|(name, _)| name).collect();
    names.extend(given.text("stack").map(|(name, _)| name));
    let follow: Vec<String> = given.texts("follows").into_iter().map(|(name, _)| name).collect();
    names.extend(follow.iter().cloned());
    if names.is_empty() {
        names.push("a-stack".to_owned());
    }
    let stack = |name: &String| GateStack {
        stack: name.as_str().into(),
        space: text(given, "space", "root").as_str().into(),
        labels: labels.clone(),
        code_labels: code_labels.clone(),
        autodeploy: given.flag("autodeploy").unwrap_or(false),
        path: given.text("path").map(|(path, _)| path),
        follows: follow.contains(name),
        worker_pool: given
            .text("worker_pool")
            .map(|(pool, _)| WorkerPool { id: pool.as_str().into(), name: pool.as_str().into() }),
    };
    let action = given.text("action").and_then(|text| given.word("action", &text, &ACTIONS));
    let (delta, changes) = plan(given);
    let chain_size = given.number("chain_size").and_then(|size| usize::try_from(size).ok());
    Some(GateRequested {
        gate: GateId(Uuid::nil()),
        chain: ChainId(Uuid::nil()),
        kind: kind.unwrap_or(ChainKind::Deploy),
        moment: moment.unwrap_or(Moment::BeforeApply),
        stacks: names.iter().map(stack).collect(),
        change: change(given),
        run: None,
        delta,
        changes,
        changes_more: 0,
        unread: None,
        files: files(given),
        steps: chain_size.or(Some(names.len())),
        plans: Vec::new(),
        differs: None,
        action: action.unwrap_or_default(),
        planned_at: planned_at.or(now),
        failures: failures(given, now),
        again: 0,
    })
}

fn text(given: &Section<'_>, key: &str, usual: &str) -> String {
    given.text(key).map_or_else(|| usual.to_owned(), |(text, _)| text)
}

fn change(given: &Section<'_>) -> Change {
    Change {
        repository: text(given, "repository", "acme/infra"),
        branch: text(given, "branch", "main"),
        commit: CommitSha("c0ffee".to_owned()),
        previous: None,
        author: text(given, "author", "somebody"),
        authors: given.texts("authors").into_iter().map(|(name, _)| name).collect(),
        title: text(given, "title", "a change"),
        url: None,
        pull_request: given.number("pull_request"),
    }
}

/// Stacks that failed a moment ago; they have the labels of those that are asked about.
fn failures(given: &Section<'_>, now: Option<DateTime<Utc>>) -> Vec<RecentFailure> {
    let failed = given.texts("failed").into_iter().map(|(stack, _)| RecentFailure {
        chain: ChainId(Uuid::nil()),
        stack: stack.as_str().into(),
        space: text(given, "space", "root").as_str().into(),
        labels: given.texts("labels").into_iter().map(|(label, _)| label).collect(),
        path: None,
        at: now.unwrap_or_default(),
    });
    failed.collect()
}

/// The files the change touches, if the test names any.
fn files(given: &Section<'_>) -> Option<TouchedFiles> {
    let files = given.texts("files");
    (!files.is_empty()).then(|| TouchedFiles::of(files.into_iter().map(|(file, _)| file)))
}

/// What the plan changes, if the test says anything about it.
fn plan(given: &Section<'_>) -> (Option<Delta>, Option<Vec<PlannedChange>>) {
    let count = |key: &str| given.number(key).and_then(|number| i64::try_from(number).ok());
    let (added, changed, deleted) = (count("added"), count("changed"), count("deleted"));
    let gone = given.texts("deleted_types").into_iter();
    let gone = gone.map(|(kind, _)| resource("deleted", format!("{kind}.gone")));
    let named = given.texts("changes").into_iter().filter_map(|text| {
        let (action, address) = two_words(given, &text, "an action and an address")?;
        Some(resource(given.word("changes", &action, &CHANGES)?, address.0))
    });
    let changes: Vec<PlannedChange> = gone.chain(named).collect();
    let of_them = |action: &str| {
        let found = changes.iter().filter(|change| change.action == action).count();
        i64::try_from(found).unwrap_or(i64::MAX)
    };
    let says = added.or(changed).or(deleted).is_some() || !changes.is_empty();
    let delta = says.then(|| Delta {
        added: added.unwrap_or_else(|| of_them("added")),
        changed: changed.unwrap_or_else(|| of_them("changed")),
        deleted: deleted.unwrap_or_else(|| of_them("deleted")),
    });
    (delta, (!changes.is_empty()).then_some(changes))
}

/// What happens to a resource, `module.net["a.b"].aws_subnet.this[0]`.
fn resource(action: &str, address: String) -> PlannedChange {
    let mut depth = 0_usize;
    let plain: String = address
        .chars()
        .filter(|character| {
            depth += usize::from(*character == '[');
            let is_plain = depth == 0;
            depth = depth.saturating_sub(usize::from(*character == ']'));
            is_plain
        })
        .collect();
    let resource_type = plain.rsplit('.').nth(1).unwrap_or(&plain).to_owned();
    PlannedChange { address, resource_type, action: action.to_owned(), stack: None }
}

/// A text of two words, each with the place of both.
fn two_words(
    given: &Section<'_>,
    (text, span): &Placed<String>,
    of: &str,
) -> Option<(Placed<String>, Placed<String>)> {
    let words = text.trim().split_once(char::is_whitespace);
    if words.is_none() {
        given.fault_at(span.clone(), format!("`{text}` is not {of}"), "write both, with a space");
    }
    let (first, second) = words?;
    Some(((first.to_owned(), span.clone()), (second.trim().to_owned(), span.clone())))
}

/// What people said of it, with the groups that an issuer of identities says they belong to.
pub(super) fn reviews(given: &Section<'_>, now: DateTime<Utc>) -> Vec<Review> {
    let claims: Vec<(String, String)> = given
        .texts("claims")
        .iter()
        .filter_map(|text| two_words(given, text, "a person and a group of theirs"))
        .map(|((by, _), (group, _))| (by, group))
        .collect();
    let glass = Word::Override { until: now + TimeDelta::hours(1), whole_chain: false };
    let said = [("approvals", Word::Approve), ("rejections", Word::Reject), ("overrides", glass)];
    let said = said.iter().flat_map(|(key, word)| {
        given.texts(key).into_iter().map(|(by, _)| (by, *word)).collect::<Vec<_>>()
    });
    let review = |(number, (by, word)): (u128, (String, Word))| {
        let own = claims.iter().filter(|(of, _)| *of == by);
        Review {
            id: Uuid::from_u128(number),
            groups: own.map(|(_, group)| group.clone()).collect(),
            by,
            word,
            note: None,
            at: now,
        }
    };
    (1..).zip(said).map(review).collect()
}

/// What hooks said, and the costs that one without a name told.
pub(super) fn calls(given: &Section<'_>, now: DateTime<Utc>) -> Vec<Call> {
    let call = |hook: String, pass: Option<bool>, cost_delta: Option<Cost>| Call {
        hook,
        asked_at: now,
        deadline: now,
        on_silence: Silence::Pass,
        answer: pass.map(|pass| Answer {
            pass,
            by: String::new(),
            text: None,
            cost_delta,
            at: now,
        }),
    };
    let cost = given.decimal("cost_delta").map(Cost::from);
    let told = cost.map(|cost| call(String::new(), Some(true), Some(cost)));
    let answers = given.texts("hook_answers").into_iter().filter_map(|text| {
        let ((hook, _), answer) = two_words(given, &text, "a hook and its answer")?;
        Some(call(hook, given.word("hook_answers", &answer, &ANSWERS)?, None))
    });
    answers.chain(told).collect()
}
