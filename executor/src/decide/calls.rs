//! Calls: the intents of what is asked of Spacelift, and what comes of them.

use std::collections::BTreeSet;

use contracts::{Code, RunId, chain::ChainKind, plain, step::StepState};
use store::Effect;
use uuid::Uuid;

use super::Moves;
use crate::{
    call::{Call, CallKind, refusal},
    input::{CallResult, Concluded},
    machine::StepEvent,
    outputs::Digests,
};

/// Whether a step in this state waits for a call of this kind.
fn waits_for(state: StepState, kind: CallKind) -> bool {
    matches!(
        (state, kind),
        (StepState::Triggering, CallKind::Trigger)
            | (StepState::Confirming, CallKind::Confirm)
            | (StepState::Discarding, CallKind::Discard)
    )
}

impl Moves<'_> {
    /// The intent of a call: one row per logical effect, at most one in flight per stack.
    pub(super) fn call(&mut self, at: usize, kind: CallKind, note: String) {
        let call = self.new_call(at, kind, note);
        self.make(at, &call);
    }

    pub(super) fn make(&mut self, at: usize, call: &Call) {
        let kind = call.call;
        let step = &self.chain.steps[at];
        let gate = step.gate.map(|gate| gate.id.to_string()).unwrap_or_default();
        let mut name = format!("{}/{}/{gate}", call.stack, kind.as_str());
        if let (CallKind::Trigger | CallKind::Cancel | CallKind::ReadLog, Some(run)) =
            (kind, &step.run)
        {
            // For a trigger: the one it is asked for instead.
            name = format!("{name}/{}{}", run.id, if call.force { "/force" } else { "" });
        }
        let again = step.course.passed.as_ref().map_or(0, |passed| passed.again);
        if let (CallKind::Trigger | CallKind::Confirm, 1..) = (kind, again) {
            // One that was held up is over, and was not made.
            name = format!("{name}/again/{again}");
        }
        if kind == CallKind::Withdraw {
            // Each time something above it ends badly, Spacelift may have made another run here; and one
            // decision may be about several.
            let run = |run: &Option<RunId>| run.as_ref().map_or("-", RunId::as_str).to_owned();
            name = format!("{name}/{}/{}/{}", self.cause, run(&call.before), run(&call.after));
        }
        let (chain, stack) = (self.chain.id, &call.stack);
        let lane = match (kind, self.chain.runs_as()) {
            (CallKind::Trigger | CallKind::Confirm, ChainKind::Preview) => {
                format!("preview/{chain}/{stack}")
            }
            (CallKind::Trigger | CallKind::Confirm, ChainKind::Deploy) => format!("stack/{stack}"),
            // It changes nothing, or ends one run or one plan, and to ask twice does no harm: it keeps
            // nobody from the stack, and nothing that was asked before keeps it.
            _ => format!("{}/{chain}/{name}", kind.as_str()),
        };
        let id = Uuid::new_v5(&chain.0, name.as_bytes());
        if self.decision.effects.iter().any(|effect| effect.id == id) {
            return;
        }
        self.decision.effect(Effect {
            id,
            key: chain.0,
            lane,
            kind: kind.as_str(),
            body: plain(call),
            correlation: self.chain.correlation,
            trace: self.chain.trace.clone().filter(|_| self.foreign),
        });
    }

    pub(super) fn new_call(&self, at: usize, call: CallKind, note: String) -> Call {
        let step = &self.chain.steps[at];
        let run = step.run.as_ref().filter(|_| call != CallKind::Trigger);
        Call {
            call,
            chain: self.chain.id,
            stack: step.planned.stack.clone(),
            commit: self.chain.commit(at),
            touched: step.planned.why.code == Code::Touched,
            preview: self.chain.runs_as() == ChainKind::Preview,
            destroy: self.chain.course.action.destroys(),
            run: run.map(|run| run.id.clone()),
            plan_version: run.map(|run| run.version),
            note,
            native_parents: self.chain.native_parents(at),
            parent_runs: self.chain.native_parent_runs(at),
            past_runs: step.course.past_runs.clone(),
            carried: match call {
                CallKind::Trigger => self.chain.carried(at),
                _ => Vec::new(),
            },
            shown_at: None,
            instead_of: None,
            before: None,
            after: None,
            is_early: false,
            not_before: match call {
                CallKind::Trigger => self.chain.parents_ended_at(at),
                _ => None,
            },
            outputs: BTreeSet::new(),
            outputs_before: Digests::default(),
            until: (call == CallKind::Withdraw).then_some(self.now),
            spared: call == CallKind::Trigger && self.is_spared_by_spacelift(at),
            force: call == CallKind::Cancel
                && step.course.cancel.as_ref().is_some_and(|cancel| cancel.force),
            good_until: self.good_until(at, call),
            since: self.chain.course.taken_up_at.unwrap_or(self.chain.began_at),
        }
    }

    /// The way is free for the confirm of a newer plan, if that was allowed meanwhile.
    fn go_on_after_confirm(&mut self, at: usize) {
        if self.chain.steps[at].state == StepState::GatingApply {
            self.go_on(at);
        }
    }

    /// A call is over. What it was about may have gone on without us; then its reports decide.
    pub(super) fn call_concluded(&mut self, concluded: &Concluded) {
        let Some(at) = self.chain.place(&concluded.stack) else { return };
        if let CallResult::Plan(read) = &concluded.result {
            return self.plan_read(at, concluded.run.as_ref(), read);
        }
        if let CallResult::Outputs(kept) = &concluded.result {
            return self.outputs_read(at, kept);
        }
        if let CallResult::Log(finding) = &concluded.result {
            return self.log_read(at, concluded.run.as_ref(), finding.as_ref());
        }
        if self.chain.runs_as() == ChainKind::Deploy {
            self.chain.changes.freed.insert(concluded.stack.clone());
        }
        let step = &self.chain.steps[at];
        let state = step.state;
        // It was about the run of an earlier attempt, and kept the stack until now.
        let past = concluded.run.as_ref().is_some_and(|run| step.course.past_runs.contains(run));
        if past && concluded.call != CallKind::Withdraw {
            return;
        }
        match &concluded.result {
            CallResult::Confirmed(_, before) => self.outputs_known_before(at, Some(before)),
            _ if concluded.call == CallKind::Confirm => self.outputs_known_before(at, None),
            _ => {}
        }
        if concluded.call == CallKind::Confirm {
            self.chain.steps[at].course.confirms = false;
            self.touch(at);
        }
        match (&concluded.result, concluded.call) {
            (CallResult::Run(seen), CallKind::Withdraw) => self.withdrawn(at, &seen.report),
            (CallResult::Run(seen), CallKind::Trigger) if state == StepState::Triggering => {
                self.run_exists(at, seen);
            }
            (CallResult::TooEarly(seen), CallKind::Trigger) if state == StepState::Triggering => {
                self.ran_too_early(at, seen);
            }
            (CallResult::Run(seen) | CallResult::Confirmed(seen, _), _) => self.hear(at, seen),
            (_, CallKind::Withdraw) => {}
            (CallResult::Forgone, CallKind::Trigger) if state == StepState::Triggering => {
                self.forgo(at);
            }
            (CallResult::HeldUp, kind) if waits_for(state, kind) => self.held_up(at, kind),
            (CallResult::Refused(reason), kind) if waits_for(state, kind) => {
                let ours = refusal(kind, &concluded.stack);
                let words = reason.text.strip_prefix(&ours).unwrap_or(&reason.text);
                self.fail(at, StepEvent::CallRefused, reason.clone(), words);
            }
            (CallResult::Gone(reason), _) if state.holds_stack() => self.lose(at, reason.clone()),
            (CallResult::GoneUnseen(reason), CallKind::Trigger)
                if state == StepState::Triggering =>
            {
                self.lose_unseen(at, reason.clone());
            }
            _ => {}
        }
        // Until now the confirm might still have come to an end of its own.
        if concluded.call == CallKind::Confirm {
            self.cancel_unconfirmed(at);
            self.go_on_after_confirm(at);
        }
    }
}
