//! Steps: one stack of one chain, from waiting to done.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, Message, Reason, RunId, StackId, run::Delta};

/// How a step stands or ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Waits for its parents, or for the gate before the chain.
    Waiting,
    /// Asks the gate before the plan.
    GatingPlan,
    /// Allowed, but another chain has a run on the stack.
    Queued,
    /// The run is being asked for.
    Triggering,
    /// The run is queued or plans.
    Planning,
    /// The plan is known; asks the gate before the apply.
    GatingApply,
    /// The run is being confirmed.
    Confirming,
    /// The run applies.
    Applying,
    /// The run is being discarded because a gate denied it.
    Discarding,
    /// The run is being ended because a person cancelled the step.
    Canceling,
    /// The run failed in a way that may pass; it is tried again at a time.
    Retrying,
    /// Ended well.
    Finished,
    /// Ended badly.
    Failed,
    /// A gate denied it.
    Denied,
    /// Not run because a parent ended badly.
    Skipped,
    /// A person cancelled it.
    Canceled,
    /// What happened cannot be told; a person must look.
    Unknown,
}

impl StepState {
    /// Every state, in the order a step passes through them.
    pub const ALL: [StepState; 17] = [
        Self::Waiting,
        Self::GatingPlan,
        Self::Queued,
        Self::Triggering,
        Self::Planning,
        Self::GatingApply,
        Self::Confirming,
        Self::Applying,
        Self::Discarding,
        Self::Canceling,
        Self::Retrying,
        Self::Finished,
        Self::Failed,
        Self::Denied,
        Self::Skipped,
        Self::Canceled,
        Self::Unknown,
    ];

    /// Whether the step never changes again by itself.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Finished
                | Self::Failed
                | Self::Denied
                | Self::Skipped
                | Self::Canceled
                | Self::Unknown
        )
    }

    /// Whether the step has no run, and none is being asked for.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Waiting | Self::GatingPlan | Self::Queued | Self::Retrying)
    }

    /// Whether the step holds its stack: a run may exist that has not ended.
    pub fn holds_stack(self) -> bool {
        matches!(
            self,
            Self::Triggering
                | Self::Planning
                | Self::GatingApply
                | Self::Confirming
                | Self::Applying
                | Self::Discarding
                | Self::Canceling
        )
    }

    /// The state as written in messages and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::GatingPlan => "gating_plan",
            Self::Queued => "queued",
            Self::Triggering => "triggering",
            Self::Planning => "planning",
            Self::GatingApply => "gating_apply",
            Self::Confirming => "confirming",
            Self::Applying => "applying",
            Self::Discarding => "discarding",
            Self::Canceling => "canceling",
            Self::Retrying => "retrying",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Skipped => "skipped",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepSummary {
    /// The stack.
    pub stack: StackId,
    /// How it stands or ended.
    pub state: StepState,
    /// Why.
    pub reason: Reason,
    /// The run, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Where a person can see the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<String>,
    /// What its plan would change, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// Which attempt it is; absent for the first. What is said about a later one is newer.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub attempt: u32,
}

fn first() -> u32 {
    1
}

fn is_first(attempt: &u32) -> bool {
    *attempt == first()
}

macro_rules! step_event {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $meaning:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// The chain.
            pub chain: ChainId,
            /// The step.
            pub step: StepSummary,
        }

        impl Message for $name {
            const TYPE: &'static str = $kind;
            const MEANING: &'static str = $meaning;

            fn key(&self) -> String {
                self.chain.to_string()
            }
        }
    };
}

step_event!(
    /// The run of a step exists.
    StepStarted,
    "step.started",
    "The run of a step exists in Spacelift."
);
step_event!(
    /// The plan of a step is known: it has changes and asks to be applied, or the chain is planned
    /// as a whole before anything is.
    StepPlanned,
    "step.planned",
    "The plan of a step is known: before its apply, or, with plan-all, before anything of its chain is applied."
);
step_event!(
    /// The plan of a step was confirmed and is being applied.
    StepApplying,
    "step.applying",
    "The plan of a step was confirmed and is being applied."
);
step_event!(
    /// The run of a step failed in a way that may pass; it is tried again at a time, or at once by
    /// `chain.retry`.
    StepRetrying,
    "step.retrying",
    "The run of a step failed in a way that may be temporary; it is retried at a stated time."
);
step_event!(
    /// A step has ended, well or badly.
    StepFinished,
    "step.finished",
    "A step has ended, well or badly."
);

/// A step waits for longer than it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepStuck {
    /// The chain.
    pub chain: ChainId,
    /// The step; its reason is what it waits for, and how long already.
    pub step: StepSummary,
    /// What people can do about it: a command, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl StepStuck {
    /// The step in one line that also says what can be done.
    pub fn told(&self) -> StepSummary {
        let mut step = self.step.clone();
        if let Some(mend) = &self.mend {
            step.reason.text = format!("{}; {mend}", step.reason.text);
        }
        step
    }
}

impl Message for StepStuck {
    const TYPE: &'static str = "step.stuck";
    const MEANING: &'static str = "A step has waited too long; sent once for each state and cause.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}

#[cfg(test)]
mod tests;
