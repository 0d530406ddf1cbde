//! The states and types of a run, as Spacelift spells them.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// Where a run is. `NONE` is a stack that has never run.
#[derive(
    Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the variants are Spacelift's own vocabulary")]
pub enum RunState {
    None,
    Queued,
    Canceled,
    Initializing,
    Planning,
    Failed,
    Finished,
    Unconfirmed,
    Discarded,
    Confirmed,
    Applying,
    Performing,
    Stopped,
    Destroying,
    Preparing,
    PreparingApply,
    Skipped,
    ReplanRequested,
    Pending,
    Ready,
    PreparingReplan,
    PendingReview,
}

impl RunState {
    /// Whether a run in this state has ended.
    pub fn terminal(self) -> bool {
        matches!(
            self,
            Self::Canceled
                | Self::Failed
                | Self::Finished
                | Self::Discarded
                | Self::Stopped
                | Self::Skipped
        )
    }

    /// Whether the worker writes a log in this state; passive states have none.
    pub fn has_logs(self) -> bool {
        matches!(
            self,
            Self::Initializing
                | Self::Planning
                | Self::Applying
                | Self::Performing
                | Self::Destroying
        )
    }

    /// Whether a worker is busy with the run in this state.
    pub fn working(self) -> bool {
        self.has_logs()
            || matches!(self, Self::Preparing | Self::PreparingApply | Self::PreparingReplan)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Queued => "QUEUED",
            Self::Canceled => "CANCELED",
            Self::Initializing => "INITIALIZING",
            Self::Planning => "PLANNING",
            Self::Failed => "FAILED",
            Self::Finished => "FINISHED",
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Discarded => "DISCARDED",
            Self::Confirmed => "CONFIRMED",
            Self::Applying => "APPLYING",
            Self::Performing => "PERFORMING",
            Self::Stopped => "STOPPED",
            Self::Destroying => "DESTROYING",
            Self::Preparing => "PREPARING",
            Self::PreparingApply => "PREPARING_APPLY",
            Self::Skipped => "SKIPPED",
            Self::ReplanRequested => "REPLAN_REQUESTED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::PreparingReplan => "PREPARING_REPLAN",
            Self::PendingReview => "PENDING_REVIEW",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a run is for.
#[derive(
    Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the variants are Spacelift's own vocabulary")]
pub enum RunType {
    Tracked,
    Proposed,
    Task,
    Testing,
    Destroy,
    Parse,
}

impl RunType {
    /// Whether only one run of this type may be at work on a stack at a time.
    pub fn blocking(self) -> bool {
        matches!(self, Self::Tracked | Self::Task | Self::Destroy)
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tracked => "TRACKED",
            Self::Proposed => "PROPOSED",
            Self::Task => "TASK",
            Self::Testing => "TESTING",
            Self::Destroy => "DESTROY",
            Self::Parse => "PARSE",
        }
    }
}

/// Whether a triggered run applies even when its plan is empty.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForceApplyMode {
    /// This run alone.
    Single,
    /// This run and the runs its dependencies start.
    Cascade,
}
