//! The calls to Spacelift: the dangerous edge, all of it in this file and its rooms.
//!
//! The intent was committed with the decision. A call of unknown outcome is never repeated on a
//! guess: Spacelift is asked what it has, and only what is surely absent is asked for again. What
//! only a person can mend (a locked stack, an approval in Spacelift, two runs that may both be
//! ours) is looked at again and again until they have; the row of the call says why it waits.

mod act;
mod cancel;
mod carry;
mod health;
mod lock;
mod log;
mod outputs;
mod plan;
mod trigger;
mod withdraw;

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{Code, Reason, RunId};
use spacelift::{Client, Error, RunFacts};
use store::{Claim, Performed, Performer};

pub(crate) use health::Prober;

use crate::{
    call::{Call, CallKind, refusal},
    checks,
    config::Runs,
    decider::ChainDecider,
    input::{CallResult, Concluded, Input, Seen},
    lock::LockKind,
    store::known_runs,
};

/// How long to wait after Spacelift could not be reached or had too much to do.
const PAUSE: Duration = Duration::from_secs(2);
/// How long to wait after our credentials were refused: people have to act.
const PAUSE_UNAUTHORIZED: Duration = Duration::from_secs(15);

/// However long Spacelift asks for, it is looked at again after this.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls Spacelift for chains.
pub(crate) struct Calls {
    pub(crate) spacelift: Client,
    pub(crate) pool: sqlx::PgPool,
    pub(crate) runs: Runs,
    pub(crate) prober: Prober,
}

/// How a call went, as far as Spacelift answered.
#[derive(Debug)]
enum Called<R = CallResult> {
    /// It is over.
    Over(R),
    /// Somebody or something must move first.
    Waits { after: Duration, why: Reason },
}

impl Called {
    /// This is how the run stands now.
    fn run(facts: RunFacts) -> Self {
        Self::Over(CallResult::Run(Seen::from(facts)))
    }
}

impl<R> Called<R> {
    fn map<T>(self, over: impl FnOnce(R) -> T) -> Called<T> {
        match self {
            Self::Over(result) => Called::Over(over(result)),
            Self::Waits { after, why } => Called::Waits { after, why },
        }
    }
}

impl Performer for Calls {
    type Decider = ChainDecider;

    const LOOKS: bool = true;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        if claim.kind == checks::KIND {
            return self.prober.perform(claim).await;
        }
        let called = match LockKind::is_of(&claim.kind) {
            true => self.about_lock(claim).await,
            false => self.about_run(claim).await,
        };
        match called {
            Ok(Called::Over(input)) => Performed::Done(input),
            Ok(Called::Waits { after, why }) => {
                Performed::Later { after, why, uncertain: claim.uncertain }
            }
            Err(error) => self.postpone(claim, &error),
        }
    }
}

impl Calls {
    async fn about_run(&self, claim: &Claim) -> Result<Called<Input>, Error> {
        let call: Call = match claim.read() {
            Ok(call) => call,
            Err(why) => return Ok(Called::Waits { after: PAUSE, why }),
        };
        let called = match call.call {
            CallKind::Trigger => self.trigger(claim, &call).await,
            CallKind::Confirm | CallKind::Discard => self.act_on_run(claim, &call).await,
            CallKind::Withdraw => self.withdraw(claim, &call).await,
            CallKind::Cancel => self.cancel(claim, &call).await,
            CallKind::ReadPlan => self.read_plan(claim, &call).await,
            CallKind::ReadOutputs => self.read_outputs(claim, &call).await,
            CallKind::ReadLog => self.read_log(claim, &call).await,
        };
        Ok(called?.map(|result| {
            let Call { chain, stack, call, run, .. } = call;
            Input::Concluded(Concluded { chain, stack, call, run, result })
        }))
    }

    /// Runs of the stack that are accounted for. Without knowing them, none may be adopted.
    async fn known(&self, call: &Call, since: DateTime<Utc>) -> Result<Vec<RunId>, Error> {
        let mut known = known_runs(&self.pool, &call.stack, since).await.map_err(away)?;
        known.extend(call.past_runs.iter().cloned());
        Ok(known)
    }

    /// Whether what a call was decided upon may not be so any more: it was tried before, or had to wait
    /// for its turn, or this process was frozen.
    fn has_waited(&self, claim: &Claim) -> bool {
        let waited = (Utc::now() - claim.created_at).to_std().unwrap_or_default();
        claim.uncertain || claim.attempt > 1 || waited > self.runs.settle
    }

    /// Whether it is not for this run that a question about it has no answer: Spacelift answers none,
    /// or none of ours. How the run stands is the least that can be asked about it.
    async fn is_away(&self, call: &Call, run: &RunId, error: &Error) -> bool {
        match error {
            Error::Unavailable { .. } | Error::Garbled { .. } => {
                self.spacelift.run(&call.stack, run).await.is_err()
            }
            error => error.is_about_all(),
        }
    }

    /// A person has to mend something first.
    fn held(&self, code: Code, text: String) -> Called {
        Called::Waits { after: self.runs.held_retry, why: Reason::new(code, text) }
    }

    fn postpone(&self, claim: &Claim, error: &Error) -> Performed<Input> {
        let uncertain = claim.uncertain || error.may_have_taken_effect();
        let (after, code) = match error {
            Error::Unauthorized => (PAUSE_UNAUTHORIZED, Code::SpaceliftUnauthorized),
            Error::RateLimited { retry_after } => {
                (retry_after.unwrap_or(PAUSE), Code::SpaceliftUnavailable)
            }
            Error::Resting { retry_after } => (*retry_after, Code::CircuitOpen),
            // Not before its effect must be visible, if it had one.
            Error::Uncertain { .. } => (self.runs.settle, Code::SpaceliftUnavailable),
            Error::Refused { .. } => (self.runs.held_retry, Code::SpaceliftRefused),
            _ => (PAUSE, Code::SpaceliftUnavailable),
        };
        let after = after.min(PAUSE_MAX);
        Performed::Later { after, why: Reason::new(code, error.to_string()), uncertain }
    }
}

/// Whoever called before is gone, and what it called was not seen to have taken effect: it may do so
/// for a while yet.
fn unsettled<R>(claim: &Claim) -> Option<Called<R>> {
    let after = claim.unsettled()?;
    let text = "whoever called before is gone; what it called may still take effect";
    Some(Called::Waits { after, why: Reason::new(Code::OutcomeUnknown, text) })
}

impl Calls {
    /// Whom to ask for a change while the claim is ours. This process may have frozen since it looked,
    /// or freeze before the change is on the wire; then whoever took over may have made the call.
    fn while_ours(&self, claim: &Claim) -> Result<Client, Error> {
        match claim.has_expired() {
            true => Err(Error::Unavailable { source: "the claim expired before the call".into() }),
            false => Ok(self.spacelift.until(claim.expires_at)),
        }
    }
}

/// Our own database does not answer, so nothing is asked of Spacelift.
fn away(error: sqlx::Error) -> Error {
    Error::Unavailable { source: error.into() }
}

fn gone(call: &Call) -> CallResult {
    let (code, what) = match &call.run {
        Some(run) => (Code::RunGone, format!("run {run} of {}", call.stack)),
        None => (Code::StackGone, format!("stack {}", call.stack)),
    };
    let text = format!("Spacelift knows no {what}, or our API key may not see it");
    CallResult::Gone(Reason::new(code, text))
}

fn refused(call: &Call, reason: &str) -> CallResult {
    let text = format!("{}{reason}", refusal(call.call, &call.stack));
    CallResult::Refused(Reason::new(Code::SpaceliftRefused, text))
}
