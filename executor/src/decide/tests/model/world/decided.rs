//! What is decided, what follows from it, and what must hold then.

use chrono::{DateTime, Utc};
use contracts::{
    Reason, StackId,
    chain::{ChainState, OnFailure},
    gate::{Clearance, GateDecided, GateRequested, Moment, Outcome},
    step::StepState,
};
use store::{Decision, Effect, Refusal};

use super::{Asked, LANE_TAKEN, Open, Step, World, world_time};
use crate::{
    call::CallKind,
    decide_chain,
    fixtures::{call, envelope},
    input::Input,
};

impl World {
    pub(super) fn answer(&self, place: usize, outcome: Outcome) -> GateDecided {
        let gate = &self.gates[place];
        let clears = self.bounds.cleared && gate.moment == Moment::BeforeChain;
        GateDecided {
            gate: gate.id,
            chain: self.chain().id,
            moment: gate.moment,
            stack: None,
            revision: gate.revision,
            outcome,
            reasons: vec![Reason::new(contracts::Code::Allowed, "policy says so")],
            policy_digest: "sha256:0".to_owned(),
            policy_commit: None,
            clearance: clears.then(|| Clearance {
                until: DateTime::<Utc>::MAX_UTC,
                asked: Vec::new(),
                looks_back: None,
            }),
        }
    }

    /// Something is decided upon, and what must hold is checked.
    pub(super) fn tell(&mut self, input: Input) -> Step {
        let is_kept = matches!(input, Input::Concluded(_) | Input::Decided(_));
        let mut chain = self.chain.clone();
        let known = chain.as_mut().expect("it is planned");
        known.changes = crate::Changes::default();
        let story = known.correlation;
        let now = world_time(self.days);
        self.told += 1;
        let decision = match decide_chain(&mut chain, &envelope(self.told, story, input), now) {
            Ok(decision) => decision,
            // Whoever gave the order is told; nothing has changed.
            Err(Refusal::Never { code: contracts::Code::OrderRefused, .. }) => return Ok(()),
            Err(refusal) => return Err(format!("{refusal:?}")),
        };
        let taken = |lane: &str| self.open.iter().any(|open| open.lane == lane);
        if decision.effects.iter().any(|effect| taken(&effect.lane)) {
            // The database refuses a second open effect of a lane, again and again while it is open.
            // A trigger is not asked for before the stack is free, which nobody tells this chain; all
            // else would be lost with what led to it.
            let is_trigger = |effect: &Effect| effect.kind == CallKind::Trigger.as_str();
            if !decision.effects.iter().filter(|it| taken(&it.lane)).all(is_trigger) {
                let lost = decision.effects.iter().map(|it| format!("{} in {}", it.kind, it.lane));
                return Err(format!("a call is refused: {}", lost.collect::<Vec<_>>().join(", ")));
            }
            return if is_kept { Err(LANE_TAKEN.to_owned()) } else { Ok(()) };
        }
        self.chain = chain;
        self.follow(decision)?;
        self.note_waves()?;
        self.check()
    }

    pub(super) fn follow(&mut self, decision: Decision) -> Step {
        for answer in decision.answers.iter().filter(|answer| answer.kind == "gate.requested") {
            let asked: GateRequested =
                serde_json::from_value(answer.body.clone()).expect("it was written here");
            let of = |step: &&crate::Step| {
                Some(&step.planned.stack) == asked.stacks.first().map(|it| &it.stack)
            };
            let step = self.chain().steps.iter().find(of).expect("it is a step of ours");
            let plan = step.run.as_ref().map(|run| (run.id.clone(), run.version));
            let is_one = asked.moment == Moment::BeforeApply && asked.plans.is_empty();
            let plan = plan.filter(|_| is_one);
            match self.gates.iter_mut().find(|gate| gate.id == asked.gate) {
                Some(gate) if asked.again > gate.again => {
                    (gate.again, gate.says) = (asked.again, None);
                    gate.revision += 1;
                }
                Some(_) => return Err(format!("{} is asked about twice", asked.gate)),
                None => self.gates.push(Asked { plan, ..Asked::new(asked.gate, asked.moment) }),
            }
        }
        let (checks, calls): (Vec<_>, Vec<_>) =
            decision.effects.into_iter().partition(|effect| effect.kind == crate::checks::KIND);
        self.look(&checks)?;
        for effect in calls {
            let call = call(&effect);
            let of = |step: &&crate::Step| step.planned.stack == call.stack;
            let step = self.chain().steps.iter().find(of).expect("it is a step of ours");
            let begins = matches!(call.call, CallKind::Trigger | CallKind::Confirm);
            if call.call == CallKind::Trigger {
                self.may_be_triggered(step)?;
            }
            if begins && step.course.paused.is_some() && !call.preview {
                return Err(format!("{} is paused, and begins {}", call.stack, effect.kind));
            }
            // A plan before anything is applied, and later the run itself, are of one attempt.
            let again = step.course.passed.as_ref().map_or(0, |passed| passed.again);
            let again = u32::try_from(again).expect("it is small");
            let attempt = step.course.attempt + if call.preview { 1_000 } else { 0 };
            let attempt = attempt + 10_000 * again;
            let this = (call.stack.clone(), attempt, call.call);
            if call.call == CallKind::Trigger && self.effects.values().any(|known| *known == this) {
                return Err(format!("{} is triggered twice in one attempt", call.stack));
            }
            if self.effects.insert(effect.id, this).is_some() {
                return Err(format!(
                    "asked for twice, so it is never done: {} {}",
                    call.stack, effect.kind
                ));
            }
            let (effect, lane, runs) = (effect.id, effect.lane, self.runs.len());
            let (done, before, late) = (false, false, false);
            self.open.push(Open { effect, lane, call, done, runs, late, before });
        }
        Ok(())
    }

    /// No run is asked for before the gate of the chain has passed, and in a chain that stops there, none
    /// after the first failure but for what is there for failures.
    pub(super) fn may_be_triggered(&self, step: &crate::Step) -> Step {
        let (chain, stack) = (self.chain(), &step.planned.stack);
        if !self.gates[0].passed {
            return Err(format!("{stack} is triggered before its chain may begin"));
        }
        let has_failed =
            |step: &&crate::Step| step.state.is_terminal() && step.state != StepState::Finished;
        let stops = chain.course.options.on_failure == OnFailure::Stop && !self.retried;
        let at = chain.place(stack).expect("it is a step of ours");
        match chain.steps.iter().find(has_failed) {
            Some(failed) if stops && chain.conditions(at).is_usual() => {
                Err(format!("{stack} is triggered after {} has failed", failed.planned.stack))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check(&self) -> Step {
        let chain = self.chain();
        let changed = |stack: &StackId| self.applied(stack) && !self.kept.contains(stack);
        for (at, step) in chain.steps.iter().enumerate() {
            let stack = &step.planned.stack;
            let begun = !step.state.is_terminal() && step.state != StepState::Waiting;
            let drafts = chain.state == ChainState::Planning;
            if begun
                && !drafts
                && let Some(wave) = chain.wave_before(at)
            {
                return Err(format!("{stack} is {} before {} is through", step.state, wave.name));
            }
            if begun && !drafts && !chain.standing(at).is_met() {
                return Err(format!("{stack} is {} before its parents are done", step.state));
            }
            if step.course.unchanged && self.applied(stack) {
                return Err(format!("{stack} is said to have changed nothing, and applied"));
            }
            if step.reason.code == contracts::Code::InputsUnchanged
                && chain.shape.parents(at).iter().map(|&it| chain.stack(it)).any(changed)
            {
                return Err(format!("{stack} is not run though a parent applied"));
            }
            if step.reason.text.is_empty() {
                return Err(format!("{stack} does not say why it is {}", step.state));
            }
        }
        let ended = chain.steps.iter().all(|step| step.state.is_terminal());
        if chain.state.is_terminal() != ended {
            return Err(format!("the chain is {} and its steps are not", chain.state));
        }
        Ok(())
    }
}
