//! What programs are given of the change: the push or the pull request, and its commit.

use contracts::{
    Action,
    chain::ChainKind,
    change::Change,
    gate::{GateRequested, GateStack},
    label,
};
use serde_json::{Value, json};

use super::{View, nanoseconds};
use crate::evaluate::Case;

/// The head of a branch or of a pull request, or a tag: that is on no branch, as at Spacelift.
pub(super) fn push(view: View<'_>, tag: Option<&str>) -> Value {
    let mut push = commit(view);
    push["affected_files"] = json!(files(view.case));
    push["tag"] = json!(tag.unwrap_or_default());
    if tag.is_some() {
        push["branch"] = json!("");
    }
    push
}

/// The tag that delivers a stack: what has such a label is touched by nothing that is pushed to its
/// branch.
pub(super) fn tag<'a>(stack: &GateStack, request: &'a GateRequested) -> Option<&'a str> {
    let by_tag = stack.labels.iter().any(|label| label.starts_with(label::ON_TAG));
    let is_delivery = request.kind == ChainKind::Deploy && request.action == Action::Deliver;
    (by_tag && is_delivery && !stack.follows).then_some(request.change.branch.as_str())
}

/// The files the change touches, as far as they are known.
fn files<'a>(case: &Case<'a>) -> &'a [String] {
    case.request.files.as_ref().map_or(&[], |files| &files.paths)
}

/// The branch that has the commit; of a pull request whose branch nobody tells, what its host calls
/// the head of it.
pub(super) fn branch(change: &Change) -> String {
    match change.pull_request {
        Some(number) => format!("pull/{number}"),
        None => change.branch.clone(),
    }
}

pub(super) fn commit(view: View<'_>) -> Value {
    let change = &view.case.request.change;
    json!({
        "author": view.author(),
        "branch": branch(change),
        "created_at": nanoseconds(view.case.asked_at),
        "hash": change.commit,
        "message": change.title,
        "url": change.url,
    })
}

pub(super) fn pull_request(view: View<'_>) -> Value {
    let change = &view.case.request.change;
    let Some(number) = change.pull_request else { return Value::Null };
    json!({
        "id": number,
        "action": "synchronize",
        "author": view.author(),
        "title": change.title,
        "draft": false,
        "closed": false,
        "labels": [],
        "diff": files(view.case),
        "base": { "branch": change.branch, "hash": change.previous },
        "head": commit(view),
    })
}
