//! Steps of unknown outcome: each keeps its stack until a person has looked at what it manages, or
//! until it is seen after all what became of its run.

use contracts::{Reason, step::StepState};

use super::Moves;
use crate::input::Seen;

impl Moves<'_> {
    /// The run of such a step was seen to have ended after all. Returns whether it was one.
    pub(super) fn is_known_after_all(&mut self, at: usize, seen: &Seen) -> bool {
        let step = &self.chain.steps[at];
        let ours = step.run.as_ref().is_some_and(|run| run.id == seen.report.run);
        if step.state != StepState::Unknown {
            return false;
        }
        if ours && step.keeps_stack() && seen.finished {
            let text =
                format!("run {} was seen after all: it is {}", seen.report.run, seen.report.state);
            self.release(at, &text);
        }
        true
    }

    /// A person ends what is left of this step, or of the chain: they have looked. Returns whether
    /// anything was left.
    pub(super) fn release_unknown(&mut self, only: Option<usize>, why: &Reason) -> bool {
        let kept = |at: &usize| self.chain.steps[*at].keeps_stack();
        let kept: Vec<usize> = match only {
            Some(at) => [at].into_iter().filter(kept).collect(),
            None => self.chain.places().filter(kept).collect(),
        };
        for &at in &kept {
            self.release(at, &why.text);
        }
        !kept.is_empty()
    }

    fn release(&mut self, at: usize, why: &str) {
        let stack = self.chain.stack(at).clone();
        let step = &mut self.chain.steps[at];
        step.course.released = true;
        let reason = Reason::new(step.reason.code, format!("{}; {why}", step.reason.text));
        self.chain.changes.freed.insert(stack);
        self.explain(at, reason);
    }
}
