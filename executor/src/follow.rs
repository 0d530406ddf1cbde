//! What a report about a run means for its step.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason,
    chain::ChainKind,
    run::{RunReported, RunState},
    step::StepState,
};

use crate::chain::Step;

/// What a report means for a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Follow {
    /// It is old news.
    Nothing,
    /// The run goes on; the step stays where it is.
    Goes(Reason),
    /// The plan has changes and waits to be confirmed.
    Planned(Reason),
    /// The plan is being applied.
    Applies(Reason),
    /// The run has ended, and with it the step.
    Ends(StepState, Reason),
}

/// Notes what is new about the run and says what follows. Older reports than what is known are no
/// news, whatever order they come in.
pub(crate) fn follow(
    step: &mut Step,
    report: &RunReported,
    kind: ChainKind,
    now: DateTime<Utc>,
) -> Follow {
    step.heard_at = Some(now);
    let Some(run) = &mut step.run else { return Follow::Nothing };
    if report.state_version <= run.version || step.state.is_terminal() {
        return Follow::Nothing;
    }
    run.version = report.state_version;
    run.state = report.state.clone();
    run.delta = report.delta.or(run.delta);
    run.url = report.url.clone().or_else(|| run.url.take());
    if report.state.is_terminal() {
        let (state, reason) = end(step, report, kind);
        return Follow::Ends(state, reason);
    }
    let reason = Reason::new(Code::RunInFlight, format!("run {} is {}", report.run, report.state));
    match (&report.state, step.state) {
        (RunState::Unconfirmed, StepState::Planning) => {
            let delta = step.run.as_ref().and_then(|run| run.delta).unwrap_or_default();
            let text = format!("the plan is {delta}; the policies are asked about the apply");
            Follow::Planned(Reason::new(Code::WaitingForGate, text))
        }
        // Also when a person was quicker than the gate.
        (state, StepState::Planning | StepState::GatingApply | StepState::Confirming)
            if state.is_applying() =>
        {
            Follow::Applies(reason)
        }
        (_, StepState::GatingApply | StepState::Discarding) => Follow::Nothing,
        _ => Follow::Goes(reason),
    }
}

fn end(step: &Step, report: &RunReported, kind: ChainKind) -> (StepState, Reason) {
    let run = &report.run;
    let note = report.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
    let empty = step.run.as_ref().and_then(|run| run.delta).is_none_or(|delta| delta.is_empty());
    let (state, code, text) = match &report.state {
        RunState::Finished if kind == ChainKind::Preview => {
            (StepState::Finished, Code::RunFinished, format!("run {run} planned"))
        }
        RunState::Finished if empty && step.state == StepState::Planning => {
            let text = format!("run {run} found nothing to change");
            (StepState::Finished, Code::NoChanges, text)
        }
        RunState::Finished => {
            (StepState::Finished, Code::RunFinished, format!("run {run} applied"))
        }
        RunState::Discarded if step.state == StepState::Discarding => {
            return (StepState::Denied, step.reason.clone());
        }
        RunState::Discarded => {
            let text = format!("run {run} was discarded in Spacelift{note}");
            (StepState::Failed, Code::RunDiscarded, text)
        }
        RunState::Canceled | RunState::Stopped => {
            let text = format!("run {run} was {} in Spacelift{note}", report.state);
            (StepState::Failed, Code::RunCanceled, text)
        }
        RunState::Skipped => {
            let text = format!("run {run} was skipped by Spacelift{note}");
            (StepState::Failed, Code::RunSkipped, text)
        }
        _ => (StepState::Failed, Code::RunFailed, format!("run {run} failed{note}")),
    };
    (state, Reason::new(code, text))
}
