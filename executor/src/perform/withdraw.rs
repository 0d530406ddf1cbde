//! The runs Spacelift's own dependency engine makes, and how they are ended.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use contracts::{
    Code, Reason, StackId,
    run::{RunState, RunType},
};
use spacelift::{Error, RunFacts};
use store::Claim;

use super::{Called, Calls, away};
use crate::{
    call::Call,
    input::CallResult,
    native::{came_with, is_void, origin_of},
    store::{Belongs, belongs},
};

/// How far Spacelift's clock and ours may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);

/// Runs that Spacelift's own dependency engine made for a step, without those that are accounted for;
/// the newest first.
#[derive(Default)]
pub(super) struct Natives {
    /// All since the chain began.
    all: Vec<RunFacts>,
    /// Those that came with the runs which the parents of the step have in the chain.
    pub(super) own: Vec<RunFacts>,
}

impl Calls {
    /// The runs that Spacelift's own dependency engine made for this step.
    pub(super) async fn native_runs(&self, call: &Call) -> Result<Natives, Error> {
        if call.native_parents.is_empty() {
            return Ok(Natives::default());
        }
        let since = call.since - CLOCK_SKEW;
        let mut all = self.spacelift.recent_runs(&call.stack, since).await?;
        // Later than the list, which takes its time: a step may have taken over one of it meanwhile.
        let known = self.known(call, since).await?;
        let parents: Vec<&str> = call.native_parents.iter().map(|it| it.as_str()).collect();
        all.retain(|run| {
            run.run_type == RunType::Tracked
                && run.triggered_by.as_deref().is_some_and(|by| parents.contains(&by))
        });
        // Which came with which is seen among all of them.
        let mut own = came_with(&all, call);
        all.retain(|run| !known.contains(&run.run));
        own.retain(|run| !known.contains(&run.run));
        Ok(Natives { all, own })
    }

    /// Ends the runs of a step that must not run, or not yet, as far as they came with a run of ours and
    /// were there when that was decided. Where the step has begun after all, any may be the one that it
    /// adopts just now, so what is left is ended once it has a run.
    pub(super) async fn withdraw(&self, claim: &Claim, call: &Call) -> Result<Called, Error> {
        let Natives { all: mut runs, own } = match self.native_runs(call).await {
            Err(Error::NotFound) => return Ok(Called::Over(CallResult::Nothing)),
            natives => natives?,
        };
        // It was decided as soon as there was the run that they come with, so whatever is there already,
        // what is meant may be yet to come.
        let settled_at = claim.created_at + self.runs.settle;
        let unsettled = (settled_at - Utc::now()).to_std().ok().filter(|after| !after.is_zero());
        let unsettled = unsettled.filter(|_| call.is_early || call.after.is_some());
        runs.retain(|run| !is_void(&run.state));
        let is_meant = |run: &RunFacts| {
            // Run ids sort by time.
            call.before.as_ref().is_none_or(|it| run.run.as_str() < it.as_str())
                && call.after.as_ref().is_none_or(|it| run.run.as_str() > it.as_str())
                && call.until.is_none_or(|until| run.created_at <= until + CLOCK_SKEW)
        };
        let mut told = Called::Over(CallResult::Nothing);
        let mut seen = HashMap::new();
        for facts in runs.into_iter().filter(is_meant).rev() {
            let is_own = own.iter().any(|it| it.run == facts.run);
            if !is_own && !self.came_of_ours(&facts, call, &mut seen).await? {
                continue;
            }
            // Right before it is ended: what was looked at took its time.
            let belongs = belongs(&self.pool, call.chain, &call.stack, &facts.run);
            match belongs.await.map_err(away)? {
                Belongs { is_taken: true, .. } => continue,
                Belongs { may_be_taken: true, .. } => return Ok(self.may_adopt(call, &facts)),
                Belongs { .. } => {}
            }
            match self.end_run(claim, call, facts).await? {
                waits @ Called::Waits { .. } => return Ok(waits),
                // How the newest stands is told.
                over => told = over,
            }
        }
        Ok(match unsettled {
            Some(after) => {
                let text =
                    format!("Spacelift may have yet to make a run of {} by itself", call.stack);
                Called::Waits { after, why: Reason::new(Code::RunInFlight, text) }
            }
            None => told,
        })
    }

    /// Whether a run came with one that was asked for by us, over however many stacks. `seen` are the
    /// runs of those that were looked at.
    async fn came_of_ours(
        &self,
        run: &RunFacts,
        call: &Call,
        seen: &mut HashMap<StackId, Vec<RunFacts>>,
    ) -> Result<bool, Error> {
        let mut run = run.clone();
        while let Some(by) = run.triggered_by.take() {
            if by == self.spacelift.actor() {
                return Ok(true);
            }
            let by = StackId::from(by);
            if !seen.contains_key(&by) {
                let runs = match self.spacelift.recent_runs(&by, call.since - CLOCK_SKEW).await {
                    // It is no stack that made it.
                    Err(Error::NotFound) => Vec::new(),
                    runs => runs?,
                };
                seen.insert(by.clone(), runs);
            }
            let Some(origin) = origin_of(&run, &seen[&by]) else { return Ok(false) };
            run = origin.clone();
        }
        Ok(false)
    }

    fn may_adopt(&self, call: &Call, facts: &RunFacts) -> Called {
        let text = format!(
            "{} begins, and may take over run {}; what it does not take over is ended then",
            call.stack, facts.run
        );
        Called::Waits { after: self.runs.settle, why: Reason::new(Code::RunInFlight, text) }
    }

    /// Ends a run, or says how it stands if it cannot be ended; what applies is left to its end. To ask
    /// twice does no harm.
    pub(super) async fn end_run(
        &self,
        claim: &Claim,
        call: &Call,
        facts: RunFacts,
    ) -> Result<Called, Error> {
        if facts.finished || facts.state.is_applying() {
            return Ok(Called::run(facts));
        }
        let (stack, run) = (&call.stack, &facts.run);
        let spacelift = self.while_ours(claim)?;
        let ended = match is_on_no_worker(&facts.state) {
            true => spacelift.discard(stack, run, &call.note).await,
            false => spacelift.stop(stack, run, &call.note).await,
        };
        match ended {
            Ok(facts) if facts.finished => Ok(Called::run(facts)),
            // Its worker was asked to stop.
            Ok(facts) => Ok(self.look_again(&facts)),
            Err(Error::NotFound) => Ok(Called::Over(CallResult::Nothing)),
            Err(Error::Refused { .. }) => {
                if facts.state == RunState::PendingReview {
                    self.reject(claim, call, &facts).await?;
                }
                match self.spacelift.run(stack, run).await? {
                    // It moved while it was asked to end.
                    Some(now) if now.state_version != facts.state_version => {
                        Ok(self.look_again(&now))
                    }
                    Some(now) => Ok(Called::run(now)),
                    None => Ok(Called::Over(CallResult::Nothing)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What waits for a review has nothing to stop, and may be ended by its review alone.
    async fn reject(&self, claim: &Claim, call: &Call, facts: &RunFacts) -> Result<(), Error> {
        match self.while_ours(claim)?.reject(&call.stack, &facts.run, &call.note).await {
            Err(Error::Refused { .. }) => Ok(()),
            rejected => rejected,
        }
    }

    pub(super) fn look_again(&self, facts: &RunFacts) -> Called {
        let text =
            format!("run {} of {} is being ended; it is {}", facts.run, facts.stack, facts.state);
        let why = Reason::new(Code::RunInFlight, text);
        Called::Waits { after: self.runs.settle, why }
    }
}

/// Whether a run waits for its turn or for people, so that there is nothing to stop or to kill.
pub(super) fn is_on_no_worker(state: &RunState) -> bool {
    matches!(
        state,
        RunState::Queued | RunState::Ready | RunState::Unconfirmed | RunState::PendingReview
    )
}
