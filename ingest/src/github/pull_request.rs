//! `pull_request`: opened, with a new head or another target, labelled, closed or merged.

use contracts::{CommitSha, change::ChangeLabelled};
use serde::{Deserialize, de::IgnoredAny};

use super::{Account, Read, Repository};
use crate::{
    delivery::Verdict,
    forge::{Proposal, authors::Authors, commit_id, event},
    payload::{self, Malformed, Text, moment, name, plain},
};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    number: u64,
    /// The head that `synchronize` replaced.
    #[serde(borrow, default)]
    before: Option<Text<'a>>,
    #[serde(borrow, default)]
    label: Option<Label<'a>>,
    /// What `edited` changed.
    #[serde(default)]
    changes: Option<Changes>,
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
    #[serde(default)]
    merged: Option<bool>,
    #[serde(borrow, default)]
    merge_commit_sha: Option<Text<'a>>,
    #[serde(borrow, default)]
    labels: Option<Vec<Label<'a>>>,
}

#[derive(Deserialize)]
struct Changes {
    /// It goes to another branch.
    #[serde(default)]
    base: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow)]
    name: Text<'a>,
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
    let told: Event<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let kind = format!("pull_request.{action}");
    let number = told.number;
    let speaks = match action.as_str() {
        "opened" | "reopened" | "synchronize" | "ready_for_review" => true,
        "labeled" | "unlabeled" | "closed" => true,
        "edited" => told.changes.as_ref().is_some_and(|changes| changes.base.is_some()),
        _ => false,
    };
    if !speaks {
        let text = format!("nothing follows from pull request {number} being `{action}`");
        return Ok((kind, None, Verdict::kept("action_ignored", text)));
    }
    let proposal = proposal(&told)?;
    // The same pull request can be closed and reopened with one head any number of times.
    let at = told.pull_request.updated_at.as_ref().map_or("", Text::as_str);
    let key = proposal.key(&action, at);
    let (key, verdict) = match action.as_str() {
        "closed" => {
            let merged = told.pull_request.merged.unwrap_or_default();
            // Of a pull request that was never merged, it is the commit of a trial.
            let merged_as = told.pull_request.merge_commit_sha.as_ref().filter(|_| merged);
            let merged_as = merged_as.map(|sha| commit_id(sha, "pull_request.merge_commit_sha"));
            (key, proposal.closed(merged, merged_as.transpose()?.map(CommitSha)))
        }
        "labeled" | "unlabeled" => {
            let label = told.label.as_ref().map(|label| plain(label.name.as_str()));
            let key = format!("{key}/{}", label.as_deref().unwrap_or_default());
            (key, labelled(&told, proposal, label))
        }
        "edited" => (format!("{key}/{}", proposal.branch), proposal.proposed()),
        _ => (key, proposal.proposed()),
    };
    Ok((kind, Some(key), verdict))
}

fn proposal(told: &Event<'_>) -> Result<Proposal, Malformed> {
    let pull_request = &told.pull_request;
    let previous = told.before.as_ref().map(|before| commit_id(before, "before")).transpose()?;
    let author = author(told);
    let mut authors = Authors::default();
    // Whoever adds to another's proposal is an author of it, too.
    if let Some(sender) = told.sender.as_ref().filter(|_| previous.is_some()) {
        authors.wrote(Some(sender.login.as_str()), None);
    }
    Ok(Proposal {
        repository: name(told.repository.full_name.as_str(), "repository.full_name")?,
        number: told.number,
        branch: name(pull_request.base.reference.as_str(), "pull_request.base.ref")?,
        commit: commit_id(&pull_request.head.sha, "pull_request.head.sha")?,
        previous,
        authors: authors.but(&author),
        author,
        title: pull_request.title.as_ref().map_or("", Text::as_str).to_owned(),
        url: pull_request.html_url.as_ref().map(|url| plain(url.as_str())),
        fork: is_fork(told),
        updated_at: moment(pull_request.updated_at.as_ref()),
    })
}

fn labelled(told: &Event<'_>, proposal: Proposal, label: Option<String>) -> Verdict {
    let labels = told.pull_request.labels.iter().flatten();
    let labels = labels.map(|label| plain(label.name.as_str())).collect();
    let fork = proposal.fork;
    let added = told.action.as_str() == "labeled";
    event(&ChangeLabelled { change: proposal.change(), label, added, labels, fork })
}

/// A head without a repository was in a fork that is gone: our own cannot be gone.
fn is_fork(told: &Event<'_>) -> bool {
    let base = &told.repository.full_name;
    let head = told.pull_request.head.repo.as_ref().map(|repo| &repo.full_name);
    head.is_none_or(|head| !head.as_str().eq_ignore_ascii_case(base.as_str()))
}

/// Whose proposal it is; who says something of it, if that is not told.
fn author(told: &Event<'_>) -> String {
    let account = told.pull_request.user.as_ref().or(told.sender.as_ref());
    plain(account.map_or("unknown", |account| account.login.as_str()))
}
