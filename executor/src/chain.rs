//! A chain: plain values, and what can be read off them.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, CommitSha, GateId, Reason, StackId, Trace,
    chain::{ChainKind, ChainPlanned, ChainState, PlannedEdge},
    change::Change,
    step::{StepState, StepSummary},
};
use uuid::Uuid;

use crate::{
    course::Course,
    history::Changes,
    shape::Shape,
    step::{Gate, Step},
};

/// A chain as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
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
    /// The graph it was planned with.
    pub graph_version: i64,
    /// The story it belongs to.
    pub correlation: Uuid,
    /// The trace it belongs to.
    pub trace: Option<Trace>,
    /// When it was planned.
    pub began_at: DateTime<Utc>,
    /// When its last step ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What people and options have done to its course.
    pub course: Course,
    /// What keeps steps that could start now from their stacks; `None` says that nothing does. Of a
    /// stack that is missing nobody knows. Read with the chain, never written.
    pub busy: HashMap<StackId, Option<Holder>>,
    /// What changed since it was read.
    pub changes: Changes,
}

/// Another chain that has a stack, or has it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The other chain.
    pub chain: ChainId,
    /// What it has to do with the stack.
    pub hold: Hold,
}

/// What another chain has to do with a stack; what holds longest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// A step of it has a run there.
    Runs,
    /// A call about the stack is not concluded.
    Calls,
    /// It queues for the stack, and came first.
    Queues,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain;
        match self.hold {
            Hold::Runs => write!(f, "{chain} has a run there"),
            Hold::Calls => write!(f, "a call of {chain} is not concluded yet"),
            Hold::Queues => write!(f, "{chain} came first"),
        }
    }
}

impl Chain {
    /// A new chain, as planned.
    pub fn new(
        planned: ChainPlanned,
        correlation: Uuid,
        trace: Option<Trace>,
        now: DateTime<Utc>,
    ) -> Self {
        let reason = Reason::new(Code::WaitingForGate, "the policies are asked about the chain");
        let stacks: Vec<StackId> = planned.steps.iter().map(|step| step.stack.clone()).collect();
        let shape = Shape::new(stacks.iter(), &planned.edges);
        let parents = |at: usize| shape.parents(at).iter().map(|&at| stacks[at].clone()).collect();
        let steps: Vec<Step> = planned
            .steps
            .into_iter()
            .enumerate()
            .map(|(at, step)| Step::new(step, parents(at), now))
            .collect();
        Self {
            id: planned.chain,
            kind: planned.kind,
            change: planned.change,
            state: ChainState::Gating,
            reason,
            gate: Gate::new(GateId::derived(&planned.chain.0, "before_chain")),
            shape,
            changes: Changes {
                is_new: true,
                chain: true,
                steps: (0..steps.len()).collect(),
                ..Changes::default()
            },
            steps,
            edges: planned.edges,
            graph_version: planned.graph_version,
            correlation,
            trace,
            began_at: now,
            ended_at: None,
            course: Course { options: planned.options, files: planned.files, ..Course::default() },
            busy: HashMap::new(),
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
            StepState::Waiting => soon && self.shape.parents(at).iter().all(near),
            StepState::Retrying => soon,
            _ => false,
        }
    }

    /// The parents of a step that have not ended well.
    pub fn unfinished_parents(&self, at: usize) -> Vec<&StackId> {
        let parents = self.shape.parents(at).iter();
        let unfinished = parents.filter(|&&at| self.steps[at].state != StepState::Finished);
        unfinished.map(|&at| self.stack(at)).collect()
    }

    /// The parents of a step over Spacelift's own dependencies. Only tracked runs follow those.
    pub fn native_parents(&self, at: usize) -> Vec<StackId> {
        match self.kind {
            ChainKind::Preview => Vec::new(),
            ChainKind::Deploy => {
                let parents = self.shape.native_parents(at).iter();
                parents.map(|&at| self.stack(at).clone()).collect()
            }
        }
    }

    /// The commit a step's run must be on; none for the one its stack tracks.
    pub fn commit(&self, at: usize) -> Option<CommitSha> {
        self.steps[at].planned.on_commit.then(|| self.change.commit.clone())
    }

    /// What is about other chains, and what is written by now, is only good for one decision.
    pub(crate) fn forget_what_was_read_with_it(&mut self) {
        self.busy.clear();
        self.changes = Changes::default();
    }

    /// The steps in one line each.
    pub fn summaries(&self) -> Vec<StepSummary> {
        self.steps.iter().map(Step::summary).collect()
    }
}

#[cfg(test)]
mod tests;
