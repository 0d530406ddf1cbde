//! Runs in Spacelift, as reported by its webhooks and its API.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommitSha, Message, RunId, StackId};

macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(from = "String", into = "String")]
        #[schemars(with = "String", extend("examples" = [$($text),*]))]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// A value this build does not know; carried on as it came.
            Other(String),
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                })
            }
        }
    };
}

open_enum! {
    /// The state of a Spacelift run. Spacelift adds states; unknown ones are carried on.
    RunState {
        /// The stack has had no run.
        None = "NONE",
        /// Created, held back by the stack's lock, a dependency or an approval.
        Queued = "QUEUED",
        /// Waits for a worker.
        Ready = "READY",
        /// Deprecated by Spacelift; still seen.
        Pending = "PENDING",
        /// Handed to a worker.
        Preparing = "PREPARING",
        /// Runs hooks and `init`.
        Initializing = "INITIALIZING",
        /// Plans.
        Planning = "PLANNING",
        /// The plan has changes and waits to be confirmed or discarded; holds the stack's lock.
        Unconfirmed = "UNCONFIRMED",
        /// A proposed run waits for a review.
        PendingReview = "PENDING_REVIEW",
        /// Confirmed, not yet picked up.
        Confirmed = "CONFIRMED",
        /// A targeted replan was asked for.
        ReplanRequested = "REPLAN_REQUESTED",
        /// Handed to a worker for the replan.
        PreparingReplan = "PREPARING_REPLAN",
        /// Handed to a worker for the apply.
        PreparingApply = "PREPARING_APPLY",
        /// Applies.
        Applying = "APPLYING",
        /// A task runs.
        Performing = "PERFORMING",
        /// Destroys.
        Destroying = "DESTROYING",
        /// Ended well, also when there was nothing to do.
        Finished = "FINISHED",
        /// Ended with an error, a denied plan or a rejected review.
        Failed = "FAILED",
        /// Discarded before it applied.
        Discarded = "DISCARDED",
        /// Cancelled before it started.
        Canceled = "CANCELED",
        /// Stopped while it planned, or superseded.
        Stopped = "STOPPED",
        /// A dependency run that did not need to, or was not allowed to, run.
        Skipped = "SKIPPED",
    }
}

impl RunState {
    /// Whether a run in this state never changes again. Unknown states are not terminal: the
    /// poller goes on asking `finished`.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Finished
                | Self::Failed
                | Self::Discarded
                | Self::Canceled
                | Self::Stopped
                | Self::Skipped
        )
    }

    /// Whether the run has gone beyond the point where it could be discarded.
    pub fn is_applying(&self) -> bool {
        matches!(self, Self::Confirmed | Self::PreparingApply | Self::Applying | Self::Destroying)
    }
}

open_enum! {
    /// What kind of run it is.
    RunType {
        /// Plans and applies; the only kind native dependencies follow.
        Tracked = "TRACKED",
        /// Plans only.
        Proposed = "PROPOSED",
        /// A one-off command.
        Task = "TASK",
        /// A module test.
        Testing = "TESTING",
        /// Destroys the stack's resources.
        Destroy = "DESTROY",
    }
}

/// How many resources a plan or an apply touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// Resources added.
    pub added: i64,
    /// Resources changed.
    pub changed: i64,
    /// Resources deleted.
    pub deleted: i64,
}

impl Delta {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.added == 0 && self.changed == 0 && self.deleted == 0
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} ~{} -{}", self.added, self.changed, self.deleted)
    }
}

/// A run entered a state. May be lost, doubled, late or out of order: `state_version` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReported {
    /// The stack.
    pub stack: StackId,
    /// The run.
    pub run: RunId,
    /// What kind of run.
    pub run_type: RunType,
    /// The state it entered.
    pub state: RunState,
    /// Numbers the transitions of one run, rising.
    pub state_version: i64,
    /// When it entered the state, by Spacelift's clock.
    pub at: DateTime<Utc>,
    /// The commit it runs.
    pub commit: CommitSha,
    /// A login, `api::<key id>`, a policy, or the parent stack of a native dependency; absent for
    /// a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    /// Known after planning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// What Spacelift says about the transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Message for RunReported {
    const TYPE: &'static str = "run.reported";
    const MEANING: &'static str = "A Spacelift run entered a state.";

    fn key(&self) -> String {
        self.stack.to_string()
    }
}

#[cfg(test)]
mod tests;
