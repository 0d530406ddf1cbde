//! `pull_request`: opened, reopened, ready for review, or with a new head.

use contracts::{
    CommitSha,
    change::{Change, ChangeProposed, Paths},
};
use serde::Deserialize;

use super::{Account, Read, Repository, commit_id, event, first_line};
use crate::{
    delivery::Verdict,
    payload::{self, Malformed, Text, name, plain},
};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    number: u64,
    /// The head that `synchronize` replaced.
    #[serde(borrow, default)]
    before: Option<Text<'a>>,
    #[serde(borrow)]
    pull_request: PullRequest<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    sender: Option<Account<'a>>,
}

#[derive(Deserialize)]
struct PullRequest<'a> {
    #[serde(borrow)]
    head: Side<'a>,
    #[serde(borrow)]
    base: Side<'a>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
    #[serde(borrow, default)]
    html_url: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Option<Account<'a>>,
    #[serde(borrow, default)]
    updated_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Side<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    sha: Text<'a>,
    /// Absent when the fork was deleted.
    #[serde(borrow, default)]
    repo: Option<Repository<'a>>,
}

pub(super) fn read(body: &[u8]) -> Result<Read, Malformed> {
    let opened: Event<'_> = payload::object(body)?;
    let action = name(opened.action.as_str(), "action")?;
    let kind = format!("pull_request.{action}");
    let number = opened.number;
    if !matches!(action.as_str(), "opened" | "reopened" | "synchronize" | "ready_for_review") {
        let text = format!("nothing follows from pull request {number} being `{action}`");
        return Ok((kind, None, Verdict::kept("action_ignored", text)));
    }
    let repository = name(opened.repository.full_name.as_str(), "repository.full_name")?;
    let pull_request = &opened.pull_request;
    let commit = commit_id(&pull_request.head.sha, "pull_request.head.sha")?;
    let branch = name(pull_request.base.reference.as_str(), "pull_request.base.ref")?;
    let key = content_key(&opened, &repository, &commit);
    let previous = opened.before.as_ref().map(|before| commit_id(before, "before")).transpose()?;
    let change = Change {
        repository,
        branch,
        commit: CommitSha(commit),
        previous: previous.map(CommitSha),
        author: author(&opened),
        title: plain(&first_line(pull_request.title.as_ref().map_or("", Text::as_str))),
        url: pull_request.html_url.as_ref().map(|url| plain(url.as_str())),
        pull_request: Some(number),
    };
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: is_fork(&opened) };
    Ok((kind, Some(key), event(&proposed)))
}

/// The pull request, its head and what happened; and when, because the same pull request can be
/// closed and reopened with one head any number of times.
fn content_key(opened: &Event<'_>, repository: &str, commit: &str) -> String {
    let (action, number) = (opened.action.as_str(), opened.number);
    let updated_at = opened.pull_request.updated_at.as_ref().map_or("", Text::as_str);
    format!("pull_request/{repository}/{number}/{action}/{commit}/{updated_at}")
}

/// A head without a repository was in a fork that is gone: our own cannot be gone.
fn is_fork(opened: &Event<'_>) -> bool {
    let base = &opened.repository.full_name;
    let head = opened.pull_request.head.repo.as_ref().map(|repo| &repo.full_name);
    head.is_none_or(|head| !head.as_str().eq_ignore_ascii_case(base.as_str()))
}

fn author(opened: &Event<'_>) -> String {
    let account = opened.sender.as_ref().or(opened.pull_request.user.as_ref());
    plain(account.map_or("unknown", |account| account.login.as_str()))
}
