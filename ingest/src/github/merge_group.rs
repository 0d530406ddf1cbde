//! `merge_group`: a merge queue asks whether its next state may become that of the branch.

use contracts::{
    CommitSha,
    change::{Change, ChangeProposed, Paths},
};
use serde::Deserialize;

use super::{Account, Read, Repository};
use crate::{
    delivery::Verdict,
    forge::{commit_id, event, first_line, is_zero, short_branch},
    payload::{self, Malformed, Text, name, plain},
};

/// In front of the branches that a merge queue makes for a while.
pub(super) const QUEUE: &str = "gh-readonly-queue/";

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    merge_group: Group<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
    #[serde(borrow, default)]
    sender: Option<Account<'a>>,
}

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow)]
    head_sha: Text<'a>,
    /// What it is put on top of: the branch, or the group before it.
    #[serde(borrow)]
    base_sha: Text<'a>,
    #[serde(borrow)]
    base_ref: Text<'a>,
    #[serde(borrow, default)]
    head_commit: Option<HeadCommit<'a>>,
}

#[derive(Deserialize)]
struct HeadCommit<'a> {
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
}

pub(super) fn read(body: &[u8]) -> Result<Read, Malformed> {
    let told: Event<'_> = payload::object(body)?;
    let action = name(told.action.as_str(), "action")?;
    let kind = format!("merge_group.{action}");
    if action != "checks_requested" {
        let text = format!("nothing follows from a group of a merge queue being `{action}`");
        return Ok((kind, None, Verdict::kept("action_ignored", text)));
    }
    let group = &told.merge_group;
    let repository = name(told.repository.full_name.as_str(), "repository.full_name")?;
    let commit = commit_id(&group.head_sha, "merge_group.head_sha")?;
    let previous = commit_id(&group.base_sha, "merge_group.base_sha")?;
    let key = format!("merge_group/{repository}/{commit}/{previous}");
    let message = group.head_commit.as_ref().and_then(|commit| commit.message.as_ref());
    let change = Change {
        repository,
        branch: short_branch(group.base_ref.as_str(), "merge_group.base_ref")?,
        commit: CommitSha(commit),
        previous: (!is_zero(&previous)).then_some(CommitSha(previous)),
        author: plain(told.sender.as_ref().map_or("unknown", |sender| sender.login.as_str())),
        authors: Vec::new(),
        title: plain(&first_line(message.map_or("", Text::as_str))),
        url: None,
        pull_request: None,
    };
    // Who put it into the queue may merge, whoever's the code was.
    let proposed = ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
    Ok((kind, Some(key), event(&proposed)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(action: &str) -> Vec<u8> {
        json!({
            "action": action,
            "merge_group": {
                "head_sha": "a".repeat(40), "base_sha": "b".repeat(40),
                "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-bbbb",
                "base_ref": "refs/heads/main",
                "head_commit": { "message": "Merge pull request #7\n\nmore" },
            },
            "repository": { "full_name": "acme/infra" },
            "sender": { "login": "github-merge-queue[bot]" },
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_merge_queue_proposes_its_next_state_for_the_branch() {
        let (kind, key, verdict) = read(&body("checks_requested")).unwrap();
        assert_eq!(kind, "merge_group.checks_requested");
        assert!(key.is_some());
        let Verdict::Event(event) = verdict else { panic!("{verdict:?}") };
        let told: ChangeProposed = serde_json::from_value(event.body).unwrap();
        let Change { branch, commit, previous, pull_request, title, .. } = told.change;
        assert_eq!((event.kind, branch.as_str()), ("change.proposed", "main"));
        assert_eq!((commit.as_str(), pull_request), ("a".repeat(40).as_str(), None));
        assert_eq!(previous, Some(CommitSha("b".repeat(40))));
        assert_eq!(title, "Merge pull request #7");
        assert!(!told.fork);
    }

    #[test]
    fn a_group_that_is_gone_is_kept() {
        let (_, _, verdict) = read(&body("destroyed")).unwrap();
        assert_eq!(verdict.code(), "action_ignored");
    }
}
