//! The calls to Spacelift: the dangerous edge, all of it in this file.
//!
//! The intent was committed with the decision. A call of unknown outcome is never repeated on a
//! guess: Spacelift is asked what it has, and only what is surely absent is asked for again.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::{
    Code, Reason, RunId,
    run::{RunState, RunType},
};
use spacelift::{Client, Error, Expected, Found, RunFacts, Trigger, look_for};
use store::{Claim, Performed, Performer};

use crate::{
    ChainDecider,
    input::{Call, CallKind, CallResult, Concluded, Input},
    report::report,
    store::known_runs,
};

/// How long to wait after Spacelift could not be reached or had too much to do.
const PAUSE: Duration = Duration::from_secs(2);
/// How far Spacelift's clock and ours may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);
/// How long to wait after our credentials were refused: people have to act.
const PAUSE_UNAUTHORIZED: Duration = Duration::from_secs(15);

/// Calls Spacelift for chains.
pub(crate) struct Calls {
    pub(crate) spacelift: Client,
    pub(crate) pool: sqlx::PgPool,
    /// How long after a call its effect must be visible in Spacelift's lists.
    pub(crate) settle: Duration,
}

impl Performer for Calls {
    type Decider = ChainDecider;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let call: Call = match serde_json::from_value(claim.body.clone()) {
            Ok(call) => call,
            // Only a newer build can have written it; it will perform it.
            Err(error) => {
                return later(PAUSE, Code::Unreadable, format!("this build cannot read: {error}"));
            }
        };
        let result = match call.call {
            CallKind::Trigger => self.trigger(claim, &call).await,
            CallKind::Confirm | CallKind::Discard => self.act_on_run(claim, &call).await,
            CallKind::Withdraw => self.withdraw(&call).await,
        };
        match result {
            Ok(result) => Performed::Done(Input::Concluded(Concluded {
                chain: call.chain,
                stack: call.stack,
                result,
            })),
            Err(error) => self.postpone(claim, &error),
        }
    }
}

impl Calls {
    async fn trigger(&self, claim: &Claim, call: &Call) -> Result<CallResult, Error> {
        let run_type = if call.preview { RunType::Proposed } else { RunType::Tracked };
        if let Some(facts) = self.native_run(call).await? {
            tracing::info!(stack = %call.stack, run = %facts.run, "adopting a run of Spacelift's own");
            return Ok(CallResult::Run(report(facts)));
        }
        if claim.uncertain
            && let Some(result) = self.look(claim, call, &run_type).await?
        {
            return Ok(result);
        }
        let request = Trigger {
            stack: call.stack.clone(),
            commit: call.commit.clone(),
            run_type,
            mark: format!("stackly {} {}", call.chain, claim.id),
        };
        let triggered = self.spacelift.trigger(&request).await;
        bus::failpoint("spacelift.after_trigger");
        match triggered {
            Ok(facts) => Ok(CallResult::Run(report(facts))),
            Err(Error::NotFound) => Ok(CallResult::Refused(gone(call))),
            Err(Error::Refused { reason }) => Ok(CallResult::Refused(refused(call, &reason))),
            Err(error) => Err(error),
        }
    }

    /// Which run came of an earlier call, if it took effect. The stack is ours while the step is
    /// in flight, so what fits is ours, or somebody else uses our API key.
    async fn look(
        &self,
        claim: &Claim,
        call: &Call,
        run_type: &RunType,
    ) -> Result<Option<CallResult>, Error> {
        let known = self.known(call).await?;
        let expected = Expected {
            commit: call.commit.clone(),
            run_type: run_type.clone(),
            triggered_by: self.spacelift.actor().to_owned(),
            since: claim.created_at,
            known,
        };
        let runs = self.spacelift.recent_runs(&call.stack, expected.horizon()).await?;
        tracing::info!(stack = %call.stack, runs = runs.len(), "looked for the run of an earlier call");
        Ok(match look_for(&runs, &expected) {
            Found::One(facts) => Some(CallResult::Run(report(facts))),
            Found::None => None,
            Found::Several(several) => {
                let runs: Vec<_> = several.iter().map(|run| run.run.to_string()).collect();
                let text = format!(
                    "{} may have come of one request on {}: {}; a person must say which",
                    several.len(),
                    call.stack,
                    runs.join(", ")
                );
                Some(CallResult::Unknown(Reason::new(Code::OutcomeUnknown, text)))
            }
        })
    }

    /// Runs of the stack that are accounted for. Without knowing them, none may be adopted.
    async fn known(&self, call: &Call) -> Result<Vec<RunId>, Error> {
        known_runs(&self.pool, &call.stack)
            .await
            .map_err(|error| Error::Unavailable { source: error.into() })
    }

    /// The run that Spacelift's own dependency engine made for this step, if there is one.
    async fn native_run(&self, call: &Call) -> Result<Option<RunFacts>, Error> {
        if call.native_parents.is_empty() {
            return Ok(None);
        }
        let known = self.known(call).await?;
        let runs = self.spacelift.recent_runs(&call.stack, call.since - CLOCK_SKEW).await?;
        let parents: Vec<_> = call.native_parents.iter().map(ToString::to_string).collect();
        Ok(runs.into_iter().find(|run| {
            run.run_type == RunType::Tracked
                && run.triggered_by.as_ref().is_some_and(|by| parents.contains(by))
                && !known.contains(&run.run)
                // Skipped or cancelled by Spacelift's own rules, which are not ours.
                && !matches!(run.state, RunState::Skipped | RunState::Canceled)
        }))
    }

    async fn withdraw(&self, call: &Call) -> Result<CallResult, Error> {
        let nothing = || {
            let text = format!("Spacelift made no run on {}", call.stack);
            CallResult::Refused(Reason::new(Code::RunGone, text))
        };
        let Some(facts) = self.native_run(call).await? else { return Ok(nothing()) };
        if facts.finished {
            return Ok(CallResult::Run(report(facts)));
        }
        let (stack, run) = (&call.stack, &facts.run);
        let ended = match facts.state {
            RunState::Queued | RunState::Ready | RunState::Unconfirmed => {
                self.spacelift.discard(stack, run, &call.note).await
            }
            _ => self.spacelift.stop(stack, run, &call.note).await,
        };
        match ended {
            Ok(facts) => Ok(CallResult::Run(report(facts))),
            Err(Error::NotFound | Error::Refused { .. }) => Ok(nothing()),
            Err(error) => Err(error),
        }
    }

    async fn act_on_run(&self, claim: &Claim, call: &Call) -> Result<CallResult, Error> {
        let Some(run) = &call.run else {
            return Ok(CallResult::Refused(refused(call, "there is no run")));
        };
        let current = || self.spacelift.run(&call.stack, run);
        if claim.uncertain {
            match current().await? {
                // Still waiting: the earlier call did not take effect.
                Some(facts) if facts.state == RunState::Unconfirmed => {}
                Some(facts) => return Ok(CallResult::Run(report(facts))),
                None => return Ok(CallResult::Refused(gone(call))),
            }
        }
        let mark = format!("stackly {} {}", call.chain, claim.id);
        let acted = match call.call {
            CallKind::Confirm => self.spacelift.confirm(&call.stack, run, &call.note, &mark).await,
            _ => self.spacelift.discard(&call.stack, run, &call.note).await,
        };
        match acted {
            Ok(facts) => Ok(CallResult::Run(report(facts))),
            Err(Error::NotFound) => Ok(CallResult::Refused(gone(call))),
            // A person may have been quicker; how the run stands decides.
            Err(Error::Refused { reason }) => match current().await? {
                Some(facts) if facts.state != RunState::Unconfirmed => {
                    Ok(CallResult::Run(report(facts)))
                }
                Some(_) => Ok(CallResult::Refused(refused(call, &reason))),
                None => Ok(CallResult::Refused(gone(call))),
            },
            Err(error) => Err(error),
        }
    }

    fn postpone(&self, claim: &Claim, error: &Error) -> Performed<Input> {
        let uncertain = claim.uncertain || error.may_have_taken_effect();
        let (after, code) = match error {
            Error::Unauthorized => (PAUSE_UNAUTHORIZED, Code::SpaceliftUnauthorized),
            Error::RateLimited { retry_after } => {
                (retry_after.unwrap_or(PAUSE), Code::SpaceliftUnavailable)
            }
            // Not before its effect must be visible, if it had one.
            Error::Uncertain { .. } => (self.settle, Code::SpaceliftUnavailable),
            _ => (PAUSE, Code::SpaceliftUnavailable),
        };
        Performed::Later { after, why: Reason::new(code, error.to_string()), uncertain }
    }
}

fn later(after: Duration, code: Code, text: String) -> Performed<Input> {
    Performed::Later { after, why: Reason::new(code, text), uncertain: true }
}

fn gone(call: &Call) -> Reason {
    let (code, what) = match &call.run {
        Some(run) => (Code::RunGone, format!("run {run}")),
        None => (Code::StackGone, format!("stack {}", call.stack)),
    };
    Reason::new(code, format!("Spacelift knows no {what}, or our API key may not see it"))
}

fn refused(call: &Call, reason: &str) -> Reason {
    let text = format!("Spacelift refused {} on {}: {reason}", call.call.as_str(), call.stack);
    Reason::new(Code::SpaceliftRefused, text)
}
