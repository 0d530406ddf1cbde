//! Code that comes back: what its stack made is not destroyed.

use contracts::{Code, Reason, stack::StackReassociated};

use super::Moves;
use crate::machine::StepEvent;

impl Moves<'_> {
    /// The stack of a step that was to be destroyed has code again. Also where a person asked for it:
    /// it was a stack without code that he meant.
    pub(super) fn code_is_back(&mut self, event: &StackReassociated) {
        let Some(at) = self.chain.place(&event.stack) else { return };
        if !self.chain.course.action.destroys() || !self.chain.steps[at].state.is_idle() {
            return;
        }
        let text = format!("what {} made stays: {}", event.stack, event.reason.text);
        self.end(at, StepEvent::Canceled, Reason::new(Code::CodeFound, text));
    }
}
