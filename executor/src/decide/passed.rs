//! What its gate let pass, and what had to wait all the same, for a stack or a person: the policies are
//! asked again before it goes on, because a window may have closed meanwhile, or the line been stopped.

use chrono::TimeDelta;
use contracts::{Code, Reason, gate::Moment};

use super::Moves;
use crate::course::Passed;

/// For so long an answer of the policies is good for what does not go on at once.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(60);

impl Moves<'_> {
    /// Its gate has just let it pass, and it has to wait.
    pub(super) fn waits_though_passed(&mut self, at: usize) {
        let passed = &mut self.chain.steps[at].course.passed;
        let again = passed.as_ref().map_or(0, |passed| passed.again);
        *passed = Some(Passed { at: self.now, again, asks: false });
    }

    /// The gate of a step has answered, so it is not being asked any more.
    pub(super) fn is_answered(&mut self, at: usize) {
        if let Some(passed) = &mut self.chain.steps[at].course.passed {
            (passed.at, passed.asks) = (self.now, false);
        }
    }

    /// Asks again whether a step may go on that was let pass too long ago; gives whether that has to be
    /// waited for. It is the same gate, so nobody has to approve again what he approved.
    pub(super) fn asks_again(&mut self, at: usize, moment: Moment) -> bool {
        let now = self.now;
        // What was allowed with a whole chain was asked about when its run began.
        if self.is_clear(at, moment) || (moment == Moment::BeforeApply && self.chain.plans_all()) {
            return false;
        }
        let step = &mut self.chain.steps[at];
        let Some(gate) = step.gate else { return false };
        let began = Passed { at: step.since, again: 0, asks: false };
        let passed = step.course.passed.get_or_insert(began);
        if passed.asks {
            return true;
        }
        if now - passed.at < GOOD_FOR {
            return false;
        }
        (passed.again, passed.asks) = (passed.again + 1, true);
        let text = "it had to wait since the policies let it go on, so they are asked again";
        self.explain(at, Reason::new(Code::WaitingForGate, text));
        self.ask(gate.id, moment, at..at + 1);
        true
    }
}
