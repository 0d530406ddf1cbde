//! Ends: of a step, of everything below a failure, of a chain.

use contracts::{
    Code, Reason,
    chain::{ChainFinished, ChainState},
    step::{StepFinished, StepState},
};

use super::Moves;
use crate::{chain::Chain, step::Step};

impl Moves<'_> {
    /// Ends a step: its children start, or its whole downstream cone never does.
    pub(super) fn end(&mut self, at: usize, state: StepState, reason: Reason) {
        self.end_step(at, state, reason);
        if state == StepState::Finished {
            for child in self.chain.shape.children(at).to_vec() {
                self.start_if_ready(child);
            }
            return;
        }
        let text = format!("{}, which it depends on, ended as {state}", self.chain.stack(at));
        let reason = Reason::new(Code::ParentFailed, text);
        for below in self.chain.shape.cone_below(at) {
            if !self.chain.steps[below].state.is_terminal() {
                self.withdraw(below, &reason);
                self.end_step(below, StepState::Skipped, reason.clone());
            }
        }
    }

    /// Ends one step and nothing else.
    pub(super) fn end_step(&mut self, at: usize, state: StepState, reason: Reason) {
        self.enter(at, state, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepFinished { chain: self.chain.id, step: summary });
    }

    /// Ends a step whose run or stack is gone: badly, and if it may have applied, as something
    /// only a person can find out.
    pub(super) fn lose(&mut self, at: usize, reason: Reason) {
        let step = &self.chain.steps[at];
        if !step.may_have_applied() {
            return self.end(at, StepState::Failed, reason);
        }
        let seen = step.run.as_ref().map(|run| format!(" (last seen {})", run.state));
        let text = format!(
            "{}; the apply was under way{}, so a person must look at what {} manages, and push \
             again once it is as it should be",
            reason.text,
            seen.unwrap_or_default(),
            step.planned.stack,
        );
        self.end(at, StepState::Unknown, Reason::new(reason.code, text));
    }

    /// A chain ends with its last step.
    pub(super) fn finish_chain(&mut self) {
        let ended = |step: &Step| step.state.is_terminal();
        if self.chain.state.is_terminal() || !self.chain.steps.iter().all(ended) {
            return;
        }
        let (state, reason) = outcome(self.chain);
        self.chain.ended_at = Some(self.now);
        self.chain_enters(state, reason.clone());
        self.send(&ChainFinished {
            chain: self.chain.id,
            change: self.chain.change.clone(),
            state,
            reason,
            steps: self.chain.summaries(),
            began_at: self.chain.began_at,
            ended_at: self.now,
        });
    }
}

fn outcome(chain: &Chain) -> (ChainState, Reason) {
    if chain.state == ChainState::Gating {
        return (ChainState::Denied, chain.reason.clone());
    }
    let bad: Vec<&Step> =
        chain.steps.iter().filter(|step| step.state != StepState::Finished).collect();
    // What a person must look at comes first, and a step that was merely skipped last.
    let weight = |step: &&&Step| match step.state {
        StepState::Unknown => 0,
        StepState::Skipped => 2,
        _ => 1,
    };
    let Some(first) = bad.iter().min_by_key(weight) else {
        let text = format!("all {} steps ended well", chain.steps.len());
        return (ChainState::Finished, Reason::new(Code::Done, text));
    };
    let text = format!(
        "{} of {} steps did not end well; first {}: {}",
        bad.len(),
        chain.steps.len(),
        first.planned.stack,
        first.reason.text
    );
    (ChainState::Failed, Reason::new(first.reason.code, text))
}
