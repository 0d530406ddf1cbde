//! `runTrigger`: one run for one step, adopted where there is one already.

use chrono::Utc;
use contracts::{
    Code,
    run::{RunState, RunType},
};
use spacelift::{Error, Expected, Found, RunFacts, Trigger, look_for};
use store::Claim;

use super::{Called, Calls, away, gone, refused, unsettled, withdraw::Natives};
use crate::{
    call::{Call, CallKind},
    input::CallResult,
    lock::phrase,
    native::{Native, Weighed, weigh},
    store::{Meanwhile, meanwhile},
};

impl Calls {
    pub(super) async fn trigger(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        match self.find_or_trigger(claim, call).await {
            Err(Error::NotFound) => Ok(Called::Over(match gone(call) {
                CallResult::Gone(reason) if claim.uncertain => CallResult::GoneUnseen(reason),
                gone => gone,
            })),
            called => called,
        }
    }

    async fn find_or_trigger(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        if let Some(called) = self.adopt(claim, call).await? {
            return match called {
                // What is in the way may stay there, and nothing was asked for yet.
                Called::Waits { .. } if !claim.uncertain && self.is_canceled(call).await? => {
                    Ok(Called::Over(CallResult::Forgone))
                }
                called => Ok(called),
            };
        }
        if claim.uncertain
            && let Some(called) = self.look(claim, call).await?
        {
            return Ok(called);
        }
        if let Some(waits) = unsettled(claim) {
            return Ok(waits);
        }
        // Where it takes the place of another run, the step was not looked at before it was asked for.
        if (self.has_waited(claim) || call.instead_of.is_some())
            && let Some(called) = self.comes_between(call).await?
        {
            return Ok(called);
        }
        let overrides = match self.carry(claim, call).await? {
            Ok(overrides) => overrides,
            Err(called) => return Ok(called),
        };
        if call.is_late(Utc::now()) {
            let lock = self.spacelift.hold(&call.stack).await?.lock;
            // Who has it locked may run it, and that may be us.
            let lock = lock.filter(|lock| lock.by != self.spacelift.actor());
            return Ok(match lock {
                Some(lock) => self.locked_there(call, &lock.to_string()),
                None => Called::Over(CallResult::HeldUp),
            });
        }
        let request = Trigger {
            stack: call.stack.clone(),
            commit: call.commit.clone(),
            run_type: run_type(call),
            mark: format!("stackly {} {}", call.chain, claim.id),
        };
        bus::failpoint("spacelift.before_trigger");
        let triggered = self.while_ours(claim)?.trigger_with(&request, &overrides).await;
        bus::failpoint("spacelift.after_trigger");
        match triggered {
            Ok(facts) => Ok(Called::run(facts)),
            // A lock is meant to be taken off again; everything else is for the author to mend.
            Err(Error::Refused { reason }) if says_locked(&reason) => {
                let hold = self.spacelift.hold(&call.stack).await.unwrap_or_default();
                let by = hold.lock.map(|lock| format!("; {lock}")).unwrap_or_default();
                Ok(self.locked_there(call, &format!("{reason}{by}")))
            }
            Err(Error::Refused { reason }) => Ok(Called::Over(refused(call, &reason))),
            Err(error) => Err(error),
        }
    }

    async fn is_canceled(&self, call: &Call) -> Result<bool, Error> {
        let step = meanwhile(&self.pool, call.chain, &call.stack).await.map_err(away)?;
        Ok(step.is_canceled)
    }

    /// What keeps a call from being made that was right when it was asked for, if anything does. A lock
    /// is our key's, so Spacelift would let us run the stack; what is under way goes on.
    pub(super) async fn comes_between(&self, call: &Call) -> Result<Option<Called>, Error> {
        let step = meanwhile(&self.pool, call.chain, &call.stack).await.map_err(away)?;
        let begins = call.call == CallKind::Trigger && !call.preview;
        Ok(match step {
            Meanwhile { is_canceled: true, .. } => Some(Called::Over(CallResult::Forgone)),
            Meanwhile { is_held: true, .. } => Some(Called::Over(CallResult::HeldUp)),
            Meanwhile { locked: Some(said), .. } if begins => {
                let takes_off = format!("`stackly unlock {}` takes that off", call.stack);
                Some(self.locked(call, &phrase(&said), &takes_off))
            }
            _ => None,
        })
    }

    /// A lock that was not taken through us is not ours to take off.
    fn locked_there(&self, call: &Call, by: &str) -> Called {
        let url = self.spacelift.stack_url(&call.stack);
        self.locked(call, by, &format!("it is unlocked at {url}, by them or an administrator"))
    }

    fn locked(&self, call: &Call, by: &str, takes_off: &str) -> Called {
        let stack = &call.stack;
        let text = format!(
            "{by}; {takes_off}; the run starts by itself once {stack} is unlocked, if the policies \
             let it then"
        );
        self.held(Code::StackLocked, text)
    }

    /// Takes over the run that Spacelift's own dependency engine made for this step. What is in the way
    /// of the one that the step goes on with is ended, because that would wait behind it for ever.
    async fn adopt(&self, claim: &Claim, call: &Call) -> Result<Option<Called>, Error> {
        let Natives { own, .. } = self.native_runs(call).await?;
        let Weighed { ends, then } = weigh(own, call);
        for facts in ends {
            tracing::info!(stack.id = %call.stack, run.id = %facts.run, "ends a native run");
            match self.end_run(claim, call, facts).await? {
                Called::Over(CallResult::Run(now)) if !now.finished => {
                    return Ok(Some(self.will_not_end(call, &now.report, "")));
                }
                Called::Over(_) => {}
                waits @ Called::Waits { .. } => return Ok(Some(waits)),
            }
        }
        Ok(match then {
            Native::Ours => None,
            Native::Theirs(facts) => {
                tracing::info!(stack.id = %call.stack, run.id = %facts.run, "adopts a native run");
                Some(Called::run(facts))
            }
            Native::Awaits(facts) => {
                let text = format!(
                    "run {} of {}, which Spacelift's own dependencies made, applies; what applies \
                     is not broken off, so the step goes on when it has ended",
                    facts.run, call.stack
                );
                Some(self.held(Code::RunInFlight, text))
            }
            Native::TooEarly(facts) => Some(Called::Over(CallResult::TooEarly(facts.into()))),
        })
    }

    /// Which run came of an earlier call, if it took effect. The stack is ours while the step is
    /// in flight, so what fits is ours, or somebody else uses our API key.
    async fn look(&self, claim: &Claim, call: &Call) -> Result<Option<Called>, Error> {
        let mut expected = Expected {
            commit: call.commit.clone(),
            run_type: run_type(call),
            triggered_by: self.spacelift.actor().to_owned(),
            since: claim.created_at,
            known: Vec::new(),
        };
        expected.known = self.known(call, expected.known_from()).await?;
        let runs = self.spacelift.recent_runs(&call.stack, expected.horizon()).await?;
        tracing::info!(
            stack.id = %call.stack, runs = runs.len(), "looked for the run of an earlier call"
        );
        let several = match look_for(&runs, &expected) {
            Found::None => return Ok(None),
            Found::One(facts) => return Ok(Some(Called::run(facts))),
            Found::Several(several) => several,
        };
        Ok(Some(match choose(several) {
            Ok(facts) => Called::run(facts),
            Err(several) => {
                let runs: Vec<_> = several.iter().map(|run| run.run.to_string()).collect();
                let text = format!(
                    "{} runs on {} may have come of one request: {}; discard all but one of them \
                     in Spacelift, and the step goes on with that one",
                    runs.len(),
                    call.stack,
                    runs.join(", ")
                );
                self.held(Code::OutcomeUnknown, text)
            }
        }))
    }
}

/// Which of several runs that fit is to be followed: the one that is left when people have ended
/// the others; and when all are through, the newest, because it made the stack what it is.
pub(super) fn choose(several: Vec<RunFacts>) -> Result<RunFacts, Vec<RunFacts>> {
    let ended_by_people = |run: &&RunFacts| {
        matches!(run.state, RunState::Discarded | RunState::Canceled | RunState::Stopped)
    };
    let mut left: Vec<RunFacts> =
        several.iter().filter(|run| !ended_by_people(run)).cloned().collect();
    if left.len() == 1 {
        return Ok(left.remove(0));
    }
    if left.is_empty() {
        left = several;
    }
    if left.iter().any(|run| !run.finished) {
        return Err(left);
    }
    let newest = left
        .iter()
        .max_by(|a, b| (a.created_at, a.run.as_str()).cmp(&(b.created_at, b.run.as_str())));
    newest.cloned().ok_or(left)
}

/// Not that it is blocked: by a run that ends, or by a policy that will not.
fn says_locked(reason: &str) -> bool {
    reason.split(|c: char| !c.is_alphanumeric()).any(|word| word == "locked")
}

fn run_type(call: &Call) -> RunType {
    match call.destroy {
        true => RunType::Destroy,
        false if call.preview => RunType::Proposed,
        false => RunType::Tracked,
    }
}

#[cfg(test)]
mod tests;
