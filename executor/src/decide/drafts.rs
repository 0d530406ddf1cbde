//! Drafts: every step is planned before any is applied, the policies are asked once about all plans
//! together, and what is applied then is what they allowed, or they are asked anew.

use contracts::{
    Code, GateId, Reason, RunId,
    chain::{ChainKind, ChainStarted, ChainState},
    gate::{GateDecided, GateRequested, Moment, Outcome, PlannedChange},
    hook::After,
    step::{StepPlanned, StepState},
};

use super::{Moves, gates::first_reason};
use crate::{
    call::CallKind,
    draft::{self, Draft, Plans},
    input::PlanRead,
    machine::{ChainEvent, StepEvent},
    step::Step,
};

impl Moves<'_> {
    /// Whether the steps are being planned, and nothing may be applied yet.
    pub(super) fn drafts(&self) -> bool {
        self.chain.state == ChainState::Planning
    }

    /// What applies by itself cannot be held to a plan that was allowed: such a chain is denied
    /// before anything happens.
    pub(super) fn deny_autodeploys(&mut self) -> bool {
        let steps = self.chain.steps.iter().map(|step| &step.planned);
        let conflict = self.chain.course.options.conflict(steps);
        let Some(conflict) = conflict.filter(|_| self.chain.plans_all()) else { return false };
        self.deny_all(&conflict);
        self.finish_chain();
        true
    }

    /// The policies let the chain begin: it begins by planning every step.
    pub(super) fn plan_everything(&mut self) {
        self.chain.course.begun = true;
        let text =
            format!("all {} steps are planned before any is applied", self.chain.steps.len());
        self.chain_enters(ChainEvent::PlansAskedFor, Reason::new(Code::PlannedFirst, text));
        self.send(&ChainStarted {
            chain: self.chain.id,
            change: self.chain.change.clone(),
            steps: self.chain.steps.len(),
        });
        self.draft_the_rest();
    }

    /// Asks for a plan of each step that has none. There is no order among them: nothing is applied.
    pub(super) fn draft_the_rest(&mut self) {
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            if step.state == StepState::Waiting && step.course.draft.is_none() {
                self.gate_plan(at);
            }
        }
    }

    /// A step has planned. What it changes is read, because an apply will be held to it.
    pub(super) fn drafted(&mut self, at: usize) {
        let cancel = self.chain.steps[at].course.cancel.clone();
        if let (StepState::Canceling, Some(cancel)) = (self.chain.steps[at].state, &cancel) {
            return self.end(at, StepEvent::RunCanceled, cancel.why.clone());
        }
        let run = self.chain.steps[at].run.as_ref().expect("a plan belongs to a run");
        let draft = Draft::made_by(run);
        let is_settled = draft.is_settled();
        if !is_settled && cancel.is_none() {
            self.call(at, CallKind::ReadPlan, String::new());
        }
        let text = match is_settled {
            true => waits_for_all(&draft),
            false => "what its plan changes is being read".to_owned(),
        };
        self.lay_by(at, StepEvent::DraftKnown, draft, Reason::new(Code::PlannedFirst, text));
        match cancel {
            Some(cancel) => self.end(at, StepEvent::Canceled, cancel.why),
            None if is_settled => self.tell_draft(at),
            None => {}
        }
    }

    /// A step could not be planned beforehand. What comes first may be what it lacks; then it is
    /// planned and asked about when its turn has come.
    pub(super) fn can_be_planned_later(&self, at: usize) -> bool {
        let step = &self.chain.steps[at];
        self.drafts()
            && step.state == StepState::Planning
            && step.course.cancel.is_none()
            && !self.chain.shape.parents(at).is_empty()
    }

    pub(super) fn draft_failed(&mut self, at: usize, why: Reason) {
        let text = format!(
            "{}; it may need what the steps before it make, so it is planned again after them, and \
             asked about then",
            why.text
        );
        let reason = Reason::new(Code::PlannedFirst, text);
        let draft = Draft::failed(self.chain.steps[at].run.as_ref(), why);
        self.lay_by(at, StepEvent::DraftFailed, draft, reason);
        self.tell_draft(at);
    }

    /// The step waits for its turn, and its run is only what showed the plan.
    fn lay_by(&mut self, at: usize, event: StepEvent, draft: Draft, reason: Reason) {
        self.enter(at, event, reason);
        let step = &mut self.chain.steps[at];
        let past = step.run.take().map(|run| run.id);
        step.course.past_runs.extend(past);
        (step.gate, step.heard_at, step.course.unchanged) = (None, None, false);
        step.course.draft = Some(draft);
    }

    fn tell_draft(&mut self, at: usize) {
        let step = self.chain.steps[at].summary();
        self.send(&StepPlanned { chain: self.chain.id, step });
        let draft = self.chain.steps[at].course.draft.as_ref();
        if draft.is_some_and(|draft| draft.unknown.is_none()) {
            self.call_hooks(at, After::PostPlan);
        }
    }

    /// What the plan of a step changes was read, before anything is applied. Returns whether it was
    /// such a plan.
    pub(super) fn draft_read(&mut self, at: usize, run: Option<&RunId>, read: &PlanRead) -> bool {
        let drafts = self.drafts();
        let step = &mut self.chain.steps[at];
        let waits = drafts && step.state == StepState::Waiting;
        let Some(draft) = step.course.draft.as_mut().filter(|it| it.run.as_ref() == run) else {
            return false;
        };
        if waits && !draft.is_settled() {
            draft.take(read);
            let reason = Reason::new(Code::PlannedFirst, waits_for_all(draft));
            self.explain(at, reason);
            self.tell_draft(at);
        }
        true
    }

    /// When every plan is known, the policies are asked about all of them; when one cannot be made,
    /// nothing is applied.
    pub(super) fn plans_known(&mut self) {
        if !self.drafts() {
            return;
        }
        if let Some(bad) = self.chain.steps.iter().find(|step| is_bad(step.state)) {
            let text = format!(
                "{} ended as {} while everything was being planned, so nothing is applied",
                bad.planned.stack, bad.state
            );
            return self.stop_drafts(&Reason::new(Code::ChainStopped, text));
        }
        self.end_planned_in_vain();
        let open: Vec<&Step> =
            self.chain.steps.iter().filter(|step| !step.state.is_terminal()).collect();
        let is_known = |step: &&Step| {
            step.state == StepState::Waiting
                && step.course.draft.as_ref().is_some_and(Draft::is_settled)
        };
        if !open.is_empty() && open.iter().all(is_known) {
            self.ask_about_plans();
        }
    }

    /// What was being planned when a step above it was cancelled, or its chain stopped, was not ended
    /// with the others: it would be asked about, and never run.
    fn end_planned_in_vain(&mut self) {
        for at in self.chain.places() {
            if self.chain.steps[at].state != StepState::Waiting {
                continue;
            }
            if let Some(stopped) = self.stopped(at) {
                self.end_step(at, StepEvent::ChainStopped, stopped);
            } else if self.chain.never_starts(at) {
                self.skip_unmet(at);
            }
        }
    }

    fn stop_drafts(&mut self, reason: &Reason) {
        for at in self.chain.places() {
            if self.chain.steps[at].state.is_idle() {
                self.end_step(at, StepEvent::ChainStopped, reason.clone());
            }
        }
    }

    fn ask_about_plans(&mut self) {
        let chain = &*self.chain;
        let open = || chain.steps.iter().filter(|step| !step.state.is_terminal());
        let drafts = || open().filter_map(|step| Some((step, step.course.draft.as_ref()?)));
        let runs: Vec<String> = drafts()
            .map(|(step, draft)| {
                let run = draft.run.as_ref().map_or("none", |run| run.as_str());
                format!("{}={run}", step.planned.stack)
            })
            .collect();
        let gate = GateId::derived(&chain.id.0, &format!("plans/{}", runs.join("/")));
        let delta = draft::sum(drafts().map(|(_, draft)| draft));
        let unread = drafts().find_map(|(step, draft)| {
            let text = format!("{}: {}", step.planned.stack, draft.unknown.as_ref()?.text);
            Some(Reason::new(Code::PlanUnread, text))
        });
        let all = drafts().flat_map(|(step, draft)| {
            let stack = Some(step.planned.stack.clone());
            let of = move |it: &PlannedChange| PlannedChange { stack: stack.clone(), ..it.clone() };
            draft.changes.iter().flatten().map(of)
        });
        let (changes, cut) = draft::fitting(all.collect());
        let more: usize = drafts().map(|(_, draft)| draft.more).sum();
        let requested = GateRequested {
            delta,
            changes: unread.is_none().then_some(changes),
            changes_more: more + cut,
            unread,
            plans: drafts().map(|(step, draft)| draft.line(&step.planned.stack)).collect(),
            ..self.question(gate, Moment::BeforeApply, open())
        };
        let sum = delta.map_or_else(|| "not known".to_owned(), |delta| delta.to_string());
        let text = format!(
            "the plans of {} steps are known and would change {sum} together; the policies are asked \
             about all of them at once",
            requested.plans.len()
        );
        let stacks = requested.stacks.iter().map(|stack| stack.stack.clone()).collect();
        self.chain.course.plans = Some(Plans::new(gate, stacks));
        self.chain_enters(ChainEvent::PlansKnown, Reason::new(Code::WaitingForGate, text));
        self.send(&requested);
    }

    /// Asks the same question once more, after so long that its answer may be another. What the plans
    /// are is known.
    pub(super) fn ask_about_plans_again(&mut self) {
        let Some(plans) = self.chain.course.plans.as_mut().filter(|plans| !plans.asks) else {
            return;
        };
        (plans.again, plans.asks) = (plans.again + 1, true);
        let (gate, again, stacks) = (plans.gate, plans.again, plans.stacks.clone());
        let of_them = |step: &&Step| stacks.contains(&step.planned.stack);
        let steps = || self.chain.steps.iter().filter(of_them);
        let drafts = || steps().filter_map(|step| Some((step, step.course.draft.as_ref()?)));
        let requested = GateRequested {
            delta: draft::sum(drafts().map(|(_, draft)| draft)),
            plans: drafts().map(|(step, draft)| draft.line(&step.planned.stack)).collect(),
            again,
            ..self.question(gate, Moment::BeforeApply, steps())
        };
        self.chain.changes.chain = true;
        self.send(&requested);
    }

    /// The policies have answered about all plans together.
    pub(super) fn plans_decided(&mut self, decided: &GateDecided) {
        let (now, passes) = (self.now, decided.outcome == Outcome::Pass);
        let Some(plans) = self.chain.course.plans.as_mut() else { return };
        (plans.revision, plans.asks) = (decided.revision, false);
        if passes {
            (plans.allowed, plans.allowed_at) = (true, Some(now));
        }
        self.chain.changes.chain = true;
        self.is_urgent_if_broken(decided);
        let reason = first_reason(decided);
        if self.chain.state != ChainState::Gating {
            return self.plans_decided_again(&decided.outcome, &reason);
        }
        match decided.outcome {
            Outcome::Pass => {
                self.admit(reason);
                self.start_everything();
            }
            Outcome::Deny => self.deny_all(&reason),
            Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => {
                self.chain.reason = reason;
            }
        }
    }

    /// They were asked once more, for steps whose plans they had allowed.
    fn plans_decided_again(&mut self, outcome: &Outcome, reason: &Reason) {
        for at in self.chain.places() {
            let step = &self.chain.steps[at];
            let asks = step.course.passed.as_ref().is_some_and(|passed| passed.asks);
            match (&step.course.differs, step.state) {
                (None, StepState::GatingApply) if asks => {}
                (None, StepState::Confirming) => {
                    self.withhold(at, outcome);
                    continue;
                }
                _ => continue,
            }
            match outcome {
                Outcome::Pass => {
                    self.is_answered(at, outcome);
                    self.passed(at, reason.clone());
                }
                Outcome::Deny => self.discard(at, reason.clone()),
                // It is asked about until they let it go on.
                Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => {
                    self.waits_for_no_call(at);
                    self.explain(at, reason.clone());
                }
            }
        }
    }

    /// The plan that is to be applied was read: it passes if it is what was allowed with the chain.
    pub(super) fn compare(&mut self, at: usize, gate: GateId, read: &PlanRead) {
        let step = &self.chain.steps[at];
        let plans = self.chain.course.plans.as_ref();
        let is_allowed = plans.is_some_and(|plans| plans.allow(&step.planned.stack));
        let allowed = step.course.draft.as_ref().filter(|_| is_allowed);
        let delta = step.run.as_ref().and_then(|run| run.delta);
        let Some(text) = draft::difference(allowed, delta, read) else {
            if self.asks_again(at, Moment::BeforeApply) {
                return;
            }
            let text = "its plan is what was allowed with the whole chain, or a part of it";
            return self.passed(at, Reason::new(Code::Allowed, text));
        };
        let reason = Reason::new(Code::PlanDiffers, text);
        self.chain.steps[at].course.differs = Some(reason.clone());
        self.explain(at, reason);
        self.ask_about(gate, Moment::BeforeApply, at..at + 1, Some(read));
    }

    /// Why a step is held, and why it asks at all.
    pub(super) fn held(&self, at: usize, outcome: &Outcome, reason: Reason) -> Reason {
        let step = &self.chain.steps[at];
        match &step.course.differs {
            Some(differs) if step.state == StepState::GatingApply => {
                let code = match outcome {
                    Outcome::HoldForApprovals { .. } => differs.code,
                    _ => reason.code,
                };
                Reason::new(code, format!("{}: {}", reason.text, differs.text))
            }
            _ => reason,
        }
    }
}

impl crate::Chain {
    /// Whether every step is planned before any is applied.
    pub(crate) fn plans_all(&self) -> bool {
        self.kind == ChainKind::Deploy && self.course.options.plan_all
    }

    /// Whether it is still to be allowed with all its plans.
    pub(crate) fn must_be_planned(&self) -> bool {
        self.plans_all() && !self.course.plans.as_ref().is_some_and(|plans| plans.allowed)
    }
}

/// Whether nothing of a chain is applied because one of its steps ended so before that.
pub(super) fn is_bad(state: StepState) -> bool {
    matches!(state, StepState::Failed | StepState::Denied | StepState::Unknown)
}

fn waits_for_all(draft: &Draft) -> String {
    let run = draft.run.as_ref().map(|run| format!(" by run {run}")).unwrap_or_default();
    format!("its plan{run} is {}; it waits until all plans are allowed", draft.phrase())
}
