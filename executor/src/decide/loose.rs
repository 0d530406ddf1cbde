//! Code that comes back: what its stack made is not destroyed.

use contracts::{Code, Reason};

use super::Moves;
use crate::machine::StepEvent;

impl Moves<'_> {
    /// Stacks of steps that were to be destroyed have code again. Also where a person asked for it:
    /// it was a stack without code that he meant.
    pub(super) fn heed_code(&mut self) {
        if self.chain.code_back.is_empty() {
            return;
        }
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            if step.state.is_terminal() || step.course.cancel.is_some() {
                continue;
            }
            let Some(reason) = self.code_of(at) else { continue };
            match self.chain.steps[at].state.is_idle() {
                true => self.end(at, StepEvent::Canceled, reason),
                // What is being destroyed is not broken off.
                false => self.cancel_run(at, &reason, false),
            }
        }
    }

    /// Ends a step that would destroy what has code again, as if a person had tried it again after
    /// that; gives whether it did.
    pub(super) fn ends_as_it_has_code(&mut self, at: usize) -> bool {
        let reason = self.code_of(at);
        reason.map(|reason| self.end(at, StepEvent::Canceled, reason)).is_some()
    }

    fn code_of(&self, at: usize) -> Option<Reason> {
        let stack = self.chain.stack(at);
        let told = self.chain.code_back.get(stack)?;
        Some(Reason::new(Code::CodeFound, format!("what {stack} made stays: {}", told.text)))
    }
}
