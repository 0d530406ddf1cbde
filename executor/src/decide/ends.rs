//! Ends: of a step, of everything below a failure, of a chain.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, Reason,
    chain::{ChainFinished, ChainKind, ChainState, OnFailure},
    step::{StepFinished, StepRetrying, StepState},
};

use super::Moves;
use crate::{
    chain::Chain,
    machine::{ChainEvent, StepEvent},
    retry::Class,
    step::Step,
};

impl Moves<'_> {
    /// Ends a step: its children start, or its whole downstream cone never does.
    pub(super) fn end(&mut self, at: usize, event: StepEvent, reason: Reason) {
        self.end_step(at, event, reason);
        let state = self.chain.steps[at].state;
        if state == StepState::Finished {
            self.read_outputs(at);
            return self.go_on_below(at);
        }
        self.skip_below(at);
        if self.chain.course.options.on_failure == OnFailure::Stop {
            self.stop_the_rest(at);
        }
    }

    /// The chain stops at its first failure: what has no run yet gets none, also if one is being asked
    /// for and that has to wait.
    fn stop_the_rest(&mut self, failed: usize) {
        let (stack, state) = (self.chain.stack(failed), self.chain.steps[failed].state);
        let text = format!("{stack} ended as {state}, and this chain stops at its first failure");
        let reason = Reason::new(Code::ChainStopped, text);
        self.chain.course.stopped.get_or_insert(reason);
        self.chain.changes.chain = true;
        let mut stopped = Vec::new();
        for at in self.chain.places() {
            let Some(reason) = self.stopped(at) else { continue };
            if self.chain.steps[at].state.is_idle() {
                self.withdraw(at, &reason);
                self.end_step(at, StepEvent::ChainStopped, reason);
                stopped.push(at);
            } else if self.chain.steps[at].state == StepState::Triggering {
                self.chain.steps[at].course.withheld = true;
                self.touch(at);
            }
        }
        for at in stopped {
            self.skip_below(at);
        }
    }

    /// Why a step begins no new run, if so, because its chain has stopped. What is there for failures
    /// has only now something to do.
    pub(super) fn stopped(&self, at: usize) -> Option<Reason> {
        let stopped = self.chain.course.stopped.as_ref();
        stopped.filter(|_| self.chain.conditions(at).is_usual()).cloned()
    }

    /// Whether a step may have another run by itself, if this one comes to nothing.
    pub(super) fn may_begin_again(&self, at: usize) -> bool {
        self.chain.course.canceled.is_none()
            && self.chain.steps[at].course.cancel.is_none()
            && self.stopped(at).is_none()
    }

    /// Ends one step and nothing else.
    pub(super) fn end_step(&mut self, at: usize, event: StepEvent, reason: Reason) {
        self.enter(at, event, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepFinished { chain: self.chain.id, step: summary });
        if self.chain.steps[at].state == StepState::Finished {
            self.call_hooks_after_run(at);
        }
    }

    /// A step failed: it is tried again later if that may help, and ends otherwise. Spacelift's own
    /// words say so; what we say around them names stacks that may be called anything.
    pub(super) fn fail(&mut self, at: usize, event: StepEvent, reason: Reason, words: &str) {
        let step = &self.chain.steps[at];
        if !matches!(reason.code, Code::RunFailed | Code::SpaceliftRefused) {
            return self.end(at, event, reason);
        }
        if step.course.failed.is_some() {
            // Told once more, while its log is being read.
            return;
        }
        match Class::of(words) {
            Class::Code if self.reads_log(at, event) => self.read_log(at, reason),
            class => self.fail_by(at, event, class, reason),
        }
    }

    /// A step failed by something of this class.
    pub(super) fn fail_by(&mut self, at: usize, event: StepEvent, class: Class, reason: Reason) {
        let step = &self.chain.steps[at];
        let limit = self.chain.retries.of(class);
        let (attempt, most) = (step.course.tries(), limit.attempts(&step.planned.labels));
        let wanted = step.state != StepState::Discarding && self.may_begin_again(at);
        if !wanted || attempt >= most {
            let code = if class == Class::Code { reason.code } else { class.code() };
            let reason = Reason::new(code, reason.text);
            return match self.can_be_planned_later(at) {
                true => self.draft_failed(at, reason),
                false => self.end(at, event, reason),
            };
        }
        let wait = TimeDelta::from_std(limit.wait(attempt)).unwrap_or(TimeDelta::MAX);
        let due = self.now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut text = format!(
            "{}: {}; attempt {} of {most} begins {}",
            reason.text,
            class.phrase(),
            attempt + 1,
            due.format("at %H:%M:%S UTC"),
        );
        // As long as everything is being planned, nothing is tried again by order.
        if !self.drafts() {
            let now =
                format!(", or now by `stackly retry {}/{}`", self.chain.id, self.chain.stack(at));
            text.push_str(&now);
        }
        self.enter(at, StepEvent::RetryPlanned, Reason::new(Code::RetryPending, text));
        self.chain.steps[at].course.retry_at = Some(due);
        if !self.drafts() {
            let summary = self.chain.steps[at].summary();
            self.send(&StepRetrying { chain: self.chain.id, step: summary });
        }
    }

    /// Whether a plan was discarded only because it was too old.
    pub(super) fn is_to_be_planned_anew(&self, at: usize, reason: &Reason) -> bool {
        reason.code == Code::PlanStale && self.may_begin_again(at)
    }

    /// The plan was too old to be applied: the step makes another one, as another attempt. Nothing has
    /// failed, so that failures may have as many attempts as before.
    pub(super) fn plan_anew(&mut self, at: usize, reason: &Reason) {
        self.enter(at, StepEvent::RetryPlanned, reason.clone());
        let course = &mut self.chain.steps[at].course;
        course.retry_at = Some(self.now);
        course.began_with += 1;
    }

    /// Begins the attempts whose time has come.
    pub(super) fn retry_due(&mut self) {
        if !matches!(self.chain.state, ChainState::Running | ChainState::Planning) {
            return;
        }
        for at in self.chain.places() {
            let is_paused = self.paused_reason(at).is_some();
            let step = &mut self.chain.steps[at];
            let is_due = !is_paused && step.course.retry_at.is_some_and(|due| due <= self.now);
            if step.state == StepState::Retrying && is_due {
                step.begin_again();
                self.gate_plan(at);
            }
        }
    }

    /// Ends a step whose run or stack is gone: badly, and if it may have applied, as something
    /// only a person can find out.
    pub(super) fn lose(&mut self, at: usize, reason: Reason) {
        let step = &self.chain.steps[at];
        if !step.may_have_applied(self.applies_by_itself(at)) {
            return self.end(at, StepEvent::Lost, reason);
        }
        let seen = step.run.as_ref().map(|run| format!(" (last seen {})", run.state));
        let what = format!("the apply was under way{}", seen.unwrap_or_default());
        self.lose_applying(at, &what, reason);
    }

    /// The same of a step whose run may have been made all the same, and would apply by itself.
    pub(super) fn lose_unseen(&mut self, at: usize, reason: Reason) {
        if !self.applies_by_itself(at) {
            return self.end(at, StepEvent::Lost, reason);
        }
        self.lose_applying(
            at,
            "a run may have been made all the same, which applies by itself",
            reason,
        );
    }

    /// Whether a run of the step goes on to its apply without anybody, as it is run at present.
    fn applies_by_itself(&self, at: usize) -> bool {
        let applies =
            self.chain.steps[at].planned.autodeploy || self.chain.course.action.destroys();
        applies && self.chain.runs_as() == ChainKind::Deploy
    }

    fn lose_applying(&mut self, at: usize, what: &str, reason: Reason) {
        let stack = self.chain.stack(at);
        let here = format!("{}/{stack}", self.chain.id);
        let text = format!(
            "{}; {what}, so a person must look at what {stack} manages: \
             `stackly retry {here} --force` then runs it again, `stackly cancel {here}` leaves it \
             as it is, and until then nothing else runs there",
            reason.text,
        );
        self.end(at, StepEvent::LostApplying, Reason::new(reason.code, text));
    }

    /// A chain ends with its last step.
    pub(super) fn finish_chain(&mut self) {
        let ended = |step: &Step| step.state.is_terminal();
        if self.chain.state.is_terminal() || !self.chain.steps.iter().all(ended) {
            return;
        }
        let (event, reason) = outcome(self.chain);
        self.chain.ended_at = Some(self.now);
        self.chain_enters(event, reason.clone());
        let state = self.chain.state;
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

fn outcome(chain: &Chain) -> (ChainEvent, Reason) {
    let is_denied = chain.steps.iter().any(|step| step.state == StepState::Denied);
    if chain.state == ChainState::Gating && is_denied {
        return (ChainEvent::Denied, chain.reason.clone());
    }
    let bad: Vec<&Step> =
        chain.steps.iter().filter(|step| step.state != StepState::Finished).collect();
    // What a person must look at comes first, and a step that was merely skipped last.
    let weight = |step: &&&Step| match step.state {
        StepState::Unknown => 0,
        StepState::Canceled => 2,
        StepState::Skipped => 3,
        _ => 1,
    };
    let Some(first) = bad.iter().min_by_key(weight) else {
        let ended_by = |code| chain.steps.iter().filter(|step| step.reason.code == code).count();
        let text = match chain.steps.len() {
            1 => "its one step ended well".to_owned(),
            all => format!("all {all} steps ended well"),
        };
        let text = match ended_by(Code::InputsUnchanged) {
            0 => text,
            count => format!("{text}, {count} of them because nothing they read has changed"),
        };
        let text = match ended_by(Code::RunShared) {
            0 => text,
            count => format!("{text}, {count} of them by runs of other chains"),
        };
        return (ChainEvent::AllWell, Reason::new(Code::Done, text));
    };
    let (stack, why) = (&first.planned.stack, &first.reason.text);
    let text = match chain.steps.len() {
        1 => format!("{stack} did not end well: {why}"),
        all => format!("{} of {all} steps did not end well; first {stack}: {why}", bad.len()),
    };
    let event = match first.state {
        StepState::Canceled => ChainEvent::Canceled,
        _ => ChainEvent::SomeBad,
    };
    (event, Reason::new(first.reason.code, text))
}
