//! What is seen of a run, and what it means for its step.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason,
    chain::ChainKind,
    run::{RunReported, RunState, RunType},
    step::StepState,
};

use crate::{
    course::Cancel,
    input::Seen,
    step::{Run, Step},
};

/// What is seen of a run means this for its step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Follow {
    /// It was known, or the step has ended.
    OldNews,
    /// It is kept, and the step stays as it is.
    Noted,
    /// The run goes on; the step stays where it is.
    Goes(Reason),
    /// Somebody asked for another plan: what was decided about the old one is void.
    PlansAgain(Reason),
    /// The plan has changes and waits to be confirmed.
    Planned(Reason),
    /// The plan is being applied.
    Applies(Reason),
    /// The run has ended, and with it the step; `Skipped` if Spacelift skipped the run.
    Ends(StepState, Reason),
}

/// Notes what is new about the run and says what follows. What is older than what is known is no
/// news, whatever order it comes in.
pub(crate) fn follow(step: &mut Step, seen: &Seen, kind: ChainKind, now: DateTime<Utc>) -> Follow {
    let report = &seen.report;
    let state = step.state;
    let cancel = step.course.cancel.clone();
    // An earlier attempt had another run.
    let ours = |run: &&mut Run| run.id == report.run && is_news(state, run, seen);
    let Some(run) = step.run.as_mut().filter(ours) else {
        return Follow::OldNews;
    };
    // What an earlier attempt did, nobody can tell.
    let from_plan = step.course.attempt == 1 && has_only_planned(run, seen);
    run.version = report.state_version;
    run.state = report.state.clone();
    run.delta = match report.state {
        // What an earlier plan would have changed says nothing about this one.
        RunState::Unconfirmed => report.delta,
        _ => report.delta.or(run.delta),
    };
    run.url = report.url.clone().or_else(|| run.url.take());
    let delta = run.delta;
    if let Some(cancel) = step.course.cancel.as_mut().filter(|_| report.state.is_applying()) {
        cancel.applying = true;
    }
    (step.heard_at, step.misses) = (Some(now), 0);
    if seen.finished {
        step.course.ended_at = Some(report.at);
        step.course.unchanged = from_plan
            && report.state == RunState::Finished
            && delta.is_some_and(|delta| delta.is_empty());
        let (state, reason) = end(step, report, kind);
        return Follow::Ends(state, reason);
    }
    let reason = described(report);
    match (&report.state, state) {
        (RunState::Unconfirmed, _)
            if kind == ChainKind::Deploy && delta.is_none() && !seen.asked =>
        {
            // The gate must be asked about what the plan really is.
            step.heard_at = None;
            match state {
                StepState::Canceling => Follow::Noted,
                StepState::Planning => Follow::Goes(reason),
                _ => Follow::PlansAgain(reason),
            }
        }
        // Known by a newer number than before, so this is a plan no gate was asked about yet.
        (RunState::Unconfirmed, state) if kind == ChainKind::Deploy && may_wait(state) => {
            let plan = delta.map_or_else(|| "not known".to_owned(), |delta| delta.to_string());
            let text = format!("the plan is {plan}; the policies are asked about the apply");
            Follow::Planned(Reason::new(Code::WaitingForGate, text))
        }
        // It is being ended: only that it is too late for that is worth a word.
        (state, StepState::Canceling) if state.is_applying() && !is_forced(cancel.as_ref()) => {
            let text = format!("{}: it was too late to cancel it", reason.text);
            Follow::Applies(Reason::new(reason.code, text))
        }
        (_, StepState::Canceling) => Follow::Noted,
        (state, StepState::GatingApply | StepState::Discarding) if state.is_applying() => {
            let text = format!("{}: somebody confirmed it in Spacelift", reason.text);
            Follow::Applies(Reason::new(reason.code, text))
        }
        (state, StepState::Planning | StepState::Confirming) if state.is_applying() => {
            Follow::Applies(reason)
        }
        (
            RunState::ReplanRequested | RunState::PreparingReplan | RunState::Planning,
            StepState::GatingApply | StepState::Confirming | StepState::Discarding,
        ) => Follow::PlansAgain(reason),
        // Why it is held, or why it is denied, is what people want to know.
        (_, StepState::GatingApply | StepState::Discarding) => Follow::Noted,
        _ => Follow::Goes(reason),
    }
}

/// Whether it surely never began to apply: so says Spacelift; or it planned just before, because its
/// states are numbered without a gap.
fn has_only_planned(run: &Run, seen: &Seen) -> bool {
    let planned_before =
        run.state == RunState::Planning && run.version + 1 == seen.report.state_version;
    seen.applied.map_or(planned_before, |applied| !applied)
}

/// Whether the run has ended well and found nothing to change, as far as a webhook tells, which
/// leaves open whether it has applied what a webhook does not count, such as outputs.
pub(crate) fn leaves_open(step: &Step, seen: &Seen) -> bool {
    let report = &seen.report;
    let waits = step.state == StepState::Planning && step.course.attempt == 1;
    let ours = step.run.as_ref().filter(|run| waits && run.id == report.run);
    ours.is_some_and(|run| {
        report.state == RunState::Finished
            && report.delta.or(run.delta).is_some_and(|delta| delta.is_empty())
            && seen.applied.is_none()
            && !has_only_planned(run, seen)
    })
}

fn is_forced(cancel: Option<&Cancel>) -> bool {
    cancel.is_some_and(|cancel| cancel.force)
}

/// Whether it says more than is known: a newer state; or of the same, what a webhook left out.
fn is_news(state: StepState, run: &Run, seen: &Seen) -> bool {
    let report = &seen.report;
    let waits_for_plan = state == StepState::Planning && report.state == RunState::Unconfirmed;
    let says_more = seen.finished || (waits_for_plan && (report.delta.is_some() || seen.asked));
    // A step that waits for its next attempt has its last run still.
    state.holds_stack()
        && (report.state_version > run.version
            || (report.state_version == run.version && says_more))
}

/// States in which a step may find that its run shows a plan.
fn may_wait(state: StepState) -> bool {
    matches!(
        state,
        StepState::Planning
            | StepState::GatingApply
            | StepState::Confirming
            | StepState::Discarding
    )
}

/// How the run stands, and where it is not plain, what it waits for.
pub(crate) fn described(report: &RunReported) -> Reason {
    let waits = match &report.state {
        RunState::Queued => {
            ": another run, a lock, a dependency or an approval holds it back there"
        }
        RunState::Ready => ": it waits for a worker",
        RunState::PendingReview => ": it waits for a review there",
        RunState::Unconfirmed => ": it waits to be confirmed",
        _ => "",
    };
    let text = format!("run {} is {} in Spacelift{waits}", report.run, report.state);
    Reason::new(Code::RunInFlight, text)
}

fn end(step: &Step, report: &RunReported, kind: ChainKind) -> (StepState, Reason) {
    let run = &report.run;
    let note = report.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
    let delta = step.run.as_ref().and_then(|run| run.delta);
    if step.state == StepState::Canceling && report.state != RunState::Finished {
        return (StepState::Canceled, canceled(step, report));
    }
    let (state, code, text) = match &report.state {
        RunState::Finished if step.state == StepState::Canceling => {
            let text = format!("run {run} had ended well before it could be cancelled");
            (StepState::Finished, Code::RunFinished, text)
        }
        RunState::Finished if kind == ChainKind::Preview => {
            (StepState::Finished, Code::RunFinished, format!("run {run} planned"))
        }
        RunState::Finished if step.state == StepState::Planning => match delta {
            Some(delta) if delta.is_empty() => {
                let text = format!("run {run} found nothing to change");
                (StepState::Finished, Code::NoChanges, text)
            }
            Some(_) => (StepState::Finished, Code::RunFinished, format!("run {run} applied")),
            None => (StepState::Finished, Code::RunFinished, format!("run {run} finished")),
        },
        RunState::Finished => {
            let did = if report.run_type == RunType::Destroy { "destroyed" } else { "applied" };
            (StepState::Finished, Code::RunFinished, format!("run {run} {did}"))
        }
        RunState::Discarded if step.state == StepState::Discarding => {
            return match step.course.cancel {
                Some(_) => (StepState::Canceled, canceled(step, report)),
                None => (StepState::Denied, step.reason.clone()),
            };
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
            (StepState::Skipped, Code::RunSkipped, text)
        }
        RunState::Failed => (StepState::Failed, Code::RunFailed, format!("run {run} failed{note}")),
        other => {
            let text = format!("run {run} ended as {other}, which this build does not know{note}");
            (StepState::Failed, Code::RunFailed, text)
        }
    };
    (state, Reason::new(code, text))
}

/// Why a step is cancelled, and what that means for what its stack manages.
fn canceled(step: &Step, report: &RunReported) -> Reason {
    let (run, state) = (&report.run, &report.state);
    let (code, why) = match &step.course.cancel {
        Some(cancel) => (cancel.why.code, cancel.why.text.as_str()),
        None => (Code::StepCanceled, "canceled"),
    };
    let half_done = match step.cancel_met_an_apply() {
        true => "; it may have applied a part, so look at what it manages before you go on",
        false => "",
    };
    Reason::new(code, format!("{why}; run {run} is {state}{half_done}"))
}

#[cfg(test)]
mod tests;
