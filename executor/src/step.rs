//! One stack of a chain: plain values.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    Code, GateId, Reason, RunId, StackId,
    chain::PlannedStep,
    run::{Delta, RunReported, RunState},
    step::{StepState, StepSummary},
};

use crate::{course::StepCourse, label::timeout_of};

/// How many reports about unknown runs of its stack a step keeps until its own run is known.
const EARLY_MAX: usize = 8;

/// One stack of a chain.
#[derive(Debug, Clone, PartialEq)]
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
    /// Reports about runs of this stack that came before its own run was known; empty as soon as
    /// it is.
    pub early: Vec<RunReported>,
    /// When Spacelift last told something about the run; absent to have it asked at once.
    pub heard_at: Option<DateTime<Utc>>,
    /// How often in a row Spacelift was asked about the run and knew none.
    pub misses: u32,
    /// What people and failures have done to its course.
    pub course: StepCourse,
}

/// The run of a step, as last heard.
#[derive(Debug, Clone, PartialEq)]
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

    /// Whether an answer is about this gate and newer than what is known.
    pub fn is_answered_by(&self, gate: GateId, revision: i64) -> bool {
        self.id == gate && revision > self.revision
    }
}

impl Step {
    /// A step that waits.
    pub(crate) fn new(planned: PlannedStep, parents: Vec<StackId>, now: DateTime<Utc>) -> Self {
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
            misses: 0,
            course: StepCourse::default(),
        }
    }

    /// Whether anything has happened to it since it was planned.
    pub(crate) fn has_moved(&self) -> bool {
        let Self { run, gate, early, heard_at, .. } = self;
        let is_untouched =
            run.is_none() && gate.is_none() && early.is_empty() && heard_at.is_none();
        self.state != StepState::Waiting || self.misses > 0 || !is_untouched
    }

    /// How long its run may take before people are told, if a label of the stack says so.
    pub fn may_take(&self) -> Option<Duration> {
        self.planned.labels.iter().find_map(|label| timeout_of(label)?.ok())
    }

    /// The step in one line.
    pub fn summary(&self) -> StepSummary {
        // Before it has a run of its own, the one that showed its plan is worth a look.
        let draft = self.course.draft.as_ref().filter(|_| self.run.is_none());
        let (run, draft_run) = (self.run.as_ref(), draft.and_then(|draft| draft.run.clone()));
        StepSummary {
            stack: self.planned.stack.clone(),
            state: self.state,
            reason: self.reason.clone(),
            run: run.map(|run| run.id.clone()).or(draft_run),
            run_url: run
                .and_then(|run| run.url.clone())
                .or_else(|| draft.and_then(|draft| draft.url.clone())),
            delta: run.and_then(|run| run.delta).or_else(|| draft.and_then(|draft| draft.delta)),
            attempt: self.course.attempt,
        }
    }

    /// Keeps a report about a run that may turn out to be ours: the newest of each run.
    pub(crate) fn keep_early(&mut self, report: &RunReported) {
        if self
            .early
            .iter()
            .any(|kept| kept.run == report.run && kept.state_version >= report.state_version)
        {
            return;
        }
        self.early.retain(|kept| kept.run != report.run);
        self.early.push(report.clone());
        if self.early.len() > EARLY_MAX {
            self.early.remove(0);
        }
    }

    /// The name of a gate or a call of this attempt.
    pub(crate) fn name(&self, what: &str) -> String {
        let stack = &self.planned.stack;
        match self.course.attempt {
            1 => format!("{stack}/{what}"),
            attempt => format!("{stack}/{what}/attempt/{attempt}"),
        }
    }

    /// Another attempt: nothing of the last one counts any more, and its run is never taken for the
    /// new one.
    pub(crate) fn begin_again(&mut self) {
        let past = self.run.take().map(|run| run.id);
        let mut course = std::mem::take(&mut self.course);
        course.past_runs.extend(past);
        self.course = StepCourse {
            attempt: course.attempt + 1,
            began_with: course.began_with,
            past_runs: course.past_runs,
            paused: course.paused,
            draft: course.draft,
            insisted: course.insisted,
            ..StepCourse::default()
        };
        (self.gate, self.heard_at, self.misses) = (None, None, 0);
        self.early.clear();
    }

    /// Whether the run was seen to apply when it was to be cancelled.
    pub(crate) fn cancel_met_an_apply(&self) -> bool {
        self.course.cancel.as_ref().is_some_and(|cancel| cancel.applying)
    }

    /// Whether it keeps its stack though it has ended: nobody knows how, and nobody has looked.
    pub fn keeps_stack(&self) -> bool {
        self.state == StepState::Unknown && !self.course.released
    }

    /// Whether the run may be applying, or have applied, though nobody can tell any more. One that
    /// applies by itself goes on unheard.
    pub(crate) fn may_have_applied(&self, applies_by_itself: bool) -> bool {
        match self.state {
            StepState::Confirming | StepState::Applying => true,
            StepState::Planning => applies_by_itself,
            StepState::Canceling => applies_by_itself || self.cancel_met_an_apply(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
