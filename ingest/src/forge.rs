//! What all hosts of repositories have in common: commit ids, refs, pushes and proposals.

pub(crate) mod authors;
pub(crate) mod told;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use contracts::{
    CommitSha, Message, Outgoing,
    change::{Change, ChangeClosed, ChangeProposed, ChangePushed, Paths},
};

use crate::{
    delivery::{Turn, Verdict},
    payload::{Malformed, Text, name, plain},
};

/// The bytes of paths an event may carry: the broker refuses messages above 1 MiB.
const PATHS_BYTES_MAX: usize = 256 * 1024;

/// A commit id: 40 hexadecimal digits, or 64 in repositories that use SHA-256.
pub(crate) fn commit_id(text: &Text<'_>, what: &str) -> Result<String, Malformed> {
    let text = text.as_str();
    let fit = matches!(text.len(), 40 | 64) && is_hexadecimal(text);
    if fit { Ok(text.to_owned()) } else { Err(Malformed(format!("`{what}` is not a commit id"))) }
}

/// The same, where the host cuts it short.
pub(crate) fn short_commit_id(text: &Text<'_>, what: &str) -> Result<String, Malformed> {
    let text = text.as_str();
    let fit = (12..=64).contains(&text.len()) && is_hexadecimal(text);
    if fit { Ok(text.to_owned()) } else { Err(Malformed(format!("`{what}` is not a commit id"))) }
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Git's way to write that there is no commit.
pub(crate) fn is_zero(commit: &str) -> bool {
    commit.bytes().all(|byte| byte == b'0')
}

pub(crate) fn first_line(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.lines().next().unwrap_or_default())
}

pub(crate) fn event<M: Message>(message: &M) -> Verdict {
    Verdict::Event(Outgoing::new(message))
}

/// All of these paths, once each, if an event can carry them.
pub(crate) fn paths(mut paths: Vec<&str>) -> Paths {
    paths.sort_unstable();
    paths.dedup();
    let bytes: usize = paths.iter().map(|path| path.len()).sum();
    let fit = bytes <= PATHS_BYTES_MAX && !paths.iter().any(|path| path.contains('\0'));
    if !fit {
        return Paths::Unknown;
    }
    Paths::All(paths.into_iter().map(str::to_owned).collect())
}

/// A branch or a tag, and its name.
pub(crate) fn branch_or_tag(reference: &str) -> Option<(String, bool)> {
    match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
        (Some(branch), _) if !branch.is_empty() => Some((branch.to_owned(), false)),
        (_, Some(tag)) if !tag.is_empty() => Some((tag.to_owned(), true)),
        _ => None,
    }
}

/// Whether a ref is a tag.
pub(crate) fn is_tag(reference: &str) -> bool {
    matches!(branch_or_tag(reference), Some((_, true)))
}

/// A ref that moved, as its host reports it; all zeros stand for no commit, as in Git.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    pub(crate) repository: String,
    pub(crate) reference: String,
    pub(crate) before: String,
    pub(crate) after: String,
    /// The commit that is meant, where the ref is at something else: a tag with a message.
    pub(crate) commit: Option<String>,
    pub(crate) author: String,
    pub(crate) authors: Vec<String>,
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    pub(crate) paths: Paths,
    pub(crate) forced: bool,
}

impl Moved {
    /// What tells the move from every other: what two webhooks that report one push agree on.
    pub(crate) fn key(&self) -> String {
        let Self { repository, reference, before, after, .. } = self;
        format!("push/{repository}/{reference}/{before}/{after}")
    }

    /// Where the ref went, for hosts that do not say when.
    pub(crate) fn turn(&self) -> Turn {
        let Self { repository, reference, before, after, .. } = self;
        let place = format!("push/{repository}/{reference}");
        Turn { place, came_from: Some(before.clone()), went_to: after.clone() }
    }

    /// The event, or why there is none.
    pub(crate) fn told(self) -> Result<Result<ChangePushed, Verdict>, Malformed> {
        let Some((branch, tag)) = branch_or_tag(&self.reference) else {
            let reference = plain(&self.reference);
            let text = format!("`{reference}` is neither a branch nor a tag; the delivery is kept");
            return Ok(Err(Verdict::kept("ref_ignored", text)));
        };
        let deleted = is_zero(&self.after);
        if deleted && is_zero(&self.before) {
            return Err(Malformed::new("a ref moves from nothing to nothing"));
        }
        let title = match deleted && self.title.is_empty() {
            true => format!("{branch} was deleted"),
            false => plain(&first_line(&self.title)),
        };
        let change = Change {
            repository: self.repository,
            branch,
            previous: (!deleted && !is_zero(&self.before)).then(|| CommitSha(self.before.clone())),
            commit: CommitSha(if deleted {
                self.before
            } else {
                self.commit.unwrap_or(self.after)
            }),
            author: self.author,
            authors: self.authors,
            title,
            url: self.url,
            pull_request: None,
        };
        let paths = if deleted { Paths::All(Vec::new()) } else { self.paths };
        Ok(Ok(ChangePushed { change, paths, deleted, tag, forced: self.forced }))
    }
}

/// What becomes of several refs that moved in one push.
pub(crate) fn moved(all: Vec<Moved>) -> Result<Verdict, Malformed> {
    let mut events = Vec::new();
    let mut ignored = None;
    for one in all {
        match one.told()? {
            Ok(pushed) => events.push(Outgoing::new(&pushed)),
            Err(verdict) => ignored = Some(verdict),
        }
    }
    Ok(match (events.len(), ignored) {
        (0, Some(verdict)) => verdict,
        (0, None) => Verdict::kept("nothing_moved", "no ref moved; the delivery is kept"),
        (1, _) => Verdict::Event(events.remove(0)),
        _ => Verdict::Several(events),
    })
}

/// A pull request, as its host tells it.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) repository: String,
    pub(crate) number: u64,
    pub(crate) branch: String,
    pub(crate) commit: String,
    pub(crate) previous: Option<String>,
    /// Whose it is, whoever says something of it: they must not approve it themselves.
    pub(crate) author: String,
    /// Who else wrote something of it, as far as is told.
    pub(crate) authors: Vec<String>,
    pub(crate) title: String,
    pub(crate) url: Option<String>,
    pub(crate) fork: bool,
    /// When its host says that it last changed.
    pub(crate) updated_at: Option<DateTime<Utc>>,
}

impl Proposal {
    /// The pull request, its head and what happened; `at` tells apart what can happen again.
    pub(crate) fn key(&self, action: &str, at: &str) -> String {
        let Self { repository, number, commit, .. } = self;
        format!("pull_request/{repository}/{number}/{action}/{commit}/{at}")
    }

    pub(crate) fn change(self) -> Change {
        Change {
            repository: self.repository,
            branch: self.branch,
            commit: CommitSha(self.commit),
            previous: self.previous.map(CommitSha),
            author: self.author,
            authors: self.authors,
            title: plain(&first_line(&self.title)),
            url: self.url,
            pull_request: Some(self.number),
        }
    }

    /// It was opened, or has a new head.
    pub(crate) fn proposed(self) -> Verdict {
        let (fork, updated_at) = (self.fork, self.updated_at);
        event(&ChangeProposed { change: self.change(), paths: Paths::Unknown, fork, updated_at })
    }

    /// It ended.
    pub(crate) fn closed(self, merged: bool, merged_as: Option<CommitSha>) -> Verdict {
        let (fork, updated_at) = (self.fork, self.updated_at);
        event(&ChangeClosed { change: self.change(), merged, merged_as, fork, updated_at })
    }
}

/// The name of a branch, without the way Git spells refs.
pub(crate) fn short_branch(reference: &str, what: &str) -> Result<String, Malformed> {
    name(reference.strip_prefix("refs/heads/").unwrap_or(reference), what)
}
