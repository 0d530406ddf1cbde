//! What is said about a commit, whatever gates there are.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommitSha, Message};

/// A person says yes or no to the code of a commit, as by a review at its host: it is kept, and
/// counts at gates of this commit that are asked later and show no plan. Sent as a request to the
/// policy service, which commits it before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewCommit {
    /// The repository, `owner/name`.
    pub repository: String,
    /// The pull request at which it was said.
    pub pull_request: u64,
    /// The commit, in full.
    pub commit: CommitSha,
    /// Yes or no.
    pub approve: bool,
    /// Takes back what they said before; `approve` then counts for nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdraw: bool,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When they said so, where it may arrive later: it counts from then, and not at all if they said
    /// something else since. Absent, or from the subject of a person: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<DateTime<Utc>>,
}

impl Message for ReviewCommit {
    const TYPE: &'static str = "commit.review";
    const MEANING: &'static str = "Approve or reject the code of a commit.";

    fn key(&self) -> String {
        self.commit.to_string()
    }
}
