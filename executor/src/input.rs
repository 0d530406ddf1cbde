//! Everything that can happen to a chain.

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Reason, RunId, StackId, chain::ChainPlanned, gate::GateDecided, run::RunReported,
};
use serde::{Deserialize, Serialize};

contracts::inbound! {
    /// Everything that can happen to a chain.
    #[derive(Debug, Clone)]
    pub enum Input {
        Planned(ChainPlanned),
        Decided(GateDecided),
        Reported(RunReported),
        ; also
        /// A call to Spacelift is over.
        Concluded(Concluded),
        /// A stack may have become free.
        Woken(ChainId),
    }
}

/// What came of a call to Spacelift.
#[derive(Debug, Clone)]
pub struct Concluded {
    /// The chain that asked for it.
    pub chain: ChainId,
    /// The step.
    pub stack: StackId,
    /// What came of it.
    pub result: CallResult,
}

/// What came of a call to Spacelift.
#[derive(Debug, Clone)]
pub enum CallResult {
    /// The run exists, or the change was made; this is how the run stands now.
    Run(RunReported),
    /// Spacelift will not do it.
    Refused(Reason),
    /// It cannot be told whether it was done; a person must look.
    Unknown(Reason),
}

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
}

impl CallKind {
    /// The kind of effect.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "run.trigger",
            Self::Confirm => "run.confirm",
            Self::Discard => "run.discard",
            Self::Withdraw => "run.withdraw",
        }
    }
}

/// A call to Spacelift, as kept with its effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What to do.
    pub call: CallKind,
    /// The chain that asks.
    pub chain: ChainId,
    /// On which stack.
    pub stack: StackId,
    /// For a trigger: on which commit; none for the one the stack tracks.
    pub commit: Option<contracts::CommitSha>,
    /// For a trigger: plan only.
    pub preview: bool,
    /// For the others: which run.
    pub run: Option<RunId>,
    /// What is written beside it in Spacelift.
    pub note: String,
    /// The parents over Spacelift's own dependencies: a run of theirs makes Spacelift start one
    /// here, which is adopted and not doubled.
    #[serde(default)]
    pub native_parents: Vec<StackId>,
    /// When the chain began: a run Spacelift made earlier belongs to something else.
    pub since: DateTime<Utc>,
}
