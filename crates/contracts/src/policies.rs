//! Policies: what is in force, where it was read, and what was refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommitSha, Message, Reason};

/// Where policies are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySource {
    /// `owner/name`; absent if they are in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The branch whose head counts; absent if they are in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The folder; in a repository, from its root.
    pub path: String,
    /// The commit that was read; absent if they are in a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
}

/// Another set of policies came into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoliciesReplaced {
    /// Where it was read.
    pub source: PolicySource,
    /// Its digest.
    pub digest: String,
    /// The digest of the set that was in force before.
    pub previous: String,
    /// How many policies, freezes and so on it has.
    pub policies: usize,
    /// What happened, as a sentence.
    pub reason: Reason,
}

impl Message for PoliciesReplaced {
    const TYPE: &'static str = "policies.replaced";
    const MEANING: &'static str = "Another set of policies came into force.";

    fn key(&self) -> String {
        self.source.key()
    }
}

/// Somebody stops the line, or lets it go on: for whatever has one of these labels, or for everything.
/// Sent as a request to the policy service, which commits it before it answers; everyone is told by
/// `policies.replaced`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchLine {
    /// Stop; otherwise go on.
    pub stop: bool,
    /// Patterns of labels; what is stopped for some labels goes on for the same ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who says so.
    pub by: String,
    /// Why, in their words; it must be given to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Message for SwitchLine {
    const TYPE: &'static str = "line.switch";
    const MEANING: &'static str =
        "Stop all deploys (the line), or those of stacks with a label, or resume them.";

    fn key(&self) -> String {
        self.labels.first().cloned().unwrap_or_else(|| "all".to_owned())
    }
}

/// What is wrong with policies, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyFault {
    /// The file.
    pub file: String,
    /// The line, counted from one; absent if the file as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// A set of policies has a fault: it is not in force, and what was stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoliciesRefused {
    /// Where it was read.
    pub source: PolicySource,
    /// The digest of the set that stays in force.
    pub digest: String,
    /// What is wrong with it.
    pub faults: Vec<PolicyFault>,
    /// What happened, as a sentence.
    pub reason: Reason,
    /// They are on trial, and decide nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
}

impl Message for PoliciesRefused {
    const TYPE: &'static str = "policies.refused";
    const MEANING: &'static str = "A set of policies has an error; the old one stays in force.";

    fn key(&self) -> String {
        self.source.key()
    }
}

impl PolicySource {
    /// What it is known by: the repository, or the folder.
    pub fn key(&self) -> String {
        self.repository.clone().unwrap_or_else(|| self.path.clone())
    }
}
