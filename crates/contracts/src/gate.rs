//! Gates: the questions to the policies, and their answers.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Action, ChainId, CommitSha, GateId, Message, Reason, RunId, StackId,
    chain::ChainKind,
    change::{Change, TouchedFiles, is_zero},
    run::Delta,
};

mod clearance;
mod commit;
mod failure;
mod planned;
mod reminded;
mod stack;

pub use clearance::{AskedGates, Clearance};
pub use commit::ReviewCommit;
pub use failure::RecentFailure;
pub use planned::{PlannedChange, StackPlan};
pub use reminded::GateReminded;
pub use stack::GateStack;

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
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::BeforeChain, Self::BeforePlan, Self::BeforeApply];

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
    /// The stacks it is about: one; before a chain, and with the plans of all its steps, all.
    pub stacks: Vec<GateStack>,
    /// What set the chain off.
    pub change: Change,
    /// The run whose plan is to be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What that plan would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// The same resource by resource; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<PlannedChange>>,
    /// How many resources the plan changes besides those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changes_more: usize,
    /// Why the resources are not known, where somebody tried to read them or could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Reason>,
    /// Which files the change touches; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<TouchedFiles>,
    /// How many steps the chain has; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The plan of each stack, where every step of a chain is planned before any is applied; `delta`
    /// and `changes` are then those of all together. Empty where the gate is about one plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<StackPlan>,
    /// Why a step asks though its chain was allowed with all its plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<Reason>,
    /// What the chain is there for.
    #[serde(default, skip_serializing_if = "Action::is_deliver")]
    pub action: Action,
    /// When the plan was shown that is to be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<DateTime<Utc>>,
    /// What ended badly of late, where a policy looks at that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<RecentFailure>,
    /// How often it is asked again because it waited, after it was let go on, for something that is
    /// no policy's: a gate that passed is decided again, and what people said about it counts still.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: usize,
}

impl GateRequested {
    /// Whether it is about a chain rather than about one step of it.
    pub fn is_about_chain(&self) -> bool {
        self.moment == Moment::BeforeChain || !self.plans.is_empty()
    }
}

impl Message for GateRequested {
    const TYPE: &'static str = "gate.requested";
    const MEANING: &'static str = "A chain or a step asks the policies whether it may proceed.";

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

    /// Whether it is the same answer, whatever the time or the number of approvals.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
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
    /// The stack it is about; absent where it is about the whole chain.
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
    /// The commit that the set was read from, where it comes from a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_commit: Option<CommitSha>,
    /// Before a chain that may go on: which of its steps need not ask at all. A newer answer about
    /// the same gate replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<Clearance>,
}

impl Message for GateDecided {
    const TYPE: &'static str = "gate.decided";
    const MEANING: &'static str = "The policies decided whether a chain or a step may proceed.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// Approve or reject what a gate holds. Sent as a request to the policy service, which commits it
/// before it answers.
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
    /// The groups that an issuer of identities says they belong to, by its own names; a group of
    /// the policies may take its word. From the subject of a person they do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Takes back what they said before; `approve` then counts for nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdraw: bool,
    /// When they said so, where it may arrive later: it counts from then, and not at all if they said
    /// something else since. Absent, or from the subject of a person: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<DateTime<Utc>>,
}

impl Message for ReviewGate {
    const TYPE: &'static str = "gate.review";
    const MEANING: &'static str = "Approve or reject what a gate holds.";

    fn key(&self) -> String {
        self.gate.to_string()
    }
}

/// Somebody breaks the glass: what holds a gate, or all gates of its chain, is to be passed over.
/// Sent as a request to the policy service, which commits it before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverrideGate {
    /// The gate.
    pub gate: GateId,
    /// Who says so; a `break_glass` block must allow it.
    pub by: String,
    /// Why, in their words: everyone is told.
    pub reason: String,
    /// For how many seconds it holds, no longer than the block allows; absent: as long as it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Also the gates of the same chain that are asked while it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chain: bool,
    /// Nothing is passed over: what was is followed up, and `reason` says what came of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

impl Message for OverrideGate {
    const TYPE: &'static str = "gate.override";
    const MEANING: &'static str = "Let a gate pass against its policies (break-glass).";

    fn key(&self) -> String {
        self.gate.to_string()
    }
}

/// Somebody broke the glass, and everyone should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateOverridden {
    /// The gate.
    pub gate: GateId,
    /// The chain it belongs to.
    pub chain: ChainId,
    /// When it was asked.
    pub moment: Moment,
    /// The stack it is about; absent before a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// Until when it holds.
    pub until: DateTime<Utc>,
    /// Whether it holds for the gates of the chain that are asked later, too.
    pub whole_chain: bool,
    /// Whether a second person must break it as well before it counts.
    pub wants_second: bool,
    /// What it passes over.
    pub over: Vec<Reason>,
}

impl Message for GateOverridden {
    const TYPE: &'static str = "gate.overridden";
    const MEANING: &'static str =
        "Someone overrode the policies at a gate (break-glass); says why.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

/// A blocking hook is asked: whoever knows answers with the command `hook.answer` in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookAsked {
    /// The name of the hook, as in the policies.
    pub hook: String,
    /// The gate that waits for it.
    pub gate: GateId,
    /// From when on silence counts as `on_silence` says.
    pub deadline: DateTime<Utc>,
    /// What silence means: `pass`, `deny` or `warn`.
    pub on_silence: String,
    /// What is to go on.
    pub request: GateRequested,
}

impl Message for HookAsked {
    const TYPE: &'static str = "hook.asked";
    const MEANING: &'static str = "A blocking hook is asked whether a gate may pass.";

    fn key(&self) -> String {
        self.hook.clone()
    }
}

/// The answer of a blocking hook. The first in time counts. Sent as a request to the policy
/// service, which commits it before it answers; its subject ends with the hook, so that the server
/// can allow each client its own hook alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerHook {
    /// The hook.
    pub hook: String,
    /// The gate it was asked about.
    pub gate: GateId,
    /// Whether it may pass.
    pub pass: bool,
    /// Who answers.
    pub by: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What applying it would add to the costs of a month, in the currency of the account; below
    /// zero if it saves something. Absent if the hook does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_delta: Option<f64>,
}

impl Message for AnswerHook {
    const TYPE: &'static str = "hook.answer";
    const MEANING: &'static str = "A blocking hook says whether a gate may pass.";

    fn key(&self) -> String {
        self.gate.to_string()
    }
}

#[cfg(test)]
mod tests;
