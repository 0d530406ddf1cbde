//! How long the phases of a run last.

use serde::{Deserialize, Serialize};

use crate::states::RunState;

/// Milliseconds per phase. All zero means that runs pass through their states without a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Waiting for a worker (`READY`).
    pub ready_ms: u64,
    /// Hand-over to the worker (`PREPARING`).
    pub preparing_ms: u64,
    /// `INITIALIZING`.
    pub initializing_ms: u64,
    /// `PLANNING`.
    pub planning_ms: u64,
    /// Confirmed and not yet picked up (`CONFIRMED`, `REPLAN_REQUESTED`).
    pub confirmed_ms: u64,
    /// The second hand-over (`PREPARING_APPLY`, `PREPARING_REPLAN`).
    pub preparing_apply_ms: u64,
    /// `APPLYING`.
    pub applying_ms: u64,
    /// `PERFORMING`, the work of a task.
    pub performing_ms: u64,
    /// `DESTROYING`.
    pub destroying_ms: u64,
}

impl Pace {
    /// No phase takes any time.
    pub fn zero() -> Self {
        Self::default()
    }

    /// Every phase takes the same time.
    pub fn uniform(milliseconds: u64) -> Self {
        Self {
            ready_ms: milliseconds,
            preparing_ms: milliseconds,
            initializing_ms: milliseconds,
            planning_ms: milliseconds,
            confirmed_ms: milliseconds,
            preparing_apply_ms: milliseconds,
            applying_ms: milliseconds,
            performing_ms: milliseconds,
            destroying_ms: milliseconds,
        }
    }

    /// Slow enough to watch, quick enough to wait for: about three seconds a run.
    pub fn lively() -> Self {
        Self {
            ready_ms: 100,
            preparing_ms: 250,
            initializing_ms: 500,
            planning_ms: 900,
            confirmed_ms: 100,
            preparing_apply_ms: 200,
            applying_ms: 1_200,
            performing_ms: 800,
            destroying_ms: 1_200,
        }
    }

    /// How long a run stays in `state`, or nothing if it stays until somebody acts.
    pub(crate) fn of(&self, state: RunState) -> Option<u64> {
        match state {
            RunState::Ready => Some(self.ready_ms),
            RunState::Preparing => Some(self.preparing_ms),
            RunState::Initializing => Some(self.initializing_ms),
            RunState::Planning => Some(self.planning_ms),
            RunState::Confirmed | RunState::ReplanRequested => Some(self.confirmed_ms),
            RunState::PreparingApply | RunState::PreparingReplan => Some(self.preparing_apply_ms),
            RunState::Applying => Some(self.applying_ms),
            RunState::Performing => Some(self.performing_ms),
            RunState::Destroying => Some(self.destroying_ms),
            _ => None,
        }
    }
}
