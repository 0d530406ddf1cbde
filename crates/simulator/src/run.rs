//! The state machine of a run: one pure function from what is known and what happened to the
//! next state.

use crate::{
    account::PlanResult,
    states::{RunState, RunType},
};

#[cfg(test)]
mod tests;

/// Everything the next state depends on.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: RunType,
    pub(crate) state: RunState,
    pub(crate) plan: &'a PlanResult,
    /// Autodeploy as it counts now: switched on, and the stack is not locked.
    pub(crate) autodeploy: bool,
    pub(crate) plan_warning: bool,
    pub(crate) force_apply: bool,
    pub(crate) skip_initialization: bool,
    /// Whether approvals are still missing in this state.
    pub(crate) undecided: bool,
    /// Whether approvals would be asked for in `PENDING_REVIEW`.
    pub(crate) review_on_warning: bool,
}

/// What may happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Its turn has come: nothing blocks it any more.
    Turn,
    /// The time of its phase is over.
    PhaseOver,
    /// A worker could not take it.
    AssignmentFailed,
    /// The dependency engine decided that it need not or must not run.
    Skip,
    /// An external dependency failed.
    ExternalFailed,
    Confirm,
    Discard,
    Cancel,
    Stop,
    Kill,
    Replan,
    Reject,
    /// The last missing approval was given.
    Approved,
}

/// Why an event cannot happen now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The state that follows.
pub(crate) fn next(facts: &Facts<'_>, event: Event) -> Result<RunState, Refusal> {
    use RunState as S;
    let to = match (event, facts.state) {
        (Event::PhaseOver, _) => return after_phase(facts),
        (Event::Turn, S::Queued) => S::Ready,
        (Event::AssignmentFailed, S::Ready) => S::Failed,
        (Event::Skip, S::Queued) => S::Skipped,
        (Event::ExternalFailed, S::Queued) => S::Failed,
        (Event::Confirm, S::Unconfirmed) if facts.undecided => {
            return Err(Refusal::new("run cannot be confirmed: it needs approval"));
        }
        (Event::Confirm, S::Unconfirmed) => S::Confirmed,
        (Event::Discard, S::Queued | S::Ready | S::Unconfirmed) => S::Discarded,
        (Event::Cancel, S::Queued | S::Ready) => S::Canceled,
        (Event::Stop, S::Preparing | S::Initializing | S::Planning | S::PreparingReplan) => {
            S::Stopped
        }
        (Event::Kill, state) if state.working() => S::Failed,
        (Event::Replan, S::Unconfirmed) => S::ReplanRequested,
        (Event::Reject, S::Queued | S::Unconfirmed | S::PendingReview) => S::Failed,
        (Event::Approved, S::PendingReview) => S::Finished,
        (event, state) => return Err(Refusal::new(refuse(event, state))),
    };
    Ok(to)
}

fn refuse(event: Event, state: RunState) -> String {
    let verb = match event {
        Event::Confirm => "confirmed: only UNCONFIRMED runs can be",
        Event::Discard => "discarded: only QUEUED, READY and UNCONFIRMED runs can be",
        Event::Cancel => "canceled: only QUEUED and READY runs can be",
        Event::Stop => "stopped: only runs that are being prepared, initialized or planned can be",
        Event::Kill => "killed: only runs on a worker can be",
        Event::Replan => "replanned: only UNCONFIRMED runs can be",
        Event::Reject | Event::Approved => {
            "reviewed: only QUEUED, UNCONFIRMED and PENDING_REVIEW runs can be"
        }
        Event::Turn
        | Event::PhaseOver
        | Event::AssignmentFailed
        | Event::Skip
        | Event::ExternalFailed => "moved on",
    };
    format!("run in state {state} cannot be {verb}")
}

fn after_phase(facts: &Facts<'_>) -> Result<RunState, Refusal> {
    use RunState as S;
    let to = match facts.state {
        S::Ready => S::Preparing,
        S::Preparing if facts.kind == RunType::Task && facts.skip_initialization => S::Performing,
        S::Preparing => S::Initializing,
        S::Initializing => match facts.kind {
            RunType::Task => S::Performing,
            RunType::Destroy => S::Destroying,
            _ => S::Planning,
        },
        S::Planning => after_plan(facts),
        S::Confirmed => S::PreparingApply,
        S::PreparingApply => S::Applying,
        S::ReplanRequested => S::PreparingReplan,
        S::PreparingReplan => S::Planning,
        S::Applying => match facts.plan {
            PlanResult::FailApplying { .. } => S::Failed,
            _ => S::Finished,
        },
        S::Performing | S::Destroying => match facts.plan {
            PlanResult::FailApplying { .. } | PlanResult::FailPlanning => S::Failed,
            _ => S::Finished,
        },
        state => return Err(Refusal::new(refuse(Event::PhaseOver, state))),
    };
    Ok(to)
}

fn after_plan(facts: &Facts<'_>) -> RunState {
    use RunState as S;
    let nothing_to_apply = match facts.plan {
        PlanResult::FailPlanning => return S::Failed,
        PlanResult::NoChanges => !facts.force_apply,
        PlanResult::Changes { .. } | PlanResult::FailApplying { .. } => false,
    };
    match facts.kind {
        RunType::Proposed if facts.plan_warning && facts.review_on_warning => S::PendingReview,
        RunType::Proposed => S::Finished,
        _ if nothing_to_apply => S::Finished,
        _ if facts.force_apply => S::Applying,
        _ if facts.autodeploy && !facts.plan_warning => S::Applying,
        _ => S::Unconfirmed,
    }
}
