//! Runs that Spacelift's own dependencies make by themselves, of steps that must not run, or not yet.
//!
//! With the run of a stack Spacelift makes one of everything below it, and lets the next but one go on
//! where one was skipped: below a failure, what is to wait would run.

use contracts::{
    Code, Reason,
    chain::ChainKind,
    run::{RunReported, RunState},
    step::StepState,
};

use super::Moves;
use crate::{
    call::{Call, CallKind},
    machine::StepEvent,
};

impl Moves<'_> {
    /// A step that must not run may have a run all the same: Spacelift's own dependencies make one
    /// as soon as a parent runs.
    pub(super) fn withdraw(&mut self, at: usize, why: &Reason) {
        if !self.chain.native_parents(at).is_empty() {
            let note = format!("Withdrawn by Stackly, {}: {}", self.chain.id, why.text);
            self.call(at, CallKind::Withdraw, note);
        }
    }

    /// A step has moved: runs that were made with its own are ended where they are not wanted. What
    /// has ended without a run never is; what waits is not if this run did not end well, because it
    /// goes on only with another.
    pub(super) fn withdraw_below(&mut self, at: usize, from: StepState, event: StepEvent) {
        let state = self.chain.steps[at].state;
        let is_over = from.holds_stack() && !state.holds_stack();
        let is_skipped = event == StepEvent::NativeRunSkipped;
        let is_new = event == StepEvent::RunKnown;
        if self.chain.runs_as() == ChainKind::Preview || !(is_over || is_skipped || is_new) {
            return;
        }
        self.end_natives_below(at, !is_new && state != StepState::Finished);
    }

    /// Ends what Spacelift's own dependencies made below a step and is not wanted: of what ended
    /// without a run, and, if the step's own run is no good, of what waits on.
    pub(super) fn end_natives_below(&mut self, at: usize, must_wait: bool) {
        let above = self.chain.stack(at).clone();
        for below in self.chain.shape.native_cone_below(at) {
            let step = &self.chain.steps[below];
            let why = match step.state {
                _ if step.run.is_some() => continue,
                StepState::Waiting if must_wait => {
                    let text = format!("the run of {above} is no good; what waits for it waits on");
                    Reason::new(Code::WaitingForParents, text)
                }
                state if state.is_terminal() => step.reason.clone(),
                _ => continue,
            };
            self.withdraw(below, &why);
        }
    }

    /// A step has got a run that was asked for, so Spacelift has made one of everything below it. What
    /// is not to go on is ended: where Spacelift had made the step's own run and that would not do, what
    /// came with that one; and where a step waits also for what did not come with this one, because
    /// Spacelift would not wait for that.
    pub(super) fn withdraw_stray_below(&mut self, at: usize, report: &RunReported) {
        let parents = self.chain.native_parents(at);
        let is_native = |by: &str| parents.iter().any(|parent| parent.as_str() == by);
        if self.chain.runs_as() == ChainKind::Preview
            || report.triggered_by.as_deref().is_some_and(is_native)
        {
            return;
        }
        let run = || Some(report.run.clone());
        let above = self.chain.stack(at).clone();
        let hasty = self.hasty_below(at);
        for below in self.chain.shape.native_cone_below(at) {
            let is_hasty = hasty.contains(&below);
            if self.chain.steps[below].state != StepState::Waiting {
                continue;
            }
            let (before, after, text) = match (parents.is_empty(), is_hasty) {
                (true, false) => continue,
                (true, true) => (None, run(), "it waits for more than what came with this run"),
                (false, true) => (None, None, "it waits for more than what came with this run"),
                (false, false) => (run(), None, "it has a run of its own"),
            };
            let note = format!("Withdrawn by Stackly, {}, with {above}: {text}", self.chain.id);
            let call = self.new_call(below, CallKind::Withdraw, note);
            self.make(below, &Call { before, after, is_early: is_hasty, ..call });
        }
    }

    /// The steps below one that Spacelift would run too early, if it made runs of all with that of
    /// this one: it waits only for what came with it.
    fn hasty_below(&self, at: usize) -> Vec<usize> {
        let chain = &*self.chain;
        let mut in_order = vec![at];
        let mut hasty = Vec::new();
        // Parents come first.
        for below in chain.shape.native_cone_below(at) {
            let conditions = chain.conditions(below);
            let is_waited_for = |parent: usize| {
                in_order.contains(&parent) && chain.shape.native_cone_below(parent).contains(&below)
            };
            let parents = chain.shape.parents(below);
            let sure = parents.iter().filter(|&&parent| {
                conditions.on(&chain.steps[parent]).is_met_by(chain.steps[parent].state)
                    || is_waited_for(parent)
            });
            match sure.count() >= chain.join(below).needed(parents.len()) {
                true => in_order.push(below),
                false => hasty.push(below),
            }
        }
        hasty
    }

    /// The run Spacelift made on its own account for a step that must not run has ended, or cannot
    /// be ended: then the step says what it is not to be blamed for.
    pub(super) fn withdrawn(&mut self, at: usize, report: &RunReported) {
        let harmless = matches!(
            report.state,
            RunState::Discarded
                | RunState::Canceled
                | RunState::Stopped
                | RunState::Skipped
                | RunState::Failed
        );
        let step = &self.chain.steps[at];
        if harmless || !step.state.is_terminal() {
            return;
        }
        let text = format!(
            "{}; but Spacelift's own dependencies run it all the same: run {} is {}",
            step.reason.text, report.run, report.state
        );
        self.explain(at, Reason::new(step.reason.code, text));
    }
}
