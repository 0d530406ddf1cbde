//! What other services show, as far as it must be found.

use chrono::{DateTime, Utc};
use contracts::{ChainId, CommitSha, GateId};
use serde::Deserialize;

/// A page of gates, as the policy service shows them.
#[derive(Debug, Deserialize)]
pub(crate) struct GatesSeen {
    pub(crate) gates: Vec<GateSeen>,
    /// Where the next page begins, if there is one.
    #[serde(default)]
    pub(crate) next: Option<serde_json::Value>,
}

/// A gate, as far as it must be found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GateSeen {
    pub(crate) gate: GateId,
    pub(crate) chain: ChainId,
    #[serde(default)]
    pub(crate) stacks: Vec<StackSeen>,
    pub(crate) change: ChangeSeen,
    #[serde(default)]
    pub(crate) outcome: String,
    /// When it was asked: what was said before is not about it.
    #[serde(default)]
    pub(crate) requested_at: Option<DateTime<Utc>>,
}

impl GateSeen {
    /// Whether whoever spoke then can have seen it.
    pub(super) fn was_there(&self, said_at: DateTime<Utc>) -> bool {
        self.requested_at.is_none_or(|at| at <= said_at)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StackSeen {
    pub(crate) stack: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ChangeSeen {
    pub(crate) repository: String,
    pub(crate) commit: CommitSha,
    #[serde(default)]
    pub(crate) pull_request: Option<u64>,
}

/// A chain, as far as it must be found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ChainSeen {
    pub(crate) chain: ChainId,
    pub(crate) change: ChangeSeen,
    /// When it was planned: what was said before is not about it.
    pub(crate) began_at: DateTime<Utc>,
}

/// What the planner knows of a pull request.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Known {
    /// Its newest head.
    #[serde(default)]
    pub(crate) head: Option<CommitSha>,
    /// Since when it is that.
    #[serde(default)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// The commit that merged it.
    #[serde(default)]
    pub(crate) merged_as: Option<CommitSha>,
}
