//! Calls: when they may be made, what they do, and what comes of them.

use contracts::{chain::ChainState, gate::PlannedChange, run::RunState};

use super::{Action, LANE_TAKEN, Open, Run, Step, World, world_time};
use crate::{
    call::{Call, CallKind},
    input::{CallResult, Concluded, Input, PlanRead},
    outputs::Digests,
};

impl World {
    pub(super) fn of_call(&self, at: usize, open: &Open) -> Vec<Action> {
        let bounds = &self.bounds;
        if !open.done {
            let is_asked_about = matches!(open.call.call, CallKind::Trigger | CallKind::Confirm);
            if open.late && !bounds.patient {
                return vec![Action::HoldUp(at)];
            }
            let mut actions = vec![Action::Perform(at)];
            if bounds.waits > 0 && is_asked_about {
                actions.push(Action::HoldUp(at));
            }
            if !bounds.plain && open.call.call == CallKind::Trigger {
                actions.push(Action::Refuse(at));
            }
            if self.is_unwanted(open) {
                actions.push(Action::Forgo(at));
            } else if is_asked_about && self.is_paused(open) {
                actions.push(Action::HoldBack(at));
            }
            return actions;
        }
        let mut actions = Vec::new();
        if self.is_over(open) && !bounds.forgetful {
            actions.push(Action::Conclude(at, false));
            if open.call.call == CallKind::Trigger && !bounds.narrow {
                actions.push(Action::Conclude(at, true));
            }
            // The plan may be another than the one that was allowed; a log may say something else; and
            // outputs may be as they were.
            let call = open.call.call;
            if matches!(call, CallKind::ReadLog | CallKind::ReadOutputs)
                || (call == CallKind::ReadPlan && !open.call.preview)
            {
                actions.push(Action::Conclude(at, true));
            }
        }
        // Whoever takes it over looks first, and finds what is there; a cancel goes on until the
        // run has ended.
        if bounds.blind || !self.is_over(open) {
            actions.push(Action::Perform(at));
        }
        actions
    }

    pub(super) fn is_unwanted(&self, open: &Open) -> bool {
        let asked = |step: &&crate::Step| step.planned.stack == open.call.stack;
        let step = self.chain().steps.iter().find(asked).expect("it is a step of ours");
        let kind = matches!(open.call.call, CallKind::Trigger | CallKind::Confirm);
        kind && step.course.cancel.is_some()
    }

    pub(super) fn is_paused(&self, open: &Open) -> bool {
        let chain = self.chain();
        let asked = |step: &&crate::Step| step.planned.stack == open.call.stack;
        let is_one = chain.steps.iter().find(asked).is_some_and(|it| it.course.paused.is_some());
        chain.state == ChainState::Paused || (is_one && chain.state != ChainState::Planning)
    }

    pub(super) fn is_over(&self, open: &Open) -> bool {
        if open.call.call != CallKind::Cancel {
            return true;
        }
        let state = self.of(open).states.last().expect("it was made in a state");
        state.is_terminal() || (state.is_applying() && !open.call.force)
    }

    /// The run a call is about.
    pub(super) fn of(&self, open: &Open) -> &Run {
        let ours = |run: &&Run| match &open.call.run {
            Some(id) => run.id == *id,
            None => run.mark == Some(open.effect),
        };
        self.runs.iter().find(ours).expect("it took effect")
    }

    pub(super) fn read(&mut self, at: usize, call: &Call, differs: bool) -> Step {
        let change = |address: &str| PlannedChange {
            address: address.to_owned(),
            resource_type: "aws_subnet".to_owned(),
            action: "added".to_owned(),
            stack: None,
        };
        let changes = Some(vec![change(if differs { "other" } else { "same" })]);
        let (run, version) = (call.run.clone(), call.plan_version);
        if let (Some(run), Some(version), false) = (run, version, differs || call.preview) {
            self.same.push((run, version));
        }
        self.conclude(at, CallResult::Plan(PlanRead { version, changes, more: 0, unread: None }))
    }

    pub(super) fn outputs_read(&mut self, at: usize, call: &Call, differ: bool) -> Step {
        let now = outputs(call, if differ { "after" } else { "before" });
        let kept = call.outputs_before.kept(&now);
        if !kept.is_empty() {
            self.kept.push(call.stack.clone());
        }
        self.conclude(at, CallResult::Outputs(kept))
    }

    pub(super) fn perform(&mut self, at: usize) -> Step {
        let open = self.open[at].clone();
        if open.late && !open.done {
            return Err(format!("{} is called though the yes is too old", open.call.stack));
        }
        let applied = self.applied(&open.call.stack);
        match open.call.call {
            CallKind::Trigger => self.trigger(&open)?,
            CallKind::Confirm | CallKind::Discard => self.act_on_plan(&open)?,
            CallKind::Cancel => self.end_run(&open)?,
            CallKind::Withdraw => self.withdraw(&open),
            CallKind::ReadPlan | CallKind::ReadOutputs | CallKind::ReadLog => {}
        }
        if open.call.call == CallKind::Confirm {
            let applies = |world: &Self| world.of(&open).states.last() == Some(&RunState::Applying);
            // Whoever takes it over finds it done.
            self.open[at].before =
                !open.done && !open.call.outputs.is_empty() && !applied && applies(self);
        }
        self.open[at].done = true;
        Ok(())
    }

    pub(super) fn act_on_plan(&mut self, open: &Open) -> Step {
        let run = open.call.run.as_ref().expect("it is about a run");
        let place = self.runs.iter().position(|it| it.id == *run).expect("it is there");
        let version = i64::try_from(self.runs[place].states.len() - 1).expect("it is small");
        let waits = self.runs[place].states.last() == Some(&RunState::Unconfirmed);
        let is_other = open.call.plan_version != Some(version) && !self.bounds.rash;
        if !waits || is_other {
            return Ok(());
        }
        match open.call.call {
            CallKind::Confirm => self.enter(place, RunState::Applying, "confirmed"),
            _ => self.enter(place, RunState::Discarded, "discarded"),
        }
    }

    /// It has to wait, and so has everything else that was allowed and not done; what waited too long
    /// is given up.
    pub(super) fn hold_up(&mut self, at: usize) -> Step {
        if self.open[at].late {
            return self.conclude(at, CallResult::HeldUp);
        }
        self.bounds.waits -= 1;
        self.days += 1;
        let now = world_time(self.days);
        for open in self.open.iter_mut().filter(|open| !open.done) {
            open.late = open.call.good_until.is_some_and(|until| until <= now);
        }
        Ok(())
    }

    pub(super) fn conclude(&mut self, at: usize, result: CallResult) -> Step {
        // Closed in the transaction that decides upon the result.
        let before = self.clone();
        let Open { call, .. } = self.open.remove(at);
        let concluded = Concluded {
            chain: call.chain,
            stack: call.stack,
            call: call.call,
            run: call.run,
            result,
        };
        let done = self.tell(Input::Concluded(concluded));
        if matches!(&done, Err(text) if text == LANE_TAKEN) {
            *self = before;
            return Ok(());
        }
        done
    }
}

/// What a stack shows of the outputs that others read.
pub(super) fn outputs(call: &Call, value: &str) -> Digests {
    let shown = |name: &String| spacelift::Output {
        name: name.clone(),
        sensitive: false,
        value: Some(value.to_owned().into()),
    };
    let shown: Vec<_> = call.outputs.iter().map(shown).collect();
    Digests::of(call.chain, &call.outputs, &shown)
}
