//! What begins again, and what comes back with it.

use std::collections::BTreeSet;

use contracts::{
    Code, Reason,
    chain::{ChainStarted, ChainState},
    step::StepState,
};
use store::Refusal;

use super::{Moves, drafts, orders::refused};
use crate::{
    condition::Condition,
    input::Order,
    machine::{ChainEvent, StepEvent},
    step::Step,
};

impl Moves<'_> {
    /// A person has something tried again.
    pub(super) fn retry(
        &mut self,
        only: Option<usize>,
        why: &Reason,
        order: &Order,
    ) -> Result<(), Refusal> {
        let force = order.force;
        // What failed within the budget of its wave is not what the chain waits for.
        if only.is_none() && !order.all && !force && self.wave_is_held() {
            self.look_again();
            return Ok(());
        }
        let again = self.to_be_retried(only, order)?;
        if let Some(text) = self.stays_unplanned(&again) {
            return Err(refused(text));
        }
        // With `--all`, nothing that is still to come is left out any more.
        if again.is_empty() && !(order.all && self.is_under_way()) {
            return Err(self.nothing_to_retry(only));
        }
        if order.all {
            self.chain.course.options.run_always = true;
            self.chain.changes.chain = true;
        }
        let left_out =
            again.iter().filter(|&&at| self.chain.steps[at].state == StepState::Finished);
        let after_all =
            left_out.flat_map(|&at| self.chain.shape.cone_below(at)).collect::<BTreeSet<_>>();
        for &at in &again {
            self.begin_again(at, why);
            let course = &mut self.chain.steps[at].course;
            (course.insisted, course.on_head) = (force, course.on_head && !force);
        }
        self.chain.changes.chain |= self.chain.course.stopped.take().is_some();
        self.bring_back(only, &after_all, why);
        if self.chain.course.canceled.take().is_some() {
            self.chain.course.again_at = Some(self.now);
            (self.chain.reason, self.chain.changes.chain) = (why.clone(), true);
        }
        if self.chain.state.is_terminal() {
            self.chain.ended_at = None;
            self.chain.course.paused = None;
            self.chain.course.again_at = Some(self.now);
            let event = match self.chain.must_be_planned() {
                true => ChainEvent::Replanned,
                false => ChainEvent::Retried,
            };
            self.chain_enters(event, why.clone());
            self.send(&ChainStarted {
                chain: self.chain.id,
                change: self.chain.change.clone(),
                steps: self.chain.steps.len(),
            });
        }
        if self.drafts() {
            self.chain.course.plans = None;
            self.draft_the_rest();
        }
        self.start_everything();
        Ok(())
    }

    /// Whether its steps run, or would if a person let them.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.chain.state, ChainState::Running | ChainState::Paused)
    }

    /// Whether a step did not run because it need not, and nothing below it is under way, so that it can
    /// still be run before what depends on it.
    fn can_run_after_all(&self, at: usize) -> bool {
        let begun = |at: &usize| {
            let state = self.chain.steps[*at].state;
            !state.is_terminal() && state != StepState::Waiting
        };
        let step = &self.chain.steps[at];
        step.state == StepState::Finished
            && matches!(step.reason.code, Code::InputsUnchanged | Code::RunShared)
            && !self.chain.shape.cone_below(at).iter().any(begun)
    }

    /// Whether the policies have not let it begin. To begin it, what they say of the whole of it would have
    /// to be known first.
    fn never_began(&self) -> bool {
        // Of what an older build let begin, only its steps tell.
        let has_moved = |step: &Step| {
            step.gate.is_some() || step.course.attempt > 1 || step.course.draft.is_some()
        };
        !self.chain.course.begun && !self.chain.steps.iter().any(has_moved)
    }

    /// The steps that are to be tried again; none if no step needs it.
    fn to_be_retried(&self, only: Option<usize>, order: &Order) -> Result<Vec<usize>, Refusal> {
        let (force, left_out) = (order.force, order.all || only.is_some());
        let id = self.chain.id;
        match self.chain.state {
            ChainState::Gating => return Err(refused(format!("{id} has not begun yet"))),
            ChainState::Planning => {
                let text = format!("{id} is being planned; what may work later begins by itself");
                return Err(refused(text));
            }
            ChainState::Denied => {
                let text = format!("the policies denied {id} as a whole; push again to ask anew");
                return Err(refused(text));
            }
            ChainState::Canceled if self.never_began() => {
                let text =
                    format!("{id} was cancelled before it might begin; push again to ask anew");
                return Err(refused(text));
            }
            ChainState::Running
            | ChainState::Paused
            | ChainState::Finished
            | ChainState::Failed
            | ChainState::Canceled => {}
        }
        let fits = |step: &Step| match step.state {
            StepState::Unknown => force,
            StepState::Failed | StepState::Denied | StepState::Canceled | StepState::Retrying => {
                true
            }
            _ => false,
        };
        let wanted: Vec<usize> = match only {
            Some(at) => vec![at],
            None => self.chain.places().collect(),
        };
        let mut again = wanted.clone();
        again.retain(|&at| fits(&self.chain.steps[at]) || (left_out && self.can_run_after_all(at)));
        if let Some(text) = again.iter().find_map(|&at| self.is_being_answered(at)) {
            return Err(refused(text));
        }
        let hopeless = self.leave_out_hopeless(&mut again, only);
        let is_unknown = |&&at: &&usize| self.chain.steps[at].state == StepState::Unknown;
        match wanted.iter().find(is_unknown) {
            Some(&at) if again.is_empty() && !force => {
                let stack = self.chain.stack(at);
                let text = format!(
                    "nobody knows what became of {stack}: look at what it manages, then say so \
                     with `--force`"
                );
                Err(refused(text))
            }
            _ => match hopeless.filter(|_| again.is_empty()) {
                Some(text) => Err(refused(text)),
                None => Ok(again),
            },
        }
    }

    /// Why not all of a chain would be planned again that has to be planned as a whole: then nothing of it
    /// would be applied.
    fn stays_unplanned(&self, again: &[usize]) -> Option<String> {
        if again.is_empty() || !self.chain.must_be_planned() {
            return None;
        }
        let stays = |at: &usize| !again.contains(at) && drafts::is_bad(self.chain.steps[*at].state);
        let at = self.chain.places().find(stays)?;
        let (id, stack, state) = (self.chain.id, self.chain.stack(at), self.chain.steps[at].state);
        let force = if state == StepState::Unknown { " --force" } else { "" };
        Some(format!(
            "{id} is planned as a whole, and {stack} ended as {state}: `stackly retry {id}{force}` \
             plans all of it again"
        ))
    }

    /// Takes out what would wait for ever, because of parents that do not begin again with it; says of
    /// the first of these why.
    fn leave_out_hopeless(&self, again: &mut Vec<usize>, only: Option<usize>) -> Option<String> {
        let mut after = self.chain.clone();
        let mut hopeless = Vec::new();
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            let comes_back = step.state == StepState::Skipped
                && match step.reason.code {
                    Code::Superseded => false,
                    Code::ChainStopped | Code::WaveFailed => true,
                    _ => only.is_none(),
                };
            let is_asked_for = again.contains(&at);
            if !is_asked_for && !comes_back {
                continue;
            }
            match after.never_starts(at) {
                false => after.steps[at].state = StepState::Waiting,
                true if is_asked_for => hopeless.push(at),
                true => {}
            }
        }
        again.retain(|at| !hopeless.contains(at));
        let at = *hopeless.first()?;
        let unmet = after.unmet_parents(at);
        let unmet = unmet.map(|it| format!("{}, which is {}", it.planned.stack, it.state));
        let (id, stack) = (self.chain.id, self.chain.stack(at));
        let unmet = unmet.collect::<Vec<_>>().join(", and on ");
        Some(format!(
            "{stack} depends on {unmet}: try that again first, or all of it with `stackly retry {id}`"
        ))
    }

    fn nothing_to_retry(&self, only: Option<usize>) -> Refusal {
        let Some(at) = only else {
            return refused(format!("no step of {} ended badly", self.chain.id));
        };
        let (stack, state) = (self.chain.stack(at), self.chain.steps[at].state);
        refused(format!(
            "{stack} is {state}; only what ended badly by itself, or did not run because it need \
             not, can be tried again"
        ))
    }

    /// What runs because of how a step ended, if anything does: it would not be there for a new end, and
    /// both would change the same.
    fn is_being_answered(&self, at: usize) -> Option<String> {
        let (stack, state) = (self.chain.stack(at), self.chain.steps[at].state);
        let answers = |&&child: &&usize| {
            let it = &self.chain.steps[child];
            let how = self.chain.conditions(child).on(&self.chain.steps[at]);
            let has_begun = !it.state.is_terminal() && it.state != StepState::Waiting;
            state.is_terminal() && has_begun && how != Condition::Success
        };
        let child = *self.chain.shape.children(at).iter().find(answers)?;
        let (child, is) = (self.chain.stack(child), self.chain.steps[child].state);
        Some(format!(
            "{child}, which is there for how {stack} ended, is {is}; {stack} can be tried again once \
             that has ended, or after `stackly cancel {}/{child}`",
            self.chain.id
        ))
    }

    /// A step begins again; if its wave was waiting already, it is to end anew first.
    pub(super) fn begin_again(&mut self, at: usize, why: &Reason) {
        self.unsettle(at);
        let step = &mut self.chain.steps[at];
        step.begin_again();
        step.course.began_with = step.course.attempt;
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
    pub(super) fn bring_back(
        &mut self,
        only: Option<usize>,
        after_all: &BTreeSet<usize>,
        why: &Reason,
    ) {
        let mut below: BTreeSet<usize> = match only {
            Some(at) => self.chain.shape.cone_below(at).into_iter().collect(),
            None => self.chain.places().collect(),
        };
        let wave_failed = self.has_failed_wave();
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            let again = match step.state {
                StepState::Skipped if step.reason.code == Code::WaveFailed => !wave_failed,
                StepState::Skipped if step.reason.code == Code::Superseded => false,
                // The chain does not stop any more, wherever what begins again is.
                StepState::Skipped if step.reason.code == Code::ChainStopped => {
                    self.chain.standing(at).can_be_met()
                }
                StepState::Skipped => below.contains(&at) && self.chain.standing(at).can_be_met(),
                // They ended well without what is now run after all.
                StepState::Finished => {
                    let is_about_it = below.contains(&at) && self.is_about_what_begins_again(at);
                    after_all.contains(&at) || is_about_it
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
