//! A chain and its steps: plain values, and what can be read off them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, GateId, Reason, RunId, StackId, Trace,
    chain::{ChainKind, ChainPlanned, ChainState, EdgeOrigin, PlannedEdge, PlannedStep},
    change::Change,
    run::{Delta, RunReported, RunState},
    step::{StepState, StepSummary},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many reports about unknown runs of its stack a step keeps until its own run is known.
const EARLY_MAX: usize = 8;

/// A chain as it stands.
#[derive(Debug, Clone)]
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
    /// Which of its stacks another chain holds. Read with the chain, never written.
    pub busy: HashMap<StackId, ChainId>,
    /// What changed since it was read.
    pub changes: Changes,
}

/// What changed since a chain was read, so that only that is written.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The chain itself.
    pub chain: bool,
    /// Steps, by their place.
    pub steps: Vec<usize>,
    /// Transitions, in order.
    pub operations: Vec<Operation>,
}

/// One transition, for the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Absent for the chain itself.
    pub stack: Option<StackId>,
    /// The state left.
    pub from: &'static str,
    /// The state entered.
    pub to: &'static str,
    /// Why.
    pub reason: Reason,
    /// The event that caused it.
    pub cause: Uuid,
    /// When.
    pub at: DateTime<Utc>,
}

/// A gate and the newest answer about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Its id.
    pub id: GateId,
    /// The revision of the newest answer; zero before the first.
    pub revision: i64,
}

impl Gate {
    /// A gate nobody has answered yet.
    pub fn new(id: GateId) -> Self {
        Self { id, revision: 0 }
    }
}

/// One stack of a chain.
#[derive(Debug, Clone)]
pub struct Step {
    /// As the planner put it.
    pub planned: PlannedStep,
    /// The steps that must be done before it.
    pub parents: Vec<StackId>,
    /// How it stands.
    pub state: StepState,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its run, once there is one.
    pub run: Option<Run>,
    /// The gate it was last asked about.
    pub gate: Option<Gate>,
    /// Reports about runs of this stack that came before its own run was known.
    pub early: Vec<RunReported>,
    /// When Spacelift last told something about the run.
    pub heard_at: Option<DateTime<Utc>>,
}

/// The run of a step, as last heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Where a person can see it.
    pub url: Option<String>,
    /// Its state.
    pub state: RunState,
    /// The number of that state: older reports are ignored.
    pub version: i64,
    /// What its plan would change, once known.
    pub delta: Option<Delta>,
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
        let steps = planned
            .steps
            .into_iter()
            .map(|step| Step::new(step, &planned.edges, now))
            .collect::<Vec<_>>();
        Self {
            id: planned.chain,
            kind: planned.kind,
            change: planned.change,
            state: ChainState::Gating,
            reason,
            gate: Gate::new(GateId::derived(&planned.chain.0, "before_chain")),
            changes: Changes {
                chain: true,
                steps: (0..steps.len()).collect(),
                operations: Vec::new(),
            },
            steps,
            edges: planned.edges,
            graph_version: planned.graph_version,
            correlation,
            trace,
            began_at: now,
            ended_at: None,
            busy: HashMap::new(),
        }
    }

    /// The place of a stack's step.
    pub fn place(&self, stack: &StackId) -> Option<usize> {
        self.steps.iter().position(|step| step.planned.stack == *stack)
    }

    /// Whether every parent of a step ended well.
    pub fn parents_finished(&self, step: &Step) -> bool {
        step.parents.iter().all(|parent| {
            self.place(parent).is_some_and(|at| self.steps[at].state == StepState::Finished)
        })
    }

    /// Every step below one, over any number of edges.
    pub fn cone_below(&self, stack: &StackId) -> Vec<usize> {
        let mut below = Vec::new();
        // Steps are ordered parents first, so one pass finds the whole cone.
        for (at, step) in self.steps.iter().enumerate() {
            let under = step.parents.iter().any(|parent| {
                parent == stack
                    || below.iter().any(|&other: &usize| self.steps[other].planned.stack == *parent)
            });
            if under {
                below.push(at);
            }
        }
        below
    }

    /// The parents of a stack over Spacelift's own dependencies. Only tracked runs follow those.
    pub fn native_parents(&self, stack: &StackId) -> Vec<StackId> {
        let native = |edge: &&PlannedEdge| {
            edge.origins.iter().any(|origin| matches!(origin, EdgeOrigin::Native { .. }))
        };
        match self.kind {
            ChainKind::Preview => Vec::new(),
            ChainKind::Deploy => self
                .edges
                .iter()
                .filter(|edge| edge.child == *stack)
                .filter(native)
                .map(|edge| edge.parent.clone())
                .collect(),
        }
    }

    /// The steps in one line each.
    pub fn summaries(&self) -> Vec<StepSummary> {
        self.steps.iter().map(Step::summary).collect()
    }
}

impl Step {
    fn new(planned: PlannedStep, edges: &[PlannedEdge], now: DateTime<Utc>) -> Self {
        let parents = edges
            .iter()
            .filter(|edge| edge.child == planned.stack)
            .map(|edge| edge.parent.clone())
            .collect();
        Self {
            planned,
            parents,
            state: StepState::Waiting,
            reason: Reason::new(Code::WaitingForGate, "the chain waits for its gate"),
            since: now,
            run: None,
            gate: None,
            early: Vec::new(),
            heard_at: None,
        }
    }

    /// The step in one line.
    pub fn summary(&self) -> StepSummary {
        StepSummary {
            stack: self.planned.stack.clone(),
            state: self.state,
            reason: self.reason.clone(),
            run: self.run.as_ref().map(|run| run.id.clone()),
            run_url: self.run.as_ref().and_then(|run| run.url.clone()),
            delta: self.run.as_ref().and_then(|run| run.delta),
        }
    }

    /// Keeps a report about a run that may turn out to be ours.
    pub fn keep_early(&mut self, report: &RunReported) {
        self.early
            .retain(|early| early.run != report.run || early.state_version > report.state_version);
        if !self.early.iter().any(|early| early.run == report.run) {
            self.early.push(report.clone());
        }
        if self.early.len() > EARLY_MAX {
            self.early.remove(0);
        }
    }
}

#[cfg(test)]
mod tests;
