//! What programs are given of the change: the push or the pull request, and its commit.

use serde_json::{Value, json};

use super::{View, nanoseconds};
use crate::evaluate::Case;

/// The head of a branch.
pub(super) fn push(view: View<'_>) -> Value {
    let change = &view.case.request.change;
    if change.pull_request.is_some() {
        return Value::Null;
    }
    let mut push = commit(view);
    push["affected_files"] = json!(files(view.case));
    push["tag"] = json!("");
    push
}

/// The files the change touches, as far as they are known.
fn files<'a>(case: &Case<'a>) -> &'a [String] {
    case.request.files.as_ref().map_or(&[], |files| &files.paths)
}

pub(super) fn commit(view: View<'_>) -> Value {
    let change = &view.case.request.change;
    json!({
        "author": view.author(),
        "branch": change.branch,
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
