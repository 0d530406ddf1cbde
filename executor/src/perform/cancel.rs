//! Ending the run of a step that a person cancelled: gently as long as it has not applied, and if
//! they insist, whatever it does.

use contracts::{Code, run::RunReported};
use spacelift::{Error, RunFacts};
use store::Claim;

use super::{Called, Calls, gone, refused, withdraw::is_on_no_worker};
use crate::{call::Call, input::CallResult};

impl Calls {
    /// To ask twice does no harm: each time the run is looked at first.
    pub(super) async fn cancel(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let Some(run) = &call.run else {
            return Ok(Called::Over(refused(call, "there is no run")));
        };
        let Some(facts) = self.spacelift.run(&call.stack, run).await? else {
            return Ok(Called::Over(gone(call)));
        };
        if facts.finished {
            return Ok(Called::run(facts));
        }
        match (facts.state.is_applying(), call.force) {
            // Too late: what applies is left to its end.
            (true, false) => Ok(Called::run(facts)),
            (true, true) => self.break_off(claim, call, facts).await,
            // It was asked to end before and has not heeded. What is on no worker cannot be killed.
            (false, true) if claim.attempt > 2 && !is_on_no_worker(&facts.state) => {
                self.break_off(claim, call, facts).await
            }
            (false, _) => match self.end_run(claim, call, facts).await? {
                Called::Over(CallResult::Run(now)) if !now.finished => {
                    let or = if call.force { "" } else { ", or cancel it with --force" };
                    Ok(self.will_not_end(call, &now.report, or))
                }
                called => Ok(called),
            },
        }
    }

    /// First asks the worker to stop; kills the run if it does not or cannot. Spacelift kills only
    /// what it was asked to stop, and whether an earlier attempt came so far is not known.
    async fn break_off(
        &self,
        claim: &Claim,
        call: &Call,
        facts: RunFacts,
    ) -> Result<Called, Error> {
        let kills = claim.attempt > 1;
        let spacelift = self.while_ours(claim)?;
        let end = async |kills| match kills {
            true => spacelift.kill(&call.stack, &facts.run, &call.note).await,
            false => spacelift.stop(&call.stack, &facts.run, &call.note).await,
        };
        let ended = match end(kills).await {
            Err(Error::Refused { .. }) => end(!kills).await,
            ended => ended,
        };
        match ended {
            Ok(facts) if facts.finished => Ok(Called::run(facts)),
            Ok(facts) => Ok(self.look_again(&facts)),
            Err(Error::Refused { reason }) => Ok(self.cannot(call, &facts, &reason)),
            Err(Error::NotFound) => Ok(Called::Over(gone(call))),
            Err(error) => Err(error),
        }
    }

    /// A run that Spacelift leaves as it is, whatever is asked.
    pub(super) fn will_not_end(&self, call: &Call, report: &RunReported, or: &str) -> Called {
        let text = format!(
            "Spacelift will not end run {} of {}, which is {}; end it there{or}",
            report.run, call.stack, report.state
        );
        self.held(Code::SpaceliftRefused, text)
    }

    fn cannot(&self, call: &Call, facts: &RunFacts, reason: &str) -> Called {
        let text = format!(
            "Spacelift will neither stop nor kill run {} of {}: {reason}; end it there",
            facts.run, call.stack
        );
        self.held(Code::SpaceliftRefused, text)
    }
}
