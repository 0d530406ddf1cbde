//! Orders of people: pause, resume, cancel, retry. An order that does not fit changes nothing, and
//! whoever gave it is told why.

use contracts::{
    Code, Reason, StackId,
    chain::ChainState,
    gate::Moment,
    order::{ChainOrdered, OrderKind},
    step::StepState,
};
use store::Refusal;

use super::Moves;
use crate::{
    call::CallKind,
    course::{Cancel, Said},
    input::{Order, Superseded},
    machine::{self, ChainEvent, StepEvent},
};

/// Nobody has planned the chain an order is about.
pub(super) fn unknown(order: &Order) -> Refusal {
    refused(format!("there is no {}", order.chain))
}

/// The most steps that are named because they begin again.
const AGAIN_MAX: usize = 500;

pub(super) fn refused(text: String) -> Refusal {
    Refusal::Never { code: Code::OrderRefused, text }
}

impl Moves<'_> {
    pub(super) fn ordered(&mut self, order: &Order) -> Result<(), Refusal> {
        let at =
            match &order.stack {
                None => None,
                Some(stack) => Some(self.chain.place(stack).ok_or_else(|| {
                    refused(format!("{stack} is not a step of {}", self.chain.id))
                })?),
            };
        let reason = self.reason_of(order);
        let had_ended = self.ended();
        match (order.kind, at) {
            (OrderKind::Pause, None) => self.pause(order, reason.clone())?,
            (OrderKind::Pause, Some(at)) => self.pause_one(at, &order.said, &reason)?,
            (OrderKind::Resume, None) => self.resume(reason.clone())?,
            (OrderKind::Resume, Some(at)) => self.resume_one(at, &reason)?,
            (OrderKind::Cancel, None) => self.cancel_all(order, &reason)?,
            (OrderKind::Cancel, Some(at)) => self.cancel_one(at, &reason, order.force)?,
            (OrderKind::Retry, at) => self.retry(at, &reason, order)?,
        }
        self.send(&ChainOrdered {
            chain: self.chain.id,
            order: order.kind,
            stack: order.stack.clone(),
            by: order.said.by.clone(),
            state: self.chain.state,
            reason,
            again: self.begun_again(&had_ended),
        });
        Ok(())
    }

    fn ended(&self) -> Vec<usize> {
        self.chain.places().filter(|&at| self.chain.steps[at].state.is_terminal()).collect()
    }

    /// Those of these that have not ended any more, if a message has room for them.
    fn begun_again(&self, had_ended: &[usize]) -> Vec<StackId> {
        let again = had_ended.iter().filter(|&&at| !self.chain.steps[at].state.is_terminal());
        let again: Vec<_> = again.map(|&at| self.chain.stack(at).clone()).collect();
        if again.len() > AGAIN_MAX { Vec::new() } else { again }
    }

    fn reason_of(&self, order: &Order) -> Reason {
        let (code, what) = match (order.kind, &order.stack) {
            (OrderKind::Pause, None) => (Code::ChainPaused, "paused"),
            (OrderKind::Pause, Some(_)) => (Code::StepPaused, "paused"),
            (OrderKind::Resume, _) => (Code::Allowed, "resumed"),
            (OrderKind::Cancel, None) => (Code::ChainCanceled, "the chain was cancelled"),
            (OrderKind::Cancel, Some(_)) => (Code::StepCanceled, "cancelled"),
            (OrderKind::Retry, _) => (Code::Retried, "tried again"),
        };
        Reason::new(code, format!("{what} {}", order.said.phrase()))
    }

    /// Refuses what only a chain that goes on can be told.
    fn must_go_on(&self) -> Result<(), Refusal> {
        let (id, state) = (self.chain.id, self.chain.state);
        match state.is_terminal() {
            true => Err(refused(format!("{id} has ended: it is {state}"))),
            false => Ok(()),
        }
    }

    fn pause(&mut self, order: &Order, reason: Reason) -> Result<(), Refusal> {
        self.must_go_on()?;
        if let Some(paused) = &self.chain.course.paused {
            return Err(refused(format!("{} is paused already, {}", order.chain, paused.phrase())));
        }
        self.chain.course.paused = Some(order.said.clone());
        self.pause_or_resume(ChainEvent::Paused, reason);
        // Whoever waits in the queue for a stack must not keep others from it. A plan that is made
        // before anything is applied waits for no stack, and goes on.
        let is_held = self.chain.state == ChainState::Paused;
        for at in self.chain.places() {
            if is_held && self.chain.steps[at].state == StepState::Queued {
                self.set_aside(at);
            }
        }
        Ok(())
    }

    /// One step begins nothing new. What depends on it waits for it; the others go on.
    fn pause_one(&mut self, at: usize, said: &Said, reason: &Reason) -> Result<(), Refusal> {
        self.must_go_on()?;
        let step = &self.chain.steps[at];
        let (stack, state) = (&step.planned.stack, step.state);
        if let Some(paused) = &step.course.paused {
            return Err(refused(format!("{stack} is paused already, {}", paused.phrase())));
        }
        if machine::next(machine::STEP, state, StepEvent::Paused).is_none() {
            return Err(refused(format!("{stack} is {state}: there is nothing left to pause")));
        }
        self.mark(at, StepEvent::Paused, reason);
        self.chain.steps[at].course.paused = Some(said.clone());
        if state == StepState::Queued && !self.drafts() {
            self.set_aside(at);
        }
        Ok(())
    }

    fn resume_one(&mut self, at: usize, reason: &Reason) -> Result<(), Refusal> {
        let step = &mut self.chain.steps[at];
        if step.course.paused.take().is_none() {
            return Err(refused(format!("{} is not paused", step.planned.stack)));
        }
        self.mark(at, StepEvent::Resumed, reason);
        self.go_on(at);
        self.retry_due();
        Ok(())
    }

    /// Whoever is paused must not keep others from the stack or the place it queues for.
    fn set_aside(&mut self, at: usize) {
        let text = format!("{} was free for it", self.chain.stack(at));
        self.stays_as_old(at);
        self.enter(at, StepEvent::SetAside, Reason::new(Code::Allowed, "set aside"));
        self.allowed_but_paused(at, Reason::new(Code::Allowed, text));
    }

    /// A step does what it was let do while it had to wait, unless it, or its chain, is paused.
    pub(super) fn go_on(&mut self, at: usize) {
        if self.paused_reason(at).is_some() {
            if let Some(why) = self.chain.steps[at].course.allowed.take() {
                self.allowed_but_paused(at, why);
            }
            return;
        }
        if self.chain.state != ChainState::Running {
            return;
        }
        let allowed = self.chain.steps[at].course.allowed.take();
        match (self.chain.steps[at].state, allowed) {
            (StepState::Waiting, _) if self.start_if_ready(at) => self.go_on_below(at),
            (StepState::GatingPlan, Some(_)) if !self.asks_again(at, Moment::BeforePlan) => {
                self.start_run(at);
            }
            (StepState::GatingApply, Some(why)) if !self.asks_again(at, Moment::BeforeApply) => {
                self.confirm(at, &why);
            }
            _ => {}
        }
    }

    /// What a chain waits for before it runs, it waits for also while it is paused, and after.
    fn pause_or_resume(&mut self, event: ChainEvent, reason: Reason) {
        let before = self.chain.reason.clone();
        self.chain_enters(event, reason);
        if matches!(self.chain.state, ChainState::Gating | ChainState::Planning) {
            self.chain.reason = before;
        }
    }

    /// A gate let a step pass that is paused, or whose chain is: kept until it is resumed. How old the
    /// gate's answer is, no pause changes.
    pub(super) fn allowed_but_paused(&mut self, at: usize, why: Reason) {
        if let Some(reason) = self.paused_reason(at) {
            self.chain.steps[at].course.allowed = Some(why);
            self.explain(at, reason);
        }
    }

    /// Why a step starts nothing new, if so. What is planned before anything is applied is planned
    /// all the same.
    pub(super) fn paused_reason(&self, at: usize) -> Option<Reason> {
        let (id, step) = (self.chain.id, &self.chain.steps[at]);
        let (code, what, paused, resumed) = match (&self.chain.course.paused, &step.course.paused) {
            (Some(paused), _) if self.is_paused() => {
                (Code::ChainPaused, "the chain", paused, id.to_string())
            }
            (_, Some(paused)) if !self.drafts() => {
                (Code::StepPaused, "it", paused, format!("{id}/{}", step.planned.stack))
            }
            _ => return None,
        };
        let text = format!(
            "it could go on, but {what} is paused {}; `stackly resume {resumed}` lets it",
            paused.phrase(),
        );
        Some(Reason::new(code, text))
    }

    fn resume(&mut self, reason: Reason) -> Result<(), Refusal> {
        self.must_go_on()?;
        if self.chain.course.paused.take().is_none() {
            if self.wave_is_held() {
                self.let_wave_pass(reason);
                return Ok(());
            }
            return Err(refused(format!("{} is not paused", self.chain.id)));
        }
        self.pause_or_resume(ChainEvent::Resumed, reason);
        if self.chain.state != ChainState::Running {
            return Ok(());
        }
        for at in self.chain.places() {
            self.go_on(at);
        }
        self.retry_due();
        Ok(())
    }

    fn cancel_all(&mut self, order: &Order, reason: &Reason) -> Result<(), Refusal> {
        let was_unknown = self.release_unknown(None, reason);
        if was_unknown && self.chain.state.is_terminal() {
            return Ok(());
        }
        self.must_go_on()?;
        self.end_all(order.said.clone(), reason, order.force);
        Ok(())
    }

    /// A newer chain takes its place: what has not applied is ended, what applies is let finish.
    pub(super) fn superseded(&mut self, superseded: &Superseded) {
        if !self.chain.course.options.supersede {
            return;
        }
        let text = format!(
            "{}, of a newer change of {}, has all of its stacks and took its place",
            superseded.by, self.chain.change.branch
        );
        self.call_off(&Reason::new(Code::Superseded, text));
    }

    /// Nobody wants it any more: what has not applied is ended, what applies is let finish.
    pub(super) fn call_off(&mut self, why: &Reason) {
        if self.chain.state.is_terminal() || self.chain.course.canceled.is_some() {
            return;
        }
        let note = Some(why.text.clone());
        let said = Said { by: "stackly".to_owned(), note, at: self.now };
        self.end_all(said, why, false);
    }

    fn end_all(&mut self, said: Said, reason: &Reason, force: bool) {
        self.chain.course.canceled = Some(said);
        self.chain.reason = reason.clone();
        self.chain.changes.chain = true;
        for at in self.chain.places() {
            if self.chain.steps[at].state.is_idle() {
                self.withdraw(at, reason);
                self.end_step(at, StepEvent::Canceled, reason.clone());
            }
        }
        for at in self.chain.places() {
            self.cancel_run(at, reason, force);
        }
    }

    fn cancel_one(&mut self, at: usize, reason: &Reason, force: bool) -> Result<(), Refusal> {
        if self.release_unknown(Some(at), reason) {
            return Ok(());
        }
        let step = &self.chain.steps[at];
        let (stack, state) = (&step.planned.stack, step.state);
        let text = match state {
            state if state.is_terminal() => format!("{stack} has ended: it is {state}"),
            StepState::Discarding if step.reason.code != Code::PlanStale => {
                format!("the run of {stack} is being discarded already")
            }
            StepState::Applying if !force => format!(
                "{stack} applies; to stop it may leave it half done, so that needs `--force`"
            ),
            StepState::Canceling if !force => {
                format!("{stack} is being cancelled already; `--force` also stops an apply")
            }
            _ if state.is_idle() => {
                self.withdraw(at, reason);
                self.end(at, StepEvent::Canceled, reason.clone());
                return Ok(());
            }
            _ => {
                self.cancel_run(at, reason, force);
                return Ok(());
            }
        };
        Err(refused(text))
    }

    /// Ends the run of a step, or notes that it is to be ended as soon as it is known what came of
    /// the call that is under way.
    pub(super) fn cancel_run(&mut self, at: usize, why: &Reason, force: bool) {
        let step = &mut self.chain.steps[at];
        // Whoever had insisted still does.
        let force = force || step.course.cancel.as_ref().is_some_and(|known| known.force);
        let cancel = Cancel { why: why.clone(), force, applying: false };
        match step.state {
            StepState::Triggering | StepState::Confirming => {
                step.course.cancel = Some(cancel);
                let text =
                    format!("{}, as soon as Spacelift has answered the call under way", why.text);
                self.explain(at, Reason::new(why.code, text));
            }
            // Its run ends already; no other one is to follow.
            StepState::Discarding if step.reason.code == Code::PlanStale => {
                step.course.cancel = Some(cancel);
                let text = format!("{}, as soon as its old plan is discarded", why.text);
                self.explain(at, Reason::new(why.code, text));
            }
            StepState::Planning | StepState::GatingApply => self.ask_cancel(at, cancel),
            StepState::Applying if force => self.ask_cancel(at, cancel),
            StepState::Canceling if force => {
                if let Some(known) = step.course.cancel.as_mut().filter(|known| !known.force) {
                    known.force = true;
                    self.explain(at, why.clone());
                    self.call_cancel(at, why);
                }
            }
            _ => {}
        }
    }

    fn ask_cancel(&mut self, at: usize, mut cancel: Cancel) {
        let why = cancel.why.clone();
        cancel.applying |= self.chain.steps[at].state == StepState::Applying;
        self.enter(at, StepEvent::CancelAsked, why.clone());
        self.chain.steps[at].course.cancel = Some(cancel);
        self.call_cancel(at, &why);
    }

    fn call_cancel(&mut self, at: usize, why: &Reason) {
        let note = format!("Cancelled by Stackly, {}: {}", self.chain.id, why.text);
        self.call(at, CallKind::Cancel, note);
    }

    /// A step that was to be cancelled has moved: now it can be, or it is too late.
    pub(super) fn settle_cancel(&mut self, at: usize) {
        let step = &mut self.chain.steps[at];
        let Some(cancel) = step.course.cancel.clone() else { return };
        match step.state {
            StepState::Planning | StepState::GatingApply => self.ask_cancel(at, cancel),
            StepState::Applying if cancel.force => self.ask_cancel(at, cancel),
            StepState::Applying => {
                step.course.cancel = None;
                let text = format!(
                    "{}, but too late: it applies, and only `stackly cancel --force` stops that",
                    cancel.why.text
                );
                self.explain(at, Reason::new(Code::RunInFlight, text));
            }
            _ => {}
        }
    }

    /// The confirm of a step that was to be cancelled is over, and the run shows nothing new.
    pub(super) fn cancel_unconfirmed(&mut self, at: usize) {
        let step = &self.chain.steps[at];
        if let (StepState::Confirming, Some(cancel)) = (step.state, step.course.cancel.clone()) {
            self.ask_cancel(at, cancel);
        }
    }

    /// Its run was never asked for, and is not wanted any more.
    pub(super) fn forgo(&mut self, at: usize) {
        let cancel = self.chain.steps[at].course.cancel.as_ref();
        let nobody = || Reason::new(Code::StepCanceled, "canceled");
        let why = cancel.map_or_else(nobody, |cancel| cancel.why.clone());
        // What was in its way would go on.
        self.withdraw(at, &why);
        self.end(at, StepEvent::CallForgone, why);
    }
}
