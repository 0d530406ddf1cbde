//! What begins again, and what comes back with it.

use std::collections::BTreeSet;

use contracts::{Code, Reason, step::StepState};

use super::Moves;
use crate::machine::StepEvent;

impl Moves<'_> {
    /// A step begins again; if its wave was waiting already, it is to end anew first.
    pub(super) fn begin_again(&mut self, at: usize, why: &Reason) {
        self.unsettle(at);
        self.chain.steps[at].begin_again();
        if self.chain.must_be_planned() {
            self.chain.steps[at].course.draft = None;
        }
        self.enter(at, StepEvent::Retried, why.clone());
    }

    /// Whether a step ran, or did not, because of how a parent ended that ends anew.
    fn is_about_what_begins_again(&self, at: usize) -> bool {
        let parents = self.chain.shape.parents(at).iter();
        !self.chain.conditions(at).is_usual()
            && parents.into_iter().any(|&parent| !self.chain.steps[parent].state.is_terminal())
    }

    /// What was kept from running by what begins again comes back: below it, and in later waves if
    /// few enough of the earlier one ended badly now.
    pub(super) fn bring_back(&mut self, only: Option<usize>, after_all: bool, why: &Reason) {
        let mut below: BTreeSet<usize> = match only {
            Some(at) => self.chain.shape.cone_below(at).into_iter().collect(),
            None => self.chain.places().collect(),
        };
        let wave_failed = self.has_failed_wave();
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            let again = match step.state {
                StepState::Skipped if step.reason.code == Code::WaveFailed => !wave_failed,
                StepState::Skipped => below.contains(&at) && self.chain.standing(at).can_be_met(),
                // They ended well without what is now run after all.
                StepState::Finished => {
                    below.contains(&at) && (after_all || self.is_about_what_begins_again(at))
                }
                _ => false,
            };
            if again {
                below.extend(self.chain.shape.cone_below(at));
                self.begin_again(at, why);
            }
        }
    }
}
