//! Changes of code, as version control reports them.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, CommitSha, Message, Reason};

/// What changed and who changed it; carried along by everything that follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `owner/name`, as the host of the repository writes it.
    pub repository: String,
    /// The branch pushed to; for a pull request, the branch it wants to go to.
    pub branch: String,
    /// The new head.
    pub commit: CommitSha,
    /// The old head; absent for a new branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<CommitSha>,
    /// The login of who pushed.
    pub author: String,
    /// Who else wrote its commits, as far as the host says: by login, or where it names none, by
    /// mail address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// The first line of the head commit's message.
    pub title: String,
    /// Where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The pull request, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
}

/// Which files a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "known", content = "paths")]
pub enum Paths {
    /// All of them, relative to the root of the repository.
    All(Vec<String>),
    /// The sender does not say, or cut the list off: every stack of the repository may be touched.
    Unknown,
}

impl Paths {
    /// What two changes touch together.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::All(mut paths), Self::All(more)) => {
                paths.extend(more.iter().cloned());
                paths.sort();
                paths.dedup();
                Self::All(paths)
            }
            _ => Self::Unknown,
        }
    }
}

/// Which files a change touches, as far as they fit into a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TouchedFiles {
    /// The first of them, in the order of their names.
    pub paths: Vec<String>,
    /// How many there are besides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

impl TouchedFiles {
    /// The most files that are named.
    pub const MOST: usize = 200;

    /// What fits of these.
    pub fn of(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        paths.sort();
        paths.dedup();
        let more = paths.len().saturating_sub(Self::MOST);
        paths.truncate(Self::MOST);
        Self { paths, more }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
pub(crate) fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A branch has a new head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangePushed {
    /// What changed.
    pub change: Change,
    /// Which files.
    pub paths: Paths,
    /// The branch was deleted; `change.commit` is then the last head.
    #[serde(default)]
    pub deleted: bool,
    /// A tag, not a branch.
    #[serde(default)]
    pub tag: bool,
    /// History was rewritten.
    #[serde(default)]
    pub forced: bool,
}

impl Message for ChangePushed {
    const TYPE: &'static str = "change.pushed";
    const MEANING: &'static str = "A branch has a new head.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// A pull request was opened or has a new head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeProposed {
    /// What would change.
    pub change: Change,
    /// Which files; pull request payloads do not say.
    pub paths: Paths,
    /// From another repository: its author may not have write access here.
    pub fork: bool,
    /// When the pull request last changed, where its host says so: what comes late is known by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
}

impl Message for ChangeProposed {
    const TYPE: &'static str = "change.proposed";
    const MEANING: &'static str = "A pull request was opened or has a new head.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// A pull request ended: it was merged, or closed without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeClosed {
    /// What was proposed; `change.commit` is the last head.
    pub change: Change,
    /// It is part of the branch now; a push says so, too.
    pub merged: bool,
    /// The commit that made it so, where the host says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_as: Option<CommitSha>,
    /// From another repository: its author may not have write access here.
    pub fork: bool,
    /// When the pull request last changed, where its host says so: what comes late is known by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
}

impl Message for ChangeClosed {
    const TYPE: &'static str = "change.closed";
    const MEANING: &'static str = "A pull request was merged, or closed unmerged.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// A label was added to or removed from a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeLabelled {
    /// What is proposed.
    pub change: Change,
    /// The label that was put on or taken off; absent where the sender tells the whole set alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// It was put on.
    pub added: bool,
    /// All labels there are now.
    pub labels: Vec<String>,
    /// From another repository: its author may not have write access here.
    pub fork: bool,
}

impl Message for ChangeLabelled {
    const TYPE: &'static str = "change.labelled";
    const MEANING: &'static str = "A label was added to or removed from a pull request.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}

/// What people can tell Stackly to do in a comment: `stackly plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Plan what is proposed.
    Plan,
    /// Apply what is proposed.
    Apply,
    /// Say yes to what waits for it.
    Approve,
    /// Say no to what waits for it.
    Reject,
    /// Try again what failed.
    Retry,
    /// Take back what was said.
    Withdraw,
}

impl Command {
    /// All of them, as they are written.
    pub const ALL: [Self; 6] =
        [Self::Plan, Self::Apply, Self::Approve, Self::Reject, Self::Retry, Self::Withdraw];

    /// The command as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Retry => "retry",
            Self::Withdraw => "withdraw",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person who may do so told Stackly to do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeCommanded {
    /// `owner/name`, as the host of the repository writes it; empty where people spoke elsewhere.
    pub repository: String,
    /// The pull request they spoke at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// The commit they spoke of, where the sender says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    /// What is to be done.
    pub command: Command,
    /// The words behind the command.
    pub arguments: Vec<String>,
    /// Who said so, by the name policies know.
    pub by: String,
    /// Where a person can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Message for ChangeCommanded {
    const TYPE: &'static str = "change.commanded";
    const MEANING: &'static str = "A person gave Stackly a command in a comment.";

    fn key(&self) -> String {
        self.repository.clone()
    }
}

/// A command given on a pull request was carried out or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeAnswered {
    /// `owner/name`, as the host of the repository writes it.
    pub repository: String,
    /// The pull request they spoke at.
    pub pull_request: u64,
    /// What they asked for.
    pub command: Command,
    /// Who.
    pub by: String,
    /// The event that told of it.
    pub event: String,
    /// The chain that follows; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// What follows, or why nothing does.
    pub reason: Reason,
}

impl Message for ChangeAnswered {
    const TYPE: &'static str = "change.answered";
    const MEANING: &'static str = "A command given on a pull request was carried out or refused.";

    fn key(&self) -> String {
        self.repository.clone()
    }
}

/// A release was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeReleased {
    /// `owner/name`, as the host of the repository writes it.
    pub repository: String,
    /// The tag it is of.
    pub tag: String,
    /// What it is called.
    pub name: String,
    /// Who published it.
    pub author: String,
    /// Not meant for production.
    pub prerelease: bool,
    /// Where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Message for ChangeReleased {
    const TYPE: &'static str = "change.released";
    const MEANING: &'static str = "A release was published.";

    fn key(&self) -> String {
        self.repository.clone()
    }
}
