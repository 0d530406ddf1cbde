//! The runs Spacelift's own dependency engine makes, and how they are ended.

use chrono::TimeDelta;
use contracts::{
    Code, Reason,
    run::{RunState, RunType},
};
use spacelift::{Error, RunFacts};

use super::{Called, Calls};
use crate::{
    call::Call,
    input::{CallResult, Seen},
};

/// How far Spacelift's clock and ours may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);

impl Calls {
    /// The run that Spacelift's own dependency engine made for this step, if there is one.
    pub(super) async fn native_run(&self, call: &Call) -> Result<Option<RunFacts>, Error> {
        if call.native_parents.is_empty() {
            return Ok(None);
        }
        let since = call.since - CLOCK_SKEW;
        let known = self.known(call, since).await?;
        let runs = self.spacelift.recent_runs(&call.stack, since).await?;
        let parents: Vec<&str> = call.native_parents.iter().map(|it| it.as_str()).collect();
        Ok(runs.into_iter().find(|run| {
            run.run_type == RunType::Tracked
                && run.triggered_by.as_deref().is_some_and(|by| parents.contains(&by))
                && !known.contains(&run.run)
                && !is_void(&run.state)
        }))
    }

    /// Ends the run of a step that must not run.
    pub(super) async fn withdraw(&self, call: &Call) -> Result<Called, Error> {
        match self.native_run(call).await {
            Ok(Some(facts)) => self.end_run(call, facts).await,
            Ok(None) | Err(Error::NotFound) => Ok(Called::Over(CallResult::Nothing)),
            Err(error) => Err(error),
        }
    }

    /// Ends a run, or says that it cannot be ended. To ask twice does no harm.
    pub(super) async fn end_run(&self, call: &Call, facts: RunFacts) -> Result<Called, Error> {
        let over = |facts| Ok(Called::Over(CallResult::Run(Seen::from(facts))));
        if facts.finished {
            return over(facts);
        }
        let (stack, run) = (&call.stack, &facts.run);
        let ended = match facts.state {
            RunState::Queued | RunState::Ready | RunState::Unconfirmed => {
                self.spacelift.discard(stack, run, &call.note).await
            }
            _ => self.spacelift.stop(stack, run, &call.note).await,
        };
        match ended {
            Ok(facts) if facts.finished => over(facts),
            // Its worker was asked to stop.
            Ok(facts) => Ok(self.look_again(&facts)),
            Err(Error::NotFound) => Ok(Called::Over(CallResult::Nothing)),
            Err(Error::Refused { .. }) => match self.spacelift.run(stack, run).await? {
                // It moved while it was asked to end.
                Some(now) if now.state_version != facts.state_version => Ok(self.look_again(&now)),
                Some(now) => over(now),
                None => Ok(Called::Over(CallResult::Nothing)),
            },
            Err(error) => Err(error),
        }
    }

    pub(super) fn look_again(&self, facts: &RunFacts) -> Called {
        let text =
            format!("run {} of {} is being ended; it is {}", facts.run, facts.stack, facts.state);
        let why = Reason::new(Code::RunInFlight, text);
        Called::Waits { after: self.runs.settle, why }
    }
}

/// Skipped or ended before it did anything, by Spacelift's own rules, by us or by a person: no run
/// to be followed.
fn is_void(state: &RunState) -> bool {
    matches!(
        state,
        RunState::Skipped | RunState::Canceled | RunState::Discarded | RunState::Stopped
    )
}
