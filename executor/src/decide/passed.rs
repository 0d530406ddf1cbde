//! What its gate let pass, and what had to wait all the same, for a stack, a person or Spacelift: the
//! policies are asked again before it goes on, because a window may have closed meanwhile, or the line
//! been stopped.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, Reason,
    gate::{Moment, Outcome},
    step::StepState,
};

use super::Moves;
use crate::{call::CallKind, course::Passed, draft::Plans, machine::StepEvent};

/// For so long an answer of the policies is good for what does not go on at once.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(60);

/// The moment before a call that the policies are asked about.
fn moment_before(call: CallKind) -> Option<Moment> {
    match call {
        CallKind::Trigger => Some(Moment::BeforePlan),
        CallKind::Confirm => Some(Moment::BeforeApply),
        _ => None,
    }
}

impl Moves<'_> {
    /// Its gate has just let it pass, and it has to wait.
    pub(super) fn waits_though_passed(&mut self, at: usize) {
        let now = self.now;
        let passed = self.passed_mut(at);
        (passed.at, passed.asks) = (now, false);
    }

    /// What a step waits for now is another thing; the answer of the policies is no younger for that.
    pub(super) fn stays_as_old(&mut self, at: usize) {
        self.passed_mut(at);
    }

    /// The gate of a step has answered, so it is not being asked any more.
    pub(super) fn is_answered(&mut self, at: usize, outcome: &Outcome) {
        if *outcome != Outcome::Pass {
            self.waits_for_no_call(at);
        }
        if let Some(passed) = &mut self.chain.steps[at].course.passed {
            (passed.at, passed.asks) = (self.now, false);
        }
    }

    /// A call had been held up, and now it is the policies that hold the step.
    pub(super) fn waits_for_no_call(&mut self, at: usize) {
        if let Some(passed) = &mut self.chain.steps[at].course.passed {
            passed.held = None;
        }
    }

    /// A step asks for what had been held up: people are told when it has waited for too long in all,
    /// and once.
    pub(super) fn waits_on(&mut self, at: usize) {
        let step = &mut self.chain.steps[at];
        if let Some(held) = step.course.passed.as_mut().and_then(|passed| passed.held.take()) {
            (step.since, step.course.reminded) = held;
        }
    }

    /// Asks again whether a step may go on that was let pass too long ago; gives whether that has to be
    /// waited for. It is the same gate, so nobody has to approve again what he approved.
    pub(super) fn asks_again(&mut self, at: usize, moment: Moment) -> bool {
        if !self.can_be_asked_again(at, moment) {
            return false;
        }
        if self.passed_mut(at).asks {
            return true;
        }
        let is_too_old = self.is_too_old(at, moment);
        if is_too_old {
            self.ask_anew(at, moment);
        }
        is_too_old
    }

    /// Whether a policy let a step go on, and too long ago.
    pub(super) fn is_too_old(&self, at: usize, moment: Moment) -> bool {
        self.can_be_asked_again(at, moment) && self.now - self.passed_at(at, moment) >= GOOD_FOR
    }

    /// What a step asks for next, it has asked for before, in vain: it is another call.
    pub(super) fn is_another_call(&mut self, at: usize) {
        self.passed_mut(at).again += 1;
    }

    /// Until when a call may be made that has to wait.
    pub(super) fn good_until(&self, at: usize, call: CallKind) -> Option<DateTime<Utc>> {
        let moment = moment_before(call).filter(|moment| self.can_be_asked_again(at, *moment))?;
        let waited = self.chain.steps[at].course.passed.is_some();
        let since = if waited { self.passed_at(at, moment) } else { self.now };
        Some(since + GOOD_FOR)
    }

    /// A call could not be made until the answer of the policies was too old, and was given up: the
    /// step is before its gate again.
    pub(super) fn held_up(&mut self, at: usize, call: CallKind) {
        let Some(moment) = moment_before(call) else { return };
        match (moment, &self.chain.steps[at].course.cancel) {
            (Moment::BeforePlan, Some(_)) => return self.forgo(at),
            // The run is ended as soon as the confirm is over, and that is now.
            (_, Some(_)) => return,
            (_, None) => {}
        }
        if let (Moment::BeforePlan, Some(stopped)) = (moment, self.stopped(at)) {
            return self.end(at, StepEvent::ChainStopped, stopped);
        }
        let step = &self.chain.steps[at];
        let is_withheld = step.course.withheld;
        let is_paused = self.paused_reason(at).is_some();
        let text = match (is_withheld, is_paused) {
            (true, _) => "it was held before Spacelift could be asked",
            (false, true) => "it was paused before Spacelift could be asked",
            _ => "Spacelift could not be asked while the answer of the policies was good",
        };
        let reason = Reason::new(Code::WaitingForGate, text);
        let held = Some((step.since, step.course.reminded));
        // Whoever is held by people or policies waits for them.
        self.passed_mut(at).held = held.filter(|_| !is_withheld && !is_paused);
        self.enter(at, StepEvent::CallHeldUp, reason.clone());
        if self.can_be_asked_again(at, moment) && (is_withheld || !is_paused) {
            return self.ask_anew(at, moment);
        }
        self.is_another_call(at);
        match is_paused {
            // A pause makes the answer of the policies no younger.
            true => self.allowed_but_paused(at, reason),
            false => self.passed(at, reason),
        }
    }

    /// The policies do not let go on what they had let, or do so after all, while the call that
    /// followed is open: it is not made any more if it can be helped. Gives whether that is news.
    pub(super) fn withhold(&mut self, at: usize, outcome: &Outcome) -> bool {
        let has_stopped = self.stopped(at).is_some();
        let step = &mut self.chain.steps[at];
        let is_asked_for = matches!(step.state, StepState::Triggering | StepState::Confirming);
        let has_stopped = has_stopped && step.state == StepState::Triggering;
        let withheld = *outcome != Outcome::Pass || has_stopped;
        if !is_asked_for || step.course.withheld == withheld {
            return false;
        }
        step.course.withheld = withheld;
        self.touch(at);
        true
    }

    /// Whether a policy speaks about the step that can be asked again.
    fn can_be_asked_again(&self, at: usize, moment: Moment) -> bool {
        let is_kept = |plans: &Plans| !plans.stacks.is_empty();
        self.chain.steps[at].gate.is_some()
            && !self.is_clear(at, moment)
            && self.allowed_with_all(at, moment).is_none_or(is_kept)
    }

    /// The plans with which that of a step was allowed: of itself it was not asked about.
    fn allowed_with_all(&self, at: usize, moment: Moment) -> Option<&Plans> {
        let is_one = moment == Moment::BeforeApply
            && self.chain.plans_all()
            && self.chain.steps[at].course.differs.is_none();
        self.chain.course.plans.as_ref().filter(|_| is_one)
    }

    /// When the policies let a step go on last.
    fn passed_at(&self, at: usize, moment: Moment) -> DateTime<Utc> {
        let step = &self.chain.steps[at];
        let of_all = self.allowed_with_all(at, moment).and_then(|plans| plans.allowed_at);
        let own = || step.course.passed.as_ref().map_or(step.since, |passed| passed.at);
        of_all.unwrap_or_else(own)
    }

    fn passed_mut(&mut self, at: usize) -> &mut Passed {
        let step = &mut self.chain.steps[at];
        let began = Passed { at: step.since, again: 0, asks: false, held: None };
        step.course.passed.get_or_insert(began)
    }

    fn ask_anew(&mut self, at: usize, moment: Moment) {
        let text = "it had to wait since the policies let it go on, so they are asked again";
        self.explain(at, Reason::new(Code::WaitingForGate, text));
        let passed = self.passed_mut(at);
        (passed.again, passed.asks) = (passed.again + 1, true);
        let Some(gate) = self.chain.steps[at].gate else { return };
        match self.allowed_with_all(at, moment) {
            Some(_) => self.ask_about_plans_again(),
            None => self.ask(gate.id, moment, at..at + 1),
        }
    }
}
