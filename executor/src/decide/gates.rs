//! Gates: the questions to the policies, and what their answers lead to.

use std::ops::Range;

use contracts::{
    Code, GateId, Reason, RunId,
    chain::{ChainStarted, ChainState},
    gate::{GateDecided, GateRequested, GateStack, Moment, Outcome, RecentFailure},
    hook::After,
    step::{StepPlanned, StepState},
};

use super::Moves;
use crate::{
    call::CallKind,
    draft::Plans,
    input::PlanRead,
    machine::{ChainEvent, StepEvent},
    step::{Gate, Step},
};

impl Moves<'_> {
    /// The policies have answered. An answer about a gate that nobody waits for any more, and one
    /// older than what is known, is no news.
    pub(super) fn gate_decided(&mut self, decided: &GateDecided) {
        let (id, revision) = (decided.gate, decided.revision);
        if self.chain.gate.is_answered_by(id, revision) {
            return self.chain_gate_decided(decided);
        }
        let about_plans = |plans: &Plans| plans.gate == id && revision > plans.revision;
        if self.chain.course.plans.as_ref().is_some_and(about_plans) {
            return self.plans_decided(decided);
        }
        let answered = |gate: Gate| gate.is_answered_by(id, revision);
        let Some(at) = self.chain.steps.iter().position(|step| step.gate.is_some_and(answered))
        else {
            return;
        };
        let is_news = match self.chain.steps[at].state {
            StepState::GatingPlan | StepState::Queued | StepState::GatingApply => {
                self.step_gate_decided(at, &decided.outcome, first_reason(decided));
                true
            }
            // Or somebody acted in Spacelift meanwhile; the gate has nothing left to hold.
            _ => self.withhold(at, &decided.outcome),
        };
        if is_news {
            self.chain.steps[at].gate = Some(Gate { id, revision });
            self.touch(at);
        }
    }

    /// Somebody may have broken the glass for the whole chain: what queues has another rank then, which
    /// is written with it.
    pub(super) fn is_urgent_if_broken(&mut self, decided: &GateDecided) {
        let is_broken =
            decided.outcome == Outcome::Pass && first_reason(decided).code == Code::Overridden;
        self.chain.course.urgent |= is_broken;
        for at in self.chain.places().filter(|_| is_broken) {
            if self.chain.steps[at].state == StepState::Queued {
                self.touch(at);
            }
        }
    }

    fn step_gate_decided(&mut self, at: usize, outcome: &Outcome, reason: Reason) {
        self.is_answered(at, outcome);
        match (self.chain.steps[at].state, outcome) {
            (_, Outcome::Pass) => self.passed(at, reason),
            (StepState::GatingApply, Outcome::Deny) => self.discard(at, reason),
            (_, Outcome::Deny) => {
                self.withdraw(at, &reason);
                self.end(at, StepEvent::PlanDenied, reason);
            }
            (StepState::Queued, _) => self.enter(at, StepEvent::SetAside, reason),
            // Held, whatever had been allowed: why is what people want to know.
            _ => {
                self.chain.steps[at].course.allowed = None;
                self.explain(at, self.held(at, outcome, reason));
            }
        }
    }

    /// The gate of a step lets it go on.
    pub(super) fn passed(&mut self, at: usize, why: Reason) {
        self.chain.steps[at].course.urgent |= why.code == Code::Overridden;
        match self.chain.steps[at].state {
            _ if self.paused_reason(at).is_some() => {
                self.waits_though_passed(at);
                self.allowed_but_paused(at, why);
            }
            StepState::GatingPlan | StepState::Queued => self.start_run(at),
            _ => self.confirm(at, &why),
        }
    }

    fn chain_gate_decided(&mut self, decided: &GateDecided) {
        if self.chain.state.is_terminal() {
            return;
        }
        self.chain.gate.revision = decided.revision;
        self.chain.changes.chain = true;
        self.is_urgent_if_broken(decided);
        self.chain.course.clearance.clone_from(&decided.clearance);
        // It may wait for the gate of all its plans by now.
        if self.chain.state != ChainState::Gating || self.chain.course.plans.is_some() {
            return;
        }
        let reason = first_reason(decided);
        match decided.outcome {
            Outcome::Pass if self.chain.plans_all() => self.plan_everything(),
            Outcome::Pass => {
                self.admit(reason);
                self.send(&ChainStarted {
                    chain: self.chain.id,
                    change: self.chain.change.clone(),
                    steps: self.chain.steps.len(),
                });
                self.start_everything();
            }
            Outcome::Deny => self.deny_all(&reason),
            Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => {
                self.chain.reason = reason;
            }
        }
    }

    pub(super) fn deny_all(&mut self, reason: &Reason) {
        // People may have cancelled some of them while the chain waited.
        for at in self.chain.places() {
            if !self.chain.steps[at].state.is_terminal() {
                self.end_step(at, StepEvent::ChainDenied, reason.clone());
            }
        }
        self.chain.reason = reason.clone();
    }

    pub(super) fn admit(&mut self, reason: Reason) {
        self.chain.course.begun = true;
        self.chain.course.settled = std::mem::take(&mut self.chain.settled);
        let Some(paused) = &self.chain.course.paused else {
            return self.chain_enters(ChainEvent::Admitted, reason);
        };
        let reason = paused.reason();
        self.chain_enters(ChainEvent::AdmittedPaused, reason);
    }

    /// Asks whether a step may plan: its parents are done.
    pub(super) fn gate_plan(&mut self, at: usize) {
        let drafts = self.drafts();
        let name = if drafts { "draft/before_plan" } else { "before_plan" };
        let name = self.chain.steps[at].name(name);
        let gate = GateId::derived(&self.chain.id.0, &name);
        self.chain.steps[at].gate = Some(Gate::new(gate));
        let asked = Reason::new(Code::WaitingForGate, "the policies are asked about the plan");
        let event = match self.chain.steps[at].state {
            StepState::Retrying => StepEvent::RetryDue,
            _ if drafts => StepEvent::DraftDue,
            _ => StepEvent::ParentsDone,
        };
        self.enter(at, event, asked);
        self.pass_or_ask(at, gate, Moment::BeforePlan);
    }

    /// The plan is known: asks whether just this plan may be applied. A run that plans again shows
    /// its plan in another visit to the same state, with another number: another gate.
    pub(super) fn gate_apply(&mut self, at: usize, reason: Reason) {
        let run = self.chain.steps[at].run.as_ref().expect("a plan belongs to a run");
        let delta = run.delta.map_or_else(|| "unknown".to_owned(), |delta| delta.to_string());
        let stack = self.chain.stack(at);
        let name = format!("{stack}/before_apply/{}/{}/{delta}", run.id, run.version);
        let gate = GateId::derived(&self.chain.id.0, &name);
        self.chain.steps[at].gate = Some(Gate::new(gate));
        let course = &mut self.chain.steps[at].course;
        (course.differs, course.passed) = (None, None);
        self.enter(at, StepEvent::PlanShown, reason);
        let summary = self.chain.steps[at].summary();
        self.send(&StepPlanned { chain: self.chain.id, step: summary });
        self.call_hooks(at, After::PostPlan);
        if self.must_read_plan(at) {
            let text = "what the plan changes is being read, for the policies to look at";
            self.explain(at, Reason::new(Code::WaitingForGate, text));
            return self.call(at, CallKind::ReadPlan, String::new());
        }
        self.pass_or_ask(at, gate, Moment::BeforeApply);
    }

    /// Whether a policy may look at single resources of the plan, as far as the gate before the chain
    /// said, or whether it is to be what was allowed with the chain. Then one more call is worth it.
    fn must_read_plan(&self, at: usize) -> bool {
        let clearance = self.chain.course.clearance.as_ref();
        self.chain.plans_all()
            || clearance.is_some_and(|it| it.reads_plan(self.chain.stack(at), self.now))
    }

    /// The plan was read. If the run shows another by now, there is another gate.
    pub(super) fn plan_read(&mut self, at: usize, run: Option<&RunId>, read: &PlanRead) {
        if self.draft_read(at, run, read) {
            return;
        }
        let step = &self.chain.steps[at];
        let shown = step.run.as_ref().map(|run| (&run.id, Some(run.version)));
        let is_this = shown == run.map(|run| (run, read.version));
        match step.gate {
            Some(gate) if is_this && step.state == StepState::GatingApply && gate.revision == 0 => {
                if self.chain.plans_all() {
                    return self.compare(at, gate.id, read);
                }
                let text = "the policies are asked about the apply";
                self.explain(at, Reason::new(Code::WaitingForGate, text));
                self.ask_about(gate.id, Moment::BeforeApply, at..at + 1, Some(read));
            }
            _ => {}
        }
    }

    /// A step whose chain was cleared passes as it is. It asks after all where it would get a stack
    /// of which nobody knows whether it is free, and where it is to be ended.
    fn pass_or_ask(&mut self, at: usize, gate: GateId, moment: Moment) {
        let (chain, stack) = (&*self.chain, self.chain.stack(at));
        let is_known = moment != Moment::BeforePlan || chain.busy.contains_key(stack);
        if self.is_clear(at, moment) && is_known && chain.steps[at].course.cancel.is_none() {
            let text = "no policy speaks about this stack, as the gate before the chain said";
            return self.passed(at, Reason::new(Code::Allowed, text));
        }
        self.ask(gate, moment, at..at + 1);
    }

    /// Whether the gate before the chain said that no policy speaks about this step.
    pub(super) fn is_clear(&self, at: usize, moment: Moment) -> bool {
        let clearance = self.chain.course.clearance.as_ref();
        clearance.is_some_and(|it| it.covers(self.chain.stack(at), moment, self.now))
    }

    /// Asks the policies. Before a chain about all of its steps, otherwise about one.
    pub(super) fn ask(&mut self, gate: GateId, moment: Moment, about: Range<usize>) {
        self.ask_about(gate, moment, about, None);
    }

    pub(super) fn ask_about(
        &mut self,
        gate: GateId,
        moment: Moment,
        about: Range<usize>,
        plan: Option<&PlanRead>,
    ) {
        let about = &self.chain.steps[about];
        let run = match (moment, about) {
            (Moment::BeforeApply, [step]) => step.run.as_ref(),
            _ => None,
        };
        let requested = GateRequested {
            delta: run.and_then(|run| run.delta),
            run: run.map(|run| run.id.clone()),
            changes: plan.and_then(|plan| plan.changes.clone()),
            changes_more: plan.map_or(0, |plan| plan.more),
            unread: plan.and_then(|plan| plan.unread.clone()),
            planned_at: match (moment, about) {
                (Moment::BeforeApply, [step]) => Some(step.since),
                _ => None,
            },
            differs: match (moment, about) {
                (Moment::BeforeApply, [step]) => step.course.differs.clone(),
                _ => None,
            },
            again: match about {
                [step] => step.course.passed.as_ref().map_or(0, |passed| passed.again),
                _ => 0,
            },
            ..self.question(gate, moment, about.iter())
        };
        self.send(&requested);
    }

    /// What ended badly of late, the newest first. Of this chain, what was just decided counts.
    fn recent_failures(&self) -> Vec<RecentFailure> {
        let chain = &*self.chain;
        let Some(within) = chain.looks_back(self.now) else { return Vec::new() };
        let failed = chain
            .steps
            .iter()
            .filter(|step| matches!(step.state, StepState::Failed | StepState::Unknown));
        let own = failed.map(|step| RecentFailure {
            chain: chain.id,
            stack: step.planned.stack.clone(),
            space: step.planned.space.clone(),
            labels: step.planned.labels.strings(),
            path: step.planned.path.clone().map(String::from),
            at: step.since,
        });
        let others = chain.failures.iter().filter(|failure| failure.chain != chain.id).cloned();
        let mut all: Vec<_> =
            own.chain(others).filter(|failure| self.now - failure.at < within).collect();
        all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
        all.truncate(RecentFailure::MOST);
        all
    }

    /// A question about some steps of this chain, before anything is known of their plans.
    pub(super) fn question<'s>(
        &self,
        gate: GateId,
        moment: Moment,
        about: impl Iterator<Item = &'s Step>,
    ) -> GateRequested {
        GateRequested {
            gate,
            chain: self.chain.id,
            kind: self.chain.kind,
            moment,
            stacks: about.map(|step| GateStack::from(&step.planned)).collect(),
            change: self.chain.change.clone(),
            delta: None,
            run: None,
            changes: None,
            changes_more: 0,
            unread: None,
            files: self.chain.course.files.clone(),
            steps: Some(self.chain.steps.len()),
            plans: Vec::new(),
            differs: None,
            action: self.chain.course.action,
            planned_at: None,
            failures: match moment {
                Moment::BeforeChain => Vec::new(),
                Moment::BeforePlan | Moment::BeforeApply => self.recent_failures(),
            },
            again: 0,
        }
    }
}

pub(super) fn first_reason(decided: &GateDecided) -> Reason {
    let nothing = || Reason::new(Code::Allowed, "the policies gave no reason");
    decided.reasons.first().cloned().unwrap_or_else(nothing)
}
