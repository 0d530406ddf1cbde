//! The calls to Spacelift that chains ask for: values, kept with the intent.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::{ChainId, CommitSha, RunId, StackId};
use serde::{Deserialize, Serialize};

use crate::{carried::Carried, outputs::Digests};

/// The calls a step makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// `runTrigger`.
    Trigger,
    /// `runConfirm`.
    Confirm,
    /// `runDiscard`.
    Discard,
    /// Ends the run that Spacelift's own dependency engine made for a step that must not run.
    Withdraw,
    /// Ends the run of a step that a person cancelled.
    Cancel,
    /// Reads what a plan changes, resource by resource, for the policies; changes nothing.
    ReadPlan,
    /// Reads the outputs that an apply has left, for those who read them; changes nothing.
    ReadOutputs,
    /// Reads why a run failed, off the end of its log; changes nothing.
    ReadLog,
}

impl CallKind {
    /// The kind of effect.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "run.trigger",
            Self::Confirm => "run.confirm",
            Self::Discard => "run.discard",
            Self::Withdraw => "run.withdraw",
            Self::Cancel => "run.cancel",
            Self::ReadPlan => "plan.read",
            Self::ReadOutputs => "outputs.read",
            Self::ReadLog => "log.read",
        }
    }
}

/// How a sentence begins that goes on in Spacelift's words.
pub(crate) fn refusal(call: CallKind, stack: &StackId) -> String {
    format!("Spacelift refused {} on {stack}: ", call.as_str())
}

/// A call to Spacelift. Written by one build and made by another, perhaps: a new field needs a
/// default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What to do.
    pub call: CallKind,
    /// The chain that asks.
    pub chain: ChainId,
    /// On which stack.
    pub stack: StackId,
    /// For a trigger: on which commit; none for the one the stack tracks.
    pub commit: Option<CommitSha>,
    /// For a trigger: the change touches the stack itself, so that a run on another commit would
    /// not bring it.
    #[serde(default)]
    pub touched: bool,
    /// For a trigger: plan only.
    pub preview: bool,
    /// For a trigger: destroys what the stack manages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destroy: bool,
    /// For the others: which run.
    pub run: Option<RunId>,
    /// For a confirm, a discard or a look at a plan: the number of the state in which the run showed
    /// the plan it is about. A run that was planned again shows another.
    #[serde(default)]
    pub plan_version: Option<i64>,
    /// For a confirm or a discard: when the run was seen to show that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<DateTime<Utc>>,
    /// What is written beside it in Spacelift.
    pub note: String,
    /// The parents over Spacelift's own dependencies: a run of theirs makes Spacelift start one
    /// here, which is adopted and not doubled.
    #[serde(default)]
    pub native_parents: Vec<StackId>,
    /// The runs of these in the chain, as far as they have any: what came with another is not ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parent_runs: BTreeMap<StackId, RunId>,
    /// Runs of earlier attempts of the step: none of them is the one that is looked for.
    #[serde(default)]
    pub past_runs: Vec<RunId>,
    /// For a trigger: what the run is to be given of other stacks. The values are read when the call
    /// is made, and kept nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
    /// For a trigger: a run that Spacelift made and skipped because nothing it reads has changed is
    /// as good as one of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spared: bool,
    /// For a trigger: the run that Spacelift made and skipped, whose place it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<RunId>,
    /// For a withdrawal: only what was made before this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RunId>,
    /// For a withdrawal: only what was made after this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RunId>,
    /// For a trigger: when what the step waits for had ended, by Spacelift's clock. A run that began
    /// before then has planned with what was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// For a confirm, and a look at outputs: those that decide whether others run.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub outputs: BTreeSet<String>,
    /// For a look at outputs: how they were before the apply.
    #[serde(default, skip_serializing_if = "Digests::is_empty")]
    pub outputs_before: Digests,
    /// For a withdrawal: it was decided as soon as there was a run that others come with, which Spacelift
    /// may have yet to make.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_early: bool,
    /// For a withdrawal: only what was there when it was decided; what came later may be wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// For a cancel: also if the run applies.
    #[serde(default)]
    pub force: bool,
    /// For a trigger and a confirm: until when the answer of the policies is good. Later they are asked
    /// again; never, if none speaks about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_until: Option<DateTime<Utc>>,
    /// When the chain began: a run Spacelift made earlier belongs to something else.
    pub since: DateTime<Utc>,
}

impl Call {
    /// Whether it had to wait for longer than the answer of the policies is good.
    pub(crate) fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.good_until.is_some_and(|until| now >= until)
    }
}
