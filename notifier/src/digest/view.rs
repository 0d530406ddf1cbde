//! A digest as people see it: lines, waits, counts.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    GateId, Reason, StackId,
    chain::ChainState,
    gate::{Moment, Outcome},
    run::Delta,
    step::StepState,
};

use super::{Digest, Ending, Gate, Ordered, Step, rank};

/// One step as people see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) stack: &'a StackId,
    pub(crate) name: &'a str,
    pub(crate) state: StepState,
    pub(crate) held: bool,
    /// It waits for longer than it should.
    pub(crate) stuck: bool,
    pub(crate) reason: Option<&'a Reason>,
    pub(crate) run_url: Option<&'a str>,
    pub(crate) delta: Option<Delta>,
}

/// Something that waits, and for what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wait<'a> {
    pub(crate) gate: GateId,
    pub(crate) moment: Moment,
    /// The step that waits; absent when the whole chain does.
    pub(crate) stack: Option<&'a StackId>,
    pub(crate) name: Option<&'a str>,
    pub(crate) outcome: &'a Outcome,
    pub(crate) reason: Option<&'a Reason>,
    pub(crate) run_url: Option<&'a str>,
}

/// How many steps stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) finished: usize,
    /// Failed, denied or of unknown outcome.
    pub(crate) bad: usize,
    pub(crate) skipped: usize,
    pub(crate) running: usize,
}

impl Digest {
    /// How the chain stands or ended.
    pub(crate) fn state(&self) -> ChainState {
        let paused = self.ordered.as_ref().filter(|it| it.state == ChainState::Paused);
        match (self.ending(), paused) {
            (Some(ending), _) => ending.state,
            (None, Some(_)) => ChainState::Paused,
            (None, None) if self.has_begun() => ChainState::Running,
            (None, None) => ChainState::Gating,
        }
    }

    pub(crate) fn ending(&self) -> Option<&Ending> {
        let attempts: u32 = self.steps.values().map(|step| step.attempt).sum();
        let ending = self.ending.as_ref()?;
        // Those of before there were attempts do not count them.
        let is_older = ending.attempts != 0 && ending.attempts < attempts;
        let begun_again =
            |told: &Ordered| told.said_at > ending.said_at && !told.state.is_terminal();
        let is_void = is_older || self.ordered.as_ref().is_some_and(begun_again);
        (!is_void).then_some(ending)
    }

    /// What a person told the chain last, as long as it goes on.
    pub(crate) fn told(&self) -> Option<&Reason> {
        self.ordered.as_ref().filter(|_| self.ending().is_none()).map(|it| &it.reason)
    }

    /// Every step: the planned ones in their order, then those only known from their own events.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let held: BTreeSet<_> = self.waits().iter().filter_map(|wait| wait.stack).collect();
        let places = self.places();
        let planned = self.planned.iter().map(|(stack, name)| (stack, name.as_str()));
        let others = self.steps.keys().filter(|stack| !places.contains_key(stack));
        let others = others.map(|stack| (stack, stack.as_str()));
        planned
            .chain(others)
            .map(|(stack, name)| {
                let step = self.step_now(stack);
                Line {
                    stack,
                    name,
                    state: step.map_or(StepState::Waiting, |step| step.state),
                    held: held.contains(stack),
                    stuck: step.is_some_and(|step| step.stuck),
                    reason: step.map(|step| &step.reason),
                    run_url: step.and_then(Step::run_url),
                    delta: step.and_then(|step| step.delta.map(|(_, delta)| delta)),
                }
            })
            .collect()
    }

    /// What is known of a step, unless it began again since.
    fn step_now(&self, stack: &StackId) -> Option<&Step> {
        let again = self.again.get(stack);
        let is_over = |step: &&Step| {
            step.state.is_terminal() && again.is_some_and(|again| step.said_at < *again)
        };
        self.steps.get(stack).filter(|step| !is_over(step))
    }

    /// What is held by a gate now. Answers about a moment that has gone by are not shown.
    pub(crate) fn waits(&self) -> Vec<Wait<'_>> {
        let is_open = |gate: &Gate| !gate.outcome.is_final();
        if self.ending().is_some() || !self.gates.values().any(is_open) {
            return Vec::new();
        }
        let places = self.places();
        let mut waits: Vec<Wait<'_>> = self
            .gates
            .iter()
            .filter(|(_, gate)| is_open(gate) && self.is_ahead(gate))
            .map(|(id, gate)| {
                let stack = gate.stack.as_ref();
                Wait {
                    gate: *id,
                    moment: gate.moment,
                    stack,
                    name: stack.map(|stack| places.get(stack).map_or(stack.as_str(), |it| it.1)),
                    outcome: &gate.outcome,
                    reason: gate.reasons.first(),
                    run_url: stack.and_then(|stack| self.steps.get(stack)).and_then(Step::run_url),
                }
            })
            .collect();
        let position = |stack: &StackId| places.get(stack).map_or(usize::MAX, |it| it.0);
        waits.sort_by_key(|wait| wait.stack.map(position));
        waits
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for line in self.lines() {
            counts.total += 1;
            match line.state {
                StepState::Finished => counts.finished += 1,
                StepState::Failed | StepState::Denied | StepState::Unknown => counts.bad += 1,
                StepState::Skipped | StepState::Canceled => counts.skipped += 1,
                StepState::Waiting
                | StepState::GatingPlan
                | StepState::Queued
                | StepState::Retrying => {}
                StepState::Triggering
                | StepState::Planning
                | StepState::GatingApply
                | StepState::Confirming
                | StepState::Applying
                | StepState::Discarding
                | StepState::Canceling => counts.running += 1,
            }
        }
        counts
    }

    /// A step that moved proves that the chain began, even if `chain.started` is still on its way.
    fn has_begun(&self) -> bool {
        self.started || self.steps.values().any(|step| step.state != StepState::Waiting)
    }

    fn is_ahead(&self, gate: &Gate) -> bool {
        let reached = gate
            .stack
            .as_ref()
            .and_then(|stack| self.step_now(stack))
            .map_or(StepState::Waiting, |step| step.state);
        match gate.moment {
            Moment::BeforeChain => !self.has_begun(),
            Moment::BeforePlan => rank(reached) <= rank(StepState::GatingPlan),
            Moment::BeforeApply => rank(reached) <= rank(StepState::GatingApply),
        }
    }

    /// Where each planned step stands in the plan, and its name.
    fn places(&self) -> BTreeMap<&StackId, (usize, &str)> {
        let named = self.planned.iter().map(|(stack, name)| (stack, name.as_str()));
        named.enumerate().map(|(place, (stack, name))| (stack, (place, name))).collect()
    }
}
