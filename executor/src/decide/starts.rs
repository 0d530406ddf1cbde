//! Starts: whether a step that waits may start, need not run, or never will.

use contracts::{Code, Reason, step::StepState};

use super::{Moves, outputs::Need};
use crate::machine::StepEvent;

impl Moves<'_> {
    /// What waits starts, or says for what it waits now.
    pub(super) fn start_everything(&mut self) {
        for at in self.chain.places() {
            if self.start_if_ready(at) {
                self.go_on_below(at);
            }
        }
    }

    /// A step ended well: what waited for it goes on. There is no barrier between levels.
    pub(super) fn go_on_below(&mut self, at: usize) {
        let mut ended = vec![at];
        while let Some(at) = ended.pop() {
            for child in self.chain.shape.children(at).to_vec() {
                if self.start_if_ready(child) {
                    ended.push(child);
                }
            }
        }
    }

    /// A step with enough parents that ended well asks for its plan, unless it waits for a wave; or
    /// it need not run at all: then it has ended well, too, and the answer is yes.
    #[must_use = "what waits for a step that need not run goes on"]
    pub(super) fn start_if_ready(&mut self, at: usize) -> bool {
        // Before its chain is let begin, nothing starts, whatever is cancelled meanwhile.
        if self.chain.steps[at].state != StepState::Waiting || !self.is_under_way() {
            return false;
        }
        if let Some(label) = self.chain.conditions(at).unread.map(str::to_owned) {
            self.end_as_unread(at, &label);
            return false;
        }
        let standing = self.chain.standing(at);
        if self.chain.never_starts(at) {
            self.skip_unmet(at);
            self.skip_below(at);
            return false;
        }
        if !standing.can_be_met() {
            self.end_as_unneeded(at);
            return true;
        }
        let reason = match (standing.is_met(), self.paused_reason(at)) {
            (true, None) => match (self.need(at), self.waits_for_wave(at)) {
                (Need::Spared(reason), _) => {
                    self.chain.steps[at].course.unchanged = true;
                    self.end_step(at, StepEvent::NothingChanged, reason);
                    return true;
                }
                (Need::Waits(reason), _) | (Need::Runs, Some(reason)) => reason,
                (Need::Runs, None) => {
                    self.gate_plan(at);
                    return false;
                }
            },
            (true, Some(paused)) => paused,
            (false, _) => self.waits_for_parents(at),
        };
        if self.chain.steps[at].reason != reason {
            self.explain(at, reason);
        }
        false
    }

    /// A step that runs only if its parents end in a certain way, and they did not.
    fn end_as_unneeded(&mut self, at: usize) {
        let unmet = self.chain.unmet_parents(at);
        let unmet = unmet.map(|it| format!("{} ended as {}", it.planned.stack, it.state));
        let absent = self.chain.absent(at).into_iter().map(|name| match name {
            "" => "nothing it depends on is in this chain".to_owned(),
            name => format!("nothing it depends on in this chain is called `{name}`"),
        });
        let unmet: Vec<String> = unmet.chain(absent).collect();
        let text = format!("not needed: it runs only if a step fails, and {}", unmet.join(", "));
        let course = &mut self.chain.steps[at].course;
        // An earlier attempt may have applied something before it failed.
        course.unchanged = course.past_runs.is_empty();
        let reason = Reason::new(Code::ConditionUnmet, text);
        self.end_step(at, StepEvent::ConditionUnmet, reason);
    }

    /// Nobody knows when a step is to run: to run it as if everything before it must end well may be
    /// what it must not do.
    fn end_as_unread(&mut self, at: usize, label: &str) {
        let text = format!(
            "`{label}` says neither `failure`, `always` nor `success`, so it is not known how what \
             {} depends on must end: correct the label and push again",
            self.chain.stack(at)
        );
        self.end(at, StepEvent::ConditionUnread, Reason::new(Code::ConditionUnread, text));
    }

    fn waits_for_parents(&self, at: usize) -> Reason {
        let names: Vec<&str> = self.chain.open_parents(at).map(|stack| stack.as_str()).collect();
        let text = format!("waits for {}", names.join(", "));
        let text = match self.chain.standing(at).phrase() {
            Some(phrase) => format!("{text}: {phrase}"),
            None => text,
        };
        Reason::new(Code::WaitingForParents, text)
    }

    /// Below a step that ended badly, what can no more have enough parents never runs.
    pub(super) fn skip_below(&mut self, at: usize) {
        let text = format!(
            "{}, which it depends on, ended as {}",
            self.chain.stack(at),
            self.chain.steps[at].state
        );
        for below in self.chain.shape.cone_below(at) {
            if self.chain.steps[below].state != StepState::Waiting {
                continue;
            }
            if !self.chain.never_starts(below) {
                // What waits for it is below, too, and comes after it.
                let _ = self.start_if_ready(below);
                continue;
            }
            self.skip(below, text.clone());
        }
    }

    /// A step that waits, and whose parents had ended too badly for it before it began to.
    pub(super) fn skip_unmet(&mut self, at: usize) {
        let unmet = self.chain.unmet_parents(at);
        let unmet = unmet.map(|it| format!("{} ended as {}", it.planned.stack, it.state));
        let text = format!("of what it depends on, {}", unmet.collect::<Vec<_>>().join(", "));
        self.skip(at, text);
    }

    fn skip(&mut self, at: usize, text: String) {
        let text = match self.chain.standing(at).phrase() {
            Some(phrase) => format!("{text}: {phrase}"),
            None => text,
        };
        let reason = Reason::new(Code::ParentFailed, text);
        self.withdraw(at, &reason);
        self.end_step(at, StepEvent::ParentEndedBadly, reason);
    }

    /// A step that only follows others, had ended well when it ran last, and is owed nothing since.
    pub(super) fn is_settled_follower(&self, at: usize) -> bool {
        let stack = self.chain.stack(at);
        self.chain.only_follows(at) && self.chain.course.settled.contains(stack)
    }

    /// Whether a step need not run if Spacelift finds that what it hands over has not changed:
    /// nothing else that the step reads has, either.
    pub(super) fn is_spared_by_spacelift(&self, at: usize) -> bool {
        let natives = self.chain.shape.native_parents(at);
        let mut others = self.chain.shape.parents(at).iter().filter(|it| !natives.contains(it));
        self.is_settled_follower(at)
            && self.chain.carried(at).is_empty()
            && others.all(|&parent| self.changed_nothing_for(at, parent) == Some(true))
    }
}
