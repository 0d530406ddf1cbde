//! Gates: the questions to the policies, and their answers.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ChainId, GateId, Message, Reason, RunId, SpaceId, StackId, chain::ChainKind, change::Change,
    run::Delta,
};

/// When a gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything of a chain happens.
    BeforeChain,
    /// Before the run of a step is triggered.
    BeforePlan,
    /// Before the plan of a step is confirmed.
    BeforeApply,
}

impl Moment {
    /// The moment as written in messages and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeChain => "before_chain",
            Self::BeforePlan => "before_plan",
            Self::BeforeApply => "before_apply",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The stack a gate is about; a gate before a chain is about all of its stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateStack {
    /// The stack.
    pub stack: StackId,
    /// Its space.
    pub space: SpaceId,
    /// Its labels.
    pub labels: Vec<String>,
    /// It applies without asking: the gate before its plan is the last there is.
    #[serde(default)]
    pub autodeploy: bool,
}

/// May this go on? Bound to everything it names: another commit or another plan is another gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRequested {
    /// The gate.
    pub gate: GateId,
    /// The chain it belongs to.
    pub chain: ChainId,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// When it is asked.
    pub moment: Moment,
    /// The stacks it is about: one, or before a chain, all.
    pub stacks: Vec<GateStack>,
    /// What set the chain off.
    pub change: Change,
    /// The run whose plan is to be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What that plan would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
}

impl Message for GateRequested {
    const TYPE: &'static str = "gate.requested";
    const MEANING: &'static str = "A chain or a step asks the policies whether it may go on.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// What the policies say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// Go on.
    Pass,
    /// Do not go on.
    Deny,
    /// Not before a time; decided anew then.
    HoldUntil {
        /// The earliest time.
        until: DateTime<Utc>,
    },
    /// Not before enough people approved.
    HoldForApprovals {
        /// How many approvals there are.
        given: usize,
        /// How many there must be.
        needed: usize,
    },
}

impl Outcome {
    /// Whether the gate will not be decided again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Pass | Self::Deny)
    }
}

/// The policies' answer. A held gate is answered again when that changes; `revision` rises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateDecided {
    /// The gate.
    pub gate: GateId,
    /// The chain it belongs to.
    pub chain: ChainId,
    /// When it was asked.
    pub moment: Moment,
    /// The stack it is about; absent before a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// Rises with each answer about the same gate: an older answer that comes late is ignored.
    pub revision: i64,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why: the first says most.
    pub reasons: Vec<Reason>,
    /// The digest of the set of policies that decided.
    pub policy_digest: String,
}

impl Message for GateDecided {
    const TYPE: &'static str = "gate.decided";
    const MEANING: &'static str = "The policies say whether a chain or a step may go on.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// A person approves or rejects what a gate holds. Sent as a request to the policy service, which
/// commits it before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewGate {
    /// The gate.
    pub gate: GateId,
    /// Yes or no.
    pub approve: bool,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Message for ReviewGate {
    const TYPE: &'static str = "gate.review";
    const MEANING: &'static str = "A person approves or rejects what a gate holds.";

    fn key(&self) -> String {
        self.gate.to_string()
    }
}

#[cfg(test)]
mod tests;
