//! A chain: plain values, and what can be read off them.

mod holder;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, Code, CommitSha, GateId, Reason, RunId, StackId, Trace,
    chain::{ChainKind, ChainPlanned, ChainState, PlannedEdge},
    change::Change,
    gate::RecentFailure,
    label,
    run::RunType,
    step::{StepState, StepSummary},
};
use uuid::Uuid;

use crate::{
    condition::{Condition, Conditions},
    course::Course,
    history::Changes,
    join::{Join, Standing},
    retry::Retries,
    shape::Shape,
    share::Shares,
    step::{Gate, Step},
    waves::{Rules, Waves},
};

pub(crate) use holder::Places;
pub use holder::{Hold, Holder};

/// A chain as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
    /// How often it was written, when it was read.
    pub version: i64,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// What set it off.
    pub change: Change,
    /// How it stands.
    pub state: ChainState,
    /// Why.
    pub reason: Reason,
    /// The gate before it.
    pub gate: Gate,
    /// Its steps, parents before children.
    pub steps: Vec<Step>,
    /// The order among them, with the reasons.
    pub edges: Vec<PlannedEdge>,
    /// The same, by place. Made of steps and edges, never written.
    pub shape: Shape,
    /// Its waves. Made of its steps, never written.
    pub waves: Waves,
    /// What must be so between them. As this process is configured, never written.
    pub rules: Arc<Rules>,
    /// How often its steps are tried again. As this process is configured, never written.
    pub retries: Arc<Retries>,
    /// The graph it was planned with.
    pub graph_version: i64,
    /// The story it belongs to.
    pub correlation: Uuid,
    /// The trace it belongs to.
    pub trace: Option<Trace>,
    /// When it was planned, by the planner's clock, which orders the chains of a branch.
    pub began_at: DateTime<Utc>,
    /// When its last step ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What people and options have done to its course.
    pub course: Course,
    /// What keeps steps that could start now from their stacks; `None` says that nothing does. Of a
    /// stack that is missing nobody knows. Read with the chain, never written.
    pub busy: HashMap<StackId, Option<Holder>>,
    /// Stacks of steps that could start now and have been run by a chain of a newer change of its
    /// branch: by which. Read with the chain, never written.
    pub overtaken: HashMap<StackId, ChainId>,
    /// Followers whose last run ended well, with nothing owed to them since. Read with the chain
    /// while it waits for its gate, never written.
    pub settled: Vec<StackId>,
    /// What other chains have done, or wait for, that is one run's work. Read with the chain, never
    /// written.
    pub shares: Shares,
    /// What ended badly of late, in this chain and others, where a policy looks at that. Read with
    /// the chain, never written.
    pub failures: Vec<RecentFailure>,
    /// Stacks it was to destroy that have code again since it began, and how that was told. Read with
    /// the chain, never written.
    pub code_back: HashMap<StackId, Reason>,
    /// What changed since it was read.
    pub changes: Changes,
}

impl Chain {
    /// A new chain, as planned, and as it is taken up now.
    pub fn new(
        planned: ChainPlanned,
        correlation: Uuid,
        trace: Option<Trace>,
        planned_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let reason = Reason::new(Code::WaitingForGate, "the policies are asked about the chain");
        let stacks: Vec<StackId> = planned.steps.iter().map(|step| step.stack.clone()).collect();
        let shape = Shape::new(stacks.iter(), planned.edges.iter());
        let parents = |at: usize| shape.parents(at).iter().map(|&at| stacks[at].clone()).collect();
        let steps: Vec<Step> = planned
            .steps
            .into_iter()
            .enumerate()
            .map(|(at, step)| Step::new(step, parents(at), now))
            .collect();
        Self {
            id: planned.chain,
            version: 0,
            kind: planned.kind,
            change: planned.change,
            state: ChainState::Gating,
            reason,
            gate: Gate::new(GateId::derived(&planned.chain.0, "before_chain")),
            waves: Waves::of(planned.kind, &steps, &shape),
            rules: Arc::default(),
            retries: Arc::default(),
            shape,
            changes: Changes {
                is_new: true,
                chain: true,
                steps: (0..steps.len()).collect(),
                ..Changes::default()
            },
            steps,
            edges: planned.edges.to_vec(),
            graph_version: planned.graph_version,
            correlation,
            trace,
            // What comes again, or late, is no newer for that.
            began_at: planned_at.min(now),
            ended_at: None,
            course: Course {
                options: planned.options,
                files: planned.files,
                action: planned.action,
                taken_up_at: Some(now),
                ..Course::default()
            },
            busy: HashMap::new(),
            overtaken: HashMap::new(),
            settled: Vec::new(),
            shares: Shares::default(),
            failures: Vec::new(),
            code_back: HashMap::new(),
        }
    }

    /// The place of a stack's step.
    pub fn place(&self, stack: &StackId) -> Option<usize> {
        self.shape.place(stack)
    }

    /// The stack of a step.
    pub(crate) fn stack(&self, at: usize) -> &StackId {
        &self.steps[at].planned.stack
    }

    /// Every place there is.
    pub(crate) fn places(&self) -> std::ops::Range<usize> {
        0..self.steps.len()
    }

    /// Whether a decision about the chain may give this step a run: it waits for nothing but its
    /// gate or its stack, or may pass the gate at once as soon as its parents are done.
    pub fn could_start(&self, at: usize) -> bool {
        let soon = self.state == ChainState::Gating || self.course.clearance.is_some();
        let near = |&at: &usize| {
            let state = self.steps[at].state;
            state == StepState::Finished || state.holds_stack()
        };
        match self.steps[at].state {
            StepState::GatingPlan | StepState::Queued => true,
            // All at once, in no order.
            StepState::Waiting if self.plans_all() && self.course.plans.is_none() => soon,
            StepState::Waiting => {
                let near = self.shape.parents(at).iter().filter(|&at| near(at)).count();
                soon && near >= self.join(at).needed(self.shape.parents(at).len())
            }
            StepState::Retrying => soon,
            _ => false,
        }
    }

    /// How many of its parents a step waits for.
    pub(crate) fn join(&self, at: usize) -> Join {
        Join::of(&self.steps[at].planned.labels)
    }

    /// How each of its parents must end.
    pub(crate) fn conditions(&self, at: usize) -> Conditions<'_> {
        Conditions::of(&self.steps[at].planned.labels)
    }

    /// Whether a step that must not run for want of parents need not have run: no parent that must
    /// end well ended badly.
    pub(crate) fn is_unneeded(&self, at: usize) -> bool {
        let conditions = self.conditions(at);
        let is_missed = |&parent: &usize| {
            let parent = &self.steps[parent];
            let must_end_well = conditions.on(parent) == Condition::Success;
            must_end_well && parent.state.is_terminal() && parent.state != StepState::Finished
        };
        !conditions.is_usual() && !self.shape.parents(at).iter().any(is_missed)
    }

    /// Whose failure a step that is delivered waits for, though they are no step before it: nothing
    /// of them has failed.
    pub(crate) fn absent(&self, at: usize) -> Vec<&str> {
        if self.kind == ChainKind::Preview || !self.course.action.is_deliver() {
            return Vec::new();
        }
        self.conditions(at).absent(self.parents(at)).collect()
    }

    /// The steps before a step.
    pub(crate) fn parents(&self, at: usize) -> impl Iterator<Item = &Step> + Clone {
        self.shape.parents(at).iter().map(|&parent| &self.steps[parent])
    }

    /// Whether a parent ended badly in just the way for which a step is there.
    pub(crate) fn is_called_for(&self, at: usize) -> bool {
        let conditions = self.conditions(at);
        self.parents(at).any(|parent| {
            let is_bad = parent.state.is_terminal() && parent.state != StepState::Finished;
            is_bad && conditions.on(parent).is_met_by(parent.state)
        })
    }

    /// Whether a parent may still end so.
    pub(crate) fn may_be_called_for(&self, at: usize) -> bool {
        let conditions = self.conditions(at);
        let is_for = |parent: &Step| conditions.on(parent) != Condition::Success;
        self.parents(at).any(|parent| !parent.state.is_terminal() && is_for(parent))
    }

    /// How the parents of a step stand, against what it waits for.
    pub fn standing(&self, at: usize) -> Standing {
        let conditions = self.conditions(at);
        let is_met = |parent: &&Step| conditions.on(parent).is_met_by(parent.state);
        let parents = self.shape.parents(at).len() + self.absent(at).len();
        Standing {
            parents,
            well: self.parents(at).filter(is_met).count(),
            open: self.parents(at).filter(|parent| !parent.state.is_terminal()).count(),
            needed: self.join(at).needed(parents),
        }
    }

    /// Whether too few parents of a step can still end as they must, so that it would wait for ever.
    pub(crate) fn never_starts(&self, at: usize) -> bool {
        !self.standing(at).can_be_met() && !self.is_unneeded(at)
    }

    /// The parents of a step that ended otherwise than they must.
    pub(crate) fn unmet_parents(&self, at: usize) -> impl Iterator<Item = &Step> {
        let conditions = self.conditions(at);
        self.parents(at)
            .filter(move |it| it.state.is_terminal() && !conditions.on(it).is_met_by(it.state))
    }

    /// The parents of a step that have not ended.
    pub(crate) fn open_parents(&self, at: usize) -> impl Iterator<Item = &StackId> {
        let parents = self.shape.parents(at).iter();
        parents.filter(|&&at| !self.steps[at].state.is_terminal()).map(|&at| self.stack(at))
    }

    /// Whether a step is there only because of others, and runs only if they changed something.
    pub fn only_follows(&self, at: usize) -> bool {
        let step = &self.steps[at];
        self.kind == ChainKind::Deploy
            && !self.course.options.run_always
            && step.planned.follows()
            && step.course.attempt == 1
            && !step.planned.labels.iter().any(|label| *label == label::ALWAYS)
    }

    /// The parents of a step over Spacelift's own dependencies. Only tracked runs follow those.
    pub fn native_parents(&self, at: usize) -> Vec<StackId> {
        match self.runs_as() {
            ChainKind::Preview => Vec::new(),
            ChainKind::Deploy => {
                let parents = self.shape.native_parents(at).iter();
                parents.map(|&at| self.stack(at).clone()).collect()
            }
        }
    }

    /// The runs of these, as far as they have any.
    pub(crate) fn native_parent_runs(&self, at: usize) -> BTreeMap<StackId, RunId> {
        let parents = self.native_parents(at).into_iter();
        let run = |parent: StackId| {
            let run = self.steps[self.place(&parent)?].run.as_ref()?;
            Some((parent, run.id.clone()))
        };
        parents.filter_map(run).collect()
    }

    /// When as many parents of a step had ended as it waits for, by Spacelift's clock, as far as they had
    /// runs.
    pub(crate) fn parents_ended_at(&self, at: usize) -> Option<DateTime<Utc>> {
        let parents = self.shape.parents(at);
        let conditions = self.conditions(at);
        let steps = parents.iter().map(|&parent| &self.steps[parent]);
        let mut ended: Vec<_> = steps
            .filter(|parent| conditions.on(parent).is_met_by(parent.state))
            .map(|parent| parent.course.ended_at)
            .collect();
        ended.sort_unstable();
        *ended.get(self.join(at).needed(parents.len()).checked_sub(1)?)?
    }

    /// The commit a step's run must be on; none for the one its stack tracks.
    pub fn commit(&self, at: usize) -> Option<CommitSha> {
        let step = &self.steps[at];
        let is_on_it = step.planned.on_commit && !step.course.on_head;
        is_on_it.then(|| self.change.commit.clone())
    }

    /// How far back policies look at what ended badly, if a step of it may ask them.
    pub fn looks_back(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        if self.state.is_terminal() {
            return None;
        }
        // Who was not cleared, or not yet, may be asked about anything.
        let seconds = match &self.course.clearance {
            Some(clearance) => clearance.looks_back(now)?,
            None => u64::MAX,
        };
        let seconds = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
        Some(seconds.unwrap_or(TimeDelta::MAX))
    }

    /// The type of its runs at present.
    pub fn run_type(&self) -> RunType {
        match self.runs_as() {
            _ if self.course.action.destroys() => RunType::Destroy,
            ChainKind::Deploy => RunType::Tracked,
            ChainKind::Preview => RunType::Proposed,
        }
    }

    /// What its runs do at present: as long as everything is being planned, nothing is applied.
    pub fn runs_as(&self) -> ChainKind {
        if self.state == ChainState::Planning { ChainKind::Preview } else { self.kind }
    }

    /// What is about other chains, and what is written by now, is only good for one decision.
    pub(crate) fn forget_what_was_read_with_it(&mut self) {
        (self.rules, self.retries) = (Arc::default(), Arc::default());
        self.busy.clear();
        self.overtaken.clear();
        self.settled.clear();
        self.shares = Shares::default();
        self.failures.clear();
        self.code_back.clear();
        self.changes = Changes::default();
    }

    /// The steps in one line each.
    pub fn summaries(&self) -> Vec<StepSummary> {
        self.steps.iter().map(Step::summary).collect()
    }
}

#[cfg(test)]
mod tests;
