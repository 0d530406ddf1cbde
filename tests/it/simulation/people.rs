//! What no event tells (polls, the account), and what people do.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::{
    CommitSha, Envelope, StackId,
    gate::Outcome,
    order::OrderKind,
    run::{RunState, RunType},
    step::StepState,
};
use executor::{Chain, Found, Order, Polled, Said, Seen, Step};
use planner::known::Known;
use policy::{
    decider::{Happening, Reviewed},
    review::{Review, Word},
};
use spacelift::RunFacts;
use uuid::Uuid;

use super::{
    node::Origin,
    rigs::ExecutorRig,
    spacelift::Trigger,
    world::{SILENCE, World},
};

impl World {
    /// The runs in flight, with when they were heard of last: at the beginning of time if they are
    /// to be asked about at once.
    pub(super) fn flying(&self) -> impl Iterator<Item = (&Chain, &Step, DateTime<Utc>)> {
        let chains = self.executor.states.values().flatten();
        let steps = chains.flat_map(|chain| chain.steps.iter().map(move |step| (chain, step)));
        steps
            .filter(|(_, step)| step.state != StepState::Triggering && step.state.holds_stack())
            .map(|(chain, step)| (chain, step, step.heard_at.unwrap_or(DateTime::UNIX_EPOCH)))
    }

    /// Since when the most silent run in flight was not heard of.
    pub(super) fn silent_since(&self) -> Option<DateTime<Utc>> {
        self.flying().map(|(_, _, heard_at)| heard_at).min()
    }

    pub(super) fn poll(&mut self) {
        let (mut quiet, mut told) = (Vec::new(), Vec::new());
        for (chain, step, heard_at) in self.flying() {
            let Some(run) = step.run.as_ref().filter(|_| heard_at + SILENCE <= self.now) else {
                continue;
            };
            let facts = &self.spacelift.run(&run.id).expect("runs stay").facts;
            let plan_is_missing =
                step.state == StepState::Planning && run.state == RunState::Unconfirmed;
            let known = facts.state_version <= run.version && !facts.finished && !plan_is_missing;
            match known {
                true => quiet.push((chain.id.0, step.planned.stack.clone())),
                false => told.push((self.polled(chain, step, facts.clone()), Origin::Message)),
            }
        }
        for (chain, stack) in quiet {
            let chain = self.executor.states.get_mut(&chain).and_then(Option::as_mut);
            let chain = chain.expect("it was just seen");
            let place = chain.place(&stack).expect("it was just seen");
            chain.steps[place].heard_at = Some(self.now);
        }
        let causes: Vec<_> = told.iter().map(|(envelope, _)| envelope.id).collect();
        let settled = self.executor.settle(told, self.now);
        for (cause, result) in causes.into_iter().zip(settled) {
            if let Ok(answers) = result {
                self.publish(2, cause, &answers);
            }
        }
        let waiting = ExecutorRig::queued_on_free_stacks(&self.executor);
        self.executor.nudge(&waiting, self.now);
    }

    pub(super) fn polled(
        &self,
        chain: &Chain,
        step: &Step,
        facts: RunFacts,
    ) -> Envelope<executor::Input> {
        let (stack, run) = (facts.stack.clone(), facts.run.clone());
        let name = format!("polled/{run}/{}/{}", step.planned.stack, self.steps);
        let id = Uuid::new_v5(&chain.id.0, name.as_bytes());
        let (named, found) = (("run.polled", stack.to_string()), Found::Run(Seen::from(facts)));
        let body = executor::Input::Polled(Polled {
            chain: chain.id,
            stack,
            run,
            asked_at: self.now,
            found,
        });
        Envelope::first("executor", id, named, self.now, body)
            .within(chain.correlation, chain.trace.clone())
    }

    pub(super) fn read_account(&mut self) {
        // The stacks were made before the first of their changes came in.
        let nothing_came = self.to_come.len() == self.arrivals.len();
        let early = nothing_came && self.account_is_late;
        let known = if early { Arc::new(Known::new(1, Vec::new())) } else { self.known.clone() };
        self.planner.rig.learn(known, self.now);
        let waiting = self.planner.states.iter().filter(|(_, memory)| memory.waiting() > 0);
        let waiting: Vec<_> = waiting.map(|(key, _)| *key).collect();
        self.planner.nudge(&waiting, self.now);
    }

    pub(super) fn held_for_people(&self) -> Vec<Uuid> {
        let held = self.policy.states.iter().filter(|(_, kept)| {
            let outcome = kept.as_ref().map(|kept| &kept.gate.outcome);
            matches!(outcome, Some(Outcome::HoldForApprovals { .. }))
        });
        held.map(|(key, _)| *key).collect()
    }

    pub(super) fn review(&mut self) {
        let held = self.held_for_people();
        let key = *self.dice.pick(&held);
        let kept = self.policy.states[&key].clone().expect("it is held");
        let review = Review {
            id: Uuid::from_u64_pair(self.dice.throw(), self.dice.throw()),
            by: (*self.dice.pick(&["ada", "ben", "cem", "dot"])).to_owned(),
            groups: Vec::new(),
            word: Word::of(self.dice.chance(90)),
            note: None,
            at: self.now,
        };
        let (id, gate) = (review.id, kept.gate.request.gate);
        let (named, body) =
            (("gate.review", gate.to_string()), Happening::Reviewed(Reviewed { gate, review }));
        let envelope = Envelope::first("policy", id, named, self.now, body)
            .within(kept.correlation, kept.trace);
        if let Some(Ok(answers)) =
            self.policy.settle(vec![(envelope, Origin::Message)], self.now).pop()
        {
            self.publish(1, id, &answers);
        }
    }

    /// Chains a person has paused, and those a person may give an order about.
    pub(super) fn chains_that_go_on(&self, paused: bool) -> Vec<Uuid> {
        let chains = self.executor.states.values().flatten();
        let wanted =
            |chain: &&Chain| !chain.state.is_terminal() && chain.course.paused.is_some() == paused;
        chains.filter(wanted).map(|chain| chain.id.0).collect()
    }

    /// A person pauses or cancels a chain, or one step of it.
    pub(super) fn disturb(&mut self) {
        let chains = self.chains_that_go_on(false);
        let key = *self.dice.pick(&chains);
        let chain = self.executor.states[&key].as_ref().expect("it goes on");
        let stacks: Vec<_> = chain.steps.iter().map(|step| step.planned.stack.clone()).collect();
        let (kind, stack) = match self.dice.below(3) {
            0 => (OrderKind::Pause, None),
            1 => (OrderKind::Cancel, None),
            _ => (OrderKind::Cancel, Some(self.dice.pick(&stacks).clone())),
        };
        let force = kind == OrderKind::Cancel && self.dice.chance(30);
        self.order(key, kind, stack, force);
    }

    /// A person lets a paused chain go on.
    pub(super) fn resume(&mut self) {
        let paused = self.chains_that_go_on(true);
        let key = *self.dice.pick(&paused);
        self.order(key, OrderKind::Resume, None, false);
    }

    fn order(&mut self, key: Uuid, kind: OrderKind, stack: Option<StackId>, force: bool) {
        let id = Uuid::from_u64_pair(self.dice.throw(), self.dice.throw());
        let chain = self.executor.states[&key].as_ref().expect("it goes on");
        let said = Said { by: "ada".to_owned(), note: None, at: self.now };
        let (chain, correlation, trace) = (chain.id, chain.correlation, chain.trace.clone());
        let (command, key) = (format!("chain.{kind}"), chain.to_string());
        let order = Order { chain, kind, stack, force, all: false, said };
        let body = executor::Input::Ordered(order);
        let envelope = Envelope::first("executor", id, (&command, key), self.now, body)
            .within(correlation, trace);
        // An order that does not fit is refused; whoever gave it is told.
        if let Some(Ok(answers)) =
            self.executor.settle(vec![(envelope, Origin::Message)], self.now).pop()
        {
            self.publish(2, id, &answers);
        }
    }

    pub(super) fn foreign_run(&mut self) {
        let stacks: Vec<_> = self.spacelift.stacks.keys().cloned().collect();
        let wanted = Trigger {
            stack: self.dice.pick(&stacks),
            commit: CommitSha::from("tracked"),
            run_type: RunType::Tracked,
            by: "somebody",
            mark: None,
        };
        self.spacelift.trigger(wanted, &mut self.dice, self.now);
    }
}
