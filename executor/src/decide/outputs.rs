//! Outputs: a step that only follows need not run if what it reads of those before it, which have
//! applied, is as it was.
//!
//! Right before an apply is confirmed its stack is ours, so what is read then is what the followers
//! have; after the apply it is read again. Nobody waits for that but who may be spared by it.

use std::collections::BTreeSet;

use contracts::{Code, Reason, step::StepState};

use super::Moves;
use crate::{
    call::{Call, CallKind},
    machine::StepEvent,
    outputs::{Digests, EVERY, Outputs},
};

/// Whether a step must run, as far as what it reads is concerned.
pub(super) enum Need {
    /// It runs.
    Runs,
    /// That is not known yet.
    Waits(Reason),
    /// Nothing it reads has changed.
    Spared(Reason),
}

impl Moves<'_> {
    /// The plan of a step is confirmed; where an earlier plan of its run was, and that call is not
    /// through, once it is.
    pub(super) fn confirm(&mut self, at: usize, why: &Reason) {
        let step = &mut self.chain.steps[at];
        if step.course.confirms {
            step.course.allowed = Some(why.clone());
            self.waits_though_passed(at);
            let text = format!(
                "{}; the call to confirm an earlier plan of the run is not through yet, and this one \
                 follows by itself",
                why.text
            );
            return self.explain(at, Reason::new(why.code, text));
        }
        step.course.confirms = true;
        let shown_at = Some(step.since);
        let reason = Reason::new(why.code, format!("the apply is being confirmed: {}", why.text));
        self.enter(at, StepEvent::ApplyAllowed, reason);
        self.waits_on(at);
        let note = format!("Confirmed by Stackly, {}: {}", self.chain.id, why.text);
        let outputs = self.outputs_in_question(at);
        self.chain.steps[at].course.outputs = (!outputs.is_empty()).then_some(Outputs::Asked);
        let call = self.new_call(at, CallKind::Confirm, note);
        self.make(at, &Call { outputs, shown_at, ..call });
    }

    /// The outputs of a step that decide whether others run. What an earlier attempt did to them,
    /// nobody can tell.
    fn outputs_in_question(&self, at: usize) -> BTreeSet<String> {
        let chain = &*self.chain;
        if !chain.course.action.is_deliver() || chain.steps[at].course.attempt > 1 {
            return BTreeSet::new();
        }
        let is_open = |child: usize| {
            let mut parents = chain.shape.parents(child).iter();
            let runs = |&parent: &usize| self.changed_nothing_for(child, parent) == Some(false);
            let has_ended = |parent: usize| chain.steps[parent].state.is_terminal();
            self.is_settled_follower(child)
                && !parents.any(|parent| has_ended(*parent) && runs(parent))
        };
        let children = chain.shape.children(at).iter();
        children
            .filter(|&&child| !chain.shape.native_parents(child).contains(&at) && is_open(child))
            .filter_map(|&child| chain.reads(child, at))
            .flatten()
            .collect()
    }

    /// The confirm is over: now it is known how the outputs were before, or never will be.
    pub(super) fn outputs_known_before(&mut self, at: usize, before: Option<&Digests>) {
        let step = &mut self.chain.steps[at];
        if step.course.outputs != Some(Outputs::Asked) {
            return;
        }
        let before = before.filter(|before| !before.is_empty());
        step.course.outputs = before.cloned().map(Outputs::Before);
        let has_ended = step.state == StepState::Finished;
        self.touch(at);
        if has_ended {
            self.read_outputs(at);
            self.go_on_below(at);
        }
    }

    /// It applied and ended well: its outputs are read again.
    pub(super) fn read_outputs(&mut self, at: usize) {
        let Some(Outputs::Before(before)) = &self.chain.steps[at].course.outputs else { return };
        let before = before.clone();
        let call = self.new_call(at, CallKind::ReadOutputs, String::new());
        self.make(at, &Call { outputs: before.names(), outputs_before: before, ..call });
    }

    /// Its outputs were read again: whoever waited for that runs, or need not.
    pub(super) fn outputs_read(&mut self, at: usize, kept: &BTreeSet<String>) {
        let step = &mut self.chain.steps[at];
        if matches!(step.course.outputs, Some(Outputs::Before(_))) {
            step.course.outputs = Some(Outputs::Kept(kept.clone()));
            self.touch(at);
        }
        // An older build may have forgotten what was known; then whoever waits runs.
        if self.chain.steps[at].state == StepState::Finished {
            self.go_on_below(at);
        }
    }

    /// Whether a parent has surely changed nothing that a step reads; none as long as its outputs
    /// are being read.
    pub(super) fn changed_nothing_for(&self, at: usize, parent: usize) -> Option<bool> {
        let step = &self.chain.steps[parent];
        let outputs = match &step.course.outputs {
            _ if step.state != StepState::Finished => return Some(false),
            _ if step.course.unchanged => return Some(true),
            None => return Some(false),
            Some(outputs) => outputs,
        };
        let Some(read) = self.chain.reads(at, parent) else { return Some(false) };
        match outputs {
            Outputs::Kept(kept) => Some(read.is_subset(kept)),
            Outputs::Asked | Outputs::Before(_) => None,
        }
    }

    /// Whether a step must run. Spacelift judges by itself what its own dependencies hand over; there
    /// its word is awaited.
    pub(super) fn need(&self, at: usize) -> Need {
        let parents = self.chain.shape.parents(at);
        let is_ours = self.chain.shape.native_parents(at).is_empty() && !parents.is_empty();
        if !is_ours || !self.is_settled_follower(at) {
            return Need::Runs;
        }
        let stack = self.chain.stack(at);
        let mut open = Vec::new();
        for &parent in parents {
            match self.changed_nothing_for(at, parent) {
                Some(true) => {}
                Some(false) => return Need::Runs,
                None => open.push(self.chain.stack(parent).as_str()),
            }
        }
        if !open.is_empty() {
            let text = format!(
                "the outputs of {} are being read: {stack} runs only if what it reads of them has \
                 changed",
                open.join(", ")
            );
            return Need::Waits(Reason::new(Code::ReadingOutputs, text));
        }
        let why: Vec<String> = parents.iter().map(|&parent| self.spares(at, parent)).collect();
        let text = format!(
            "not run: {}, and its last run ended well; `stackly retry {}/{stack}` runs it all the \
             same",
            why.join(", "),
            self.chain.id,
        );
        Need::Spared(Reason::new(Code::InputsUnchanged, text))
    }

    /// Why a step need not run because of this parent.
    fn spares(&self, at: usize, parent: usize) -> String {
        let (stack, above) = (self.chain.stack(at), self.chain.stack(parent));
        if self.chain.steps[parent].course.unchanged {
            return format!("{above} changed nothing that {stack} could read");
        }
        let read = self.chain.reads(at, parent).unwrap_or_default();
        let named = match read.contains(EVERY) {
            true => "all of them".to_owned(),
            false => read.into_iter().collect::<Vec<_>>().join(", "),
        };
        format!("{above} applied, but the outputs of it that {stack} reads did not change: {named}")
    }
}
