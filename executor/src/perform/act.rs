//! `runConfirm` and `runDiscard`: what a gate decided about one plan.

use chrono::Utc;
use contracts::{Code, Reason, RunId, run::RunState};
use spacelift::{Error, RunFacts};
use store::Claim;

use super::{Called, Calls, gone, refused, unsettled};
use crate::{
    call::{Call, CallKind},
    input::{CallResult, Seen},
};

/// How a run stands, seen from a decision about its plan.
#[expect(clippy::large_enum_variant, reason = "one is made per look and taken apart at once")]
enum Stand {
    /// The plan that was decided about waits.
    Waits,
    /// The run has gone on, or shows another plan: its reports decide.
    WentOn(RunFacts),
    /// What we are shown is older than what we know.
    Behind,
    /// There is no such run.
    Gone,
}

impl Calls {
    pub(super) async fn act_on_run(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let Some(run) = &call.run else {
            return Ok(Called::Over(refused(call, "there is no run")));
        };
        // The first call follows on a fresh report, or on a gate that people took their time for. By
        // then, and later, what was decided about may be gone, and an uncertain call may have taken
        // effect.
        if self.has_waited(claim) || self.was_shown_long_ago(call) {
            match self.stand(call, run).await? {
                Stand::Waits => {}
                stand => return Ok(self.without_us(call, stand)),
            }
        }
        if let Some(waits) = unsettled(claim) {
            return Ok(waits);
        }
        if call.call == CallKind::Confirm
            && self.has_waited(claim)
            && let Some(called) = self.comes_between(call).await?
        {
            return Ok(called);
        }
        if call.is_late(Utc::now()) {
            return Ok(Called::Over(CallResult::HeldUp));
        }
        let before = self.outputs_before(call).await;
        let spacelift = self.while_ours(claim)?;
        let mark = format!("stackly {} {}", call.chain, claim.id);
        let acted = match call.call {
            CallKind::Confirm => spacelift.confirm(&call.stack, run, &call.note, &mark).await,
            _ => spacelift.discard(&call.stack, run, &call.note).await,
        };
        bus::failpoint("spacelift.after_act");
        match acted {
            // Nothing has applied between the look at the outputs and this answer.
            Ok(facts) if !before.is_empty() => {
                Ok(Called::Over(CallResult::Confirmed(Seen::from(facts), before)))
            }
            Ok(facts) => Ok(Called::run(facts)),
            Err(Error::NotFound) => Ok(Called::Over(gone(call))),
            // A person may have been quicker; how the run stands decides.
            Err(Error::Refused { reason }) => Ok(match self.stand(call, run).await? {
                Stand::Waits => {
                    let what = call.call.as_str();
                    let text = format!(
                        "Spacelift refused {what} of run {run}: {reason}; give what it needs, or \
                         confirm or discard the run there"
                    );
                    self.held(Code::SpaceliftRefused, text)
                }
                stand => self.without_us(call, stand),
            }),
            Err(error) => Err(error),
        }
    }

    /// Whether the plan was shown so long ago that the run may have gone on unheard: of what webhooks do
    /// not tell, the poll hears only after that time.
    fn was_shown_long_ago(&self, call: &Call) -> bool {
        let ago = call.shown_at.and_then(|shown_at| (Utc::now() - shown_at).to_std().ok());
        ago.is_some_and(|ago| ago > self.runs.silence)
    }

    async fn stand(&self, call: &Call, run: &RunId) -> Result<Stand, Error> {
        let Some(facts) = self.spacelift.run(&call.stack, run).await? else {
            return Ok(Stand::Gone);
        };
        let decided_about = call.plan_version.unwrap_or(facts.state_version);
        Ok(match facts.state_version {
            version if version < decided_about => Stand::Behind,
            version if version == decided_about && facts.state == RunState::Unconfirmed => {
                Stand::Waits
            }
            _ => Stand::WentOn(facts),
        })
    }

    /// There is nothing to be done, or nothing yet.
    fn without_us(&self, call: &Call, stand: Stand) -> Called {
        match stand {
            Stand::WentOn(facts) => Called::run(facts),
            Stand::Gone => Called::Over(gone(call)),
            Stand::Waits | Stand::Behind => {
                let text = format!("what Spacelift shows of {} is behind", call.stack);
                let why = Reason::new(Code::SpaceliftUnavailable, text);
                Called::Waits { after: self.runs.settle, why }
            }
        }
    }
}
