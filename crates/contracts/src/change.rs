//! Changes of code, as version control reports them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommitSha, Message};

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
}

impl Message for ChangeProposed {
    const TYPE: &'static str = "change.proposed";
    const MEANING: &'static str = "A pull request was opened or has a new head.";

    fn key(&self) -> String {
        self.change.repository.clone()
    }
}
