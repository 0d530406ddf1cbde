//! What people should see of one chain, built from its events in whatever order they arrive.
//!
//! Every merge here is commutative and idempotent: the larger of two facts wins (a later state of
//! a step, a higher revision of a gate), so late, doubled and reordered events end in the same
//! digest. Nothing in it depends on the clock, or else an unchanged chain would look changed.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use chrono::{DateTime, Utc};
use contracts::{
    Action, ChainId, Code, GateId, Reason, RunId, StackId,
    chain::{ChainFinished, ChainKind, ChainPlanned, ChainStarted, ChainState},
    change::Change,
    gate::{GateDecided, GateOverridden, Moment, Outcome},
    order::ChainOrdered,
    run::Delta,
    step::{StepState, StepSummary},
};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;
mod view;

pub(crate) use view::{Line, Wait};

/// The facts known about one chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) chain: ChainId,
    pub(crate) change: Option<Change>,
    pub(crate) kind: Option<ChainKind>,
    /// What it is there for.
    #[serde(default)]
    pub(crate) action: Action,
    started: bool,
    /// The stacks in planned order, with their names; empty until `chain.planned` has come.
    planned: Vec<(StackId, String)>,
    steps: BTreeMap<StackId, Step>,
    gates: BTreeMap<GateId, Gate>,
    /// Who broke the glass, of what, and why; each once.
    #[serde(default)]
    broken: BTreeSet<String>,
    ending: Option<Ending>,
    /// What a person told the chain last.
    #[serde(default)]
    ordered: Option<Ordered>,
    /// Which steps began again, and when last: what was told of them before has been.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    again: BTreeMap<StackId, DateTime<Utc>>,
}

/// What a person told a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ordered {
    said_at: DateTime<Utc>,
    pub(crate) state: ChainState,
    pub(crate) reason: Reason,
}

/// How a chain ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) state: ChainState,
    pub(crate) reason: Reason,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
    said_at: DateTime<Utc>,
    /// The attempts of all steps together: whoever tries a step again voids the ending.
    #[serde(default)]
    attempts: u32,
}

/// What is known of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    /// What is said about a later attempt is newer, whatever it says.
    #[serde(default = "first")]
    attempt: u32,
    state: StepState,
    reason: Reason,
    said_at: DateTime<Utc>,
    /// It was said because it waits for longer than it should.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stuck: bool,
    run: Option<(RunId, Option<String>)>,
    /// The numbers of the latest state that knew them: an apply corrects its plan.
    delta: Option<(u8, Delta)>,
}

fn first() -> u32 {
    1
}

/// The newest answer about one gate. A gate that passed is kept, so that an older answer that
/// comes late cannot close it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Gate {
    moment: Moment,
    stack: Option<StackId>,
    revision: i64,
    outcome: Outcome,
    reasons: Vec<Reason>,
}

impl Digest {
    /// A chain of which nothing is known yet.
    pub(crate) fn new(chain: ChainId) -> Self {
        Self {
            chain,
            change: None,
            kind: None,
            action: Action::default(),
            started: false,
            planned: Vec::new(),
            steps: BTreeMap::new(),
            gates: BTreeMap::new(),
            broken: BTreeSet::new(),
            ending: None,
            ordered: None,
            again: BTreeMap::new(),
        }
    }

    pub(crate) fn planned(&mut self, event: &ChainPlanned) {
        self.change.get_or_insert_with(|| event.change.clone());
        self.kind = Some(event.kind);
        self.action = event.action;
        self.planned =
            event.steps.iter().map(|step| (step.stack.clone(), step.name.to_string())).collect();
    }

    /// Whether a change of code set it off, so that its status belongs to the commit.
    pub(crate) fn is_delivery(&self) -> bool {
        self.action == Action::Deliver
    }

    /// Whether its pull request goes to another branch now, so that nobody asks for this preview.
    pub(crate) fn is_retargeted(&self) -> bool {
        let retargeted = |ending: &Ending| ending.reason.code == Code::Retargeted;
        self.kind == Some(ChainKind::Preview) && self.ending.as_ref().is_some_and(retargeted)
    }

    /// Whether it has nothing to say that is not told already: the code of a stack is gone, and as
    /// long as no policy would have more become of it, that is all.
    pub(crate) fn is_quiet(&self) -> bool {
        let nothing_follows =
            self.ending.as_ref().is_none_or(|ending| ending.reason.code == Code::StaysLoose);
        let is_asking = !self.started && self.waits().is_empty();
        self.action == Action::Deregister && is_asking && nothing_follows
    }

    pub(crate) fn started(&mut self, event: &ChainStarted) {
        self.change.get_or_insert_with(|| event.change.clone());
        self.started = true;
    }

    pub(crate) fn step(&mut self, summary: &StepSummary, said_at: DateTime<Utc>) {
        self.hear(Step::new(summary, said_at), &summary.stack);
    }

    /// A step waits for longer than it should.
    pub(crate) fn stuck(&mut self, summary: &StepSummary, said_at: DateTime<Utc>) {
        self.hear(Step { stuck: true, ..Step::new(summary, said_at) }, &summary.stack);
    }

    fn hear(&mut self, said: Step, stack: &StackId) {
        match self.steps.get_mut(stack) {
            Some(known) => known.join(said),
            None => {
                self.steps.insert(stack.clone(), said);
            }
        }
    }

    pub(crate) fn gate(&mut self, event: &GateDecided) {
        if self.gates.get(&event.gate).is_some_and(|known| known.revision >= event.revision) {
            return;
        }
        let gate = Gate {
            moment: event.moment,
            stack: event.stack.clone(),
            revision: event.revision,
            outcome: event.outcome.clone(),
            reasons: event.reasons.clone(),
        };
        self.gates.insert(event.gate, gate);
    }

    pub(crate) fn overridden(&mut self, event: &GateOverridden) {
        let of = match (&event.stack, event.whole_chain) {
            (Some(stack), false) => format!("before {stack}"),
            _ => "of the chain".to_owned(),
        };
        let second = if event.wants_second { " (a second person must, too)" } else { "" };
        let text = format!("{} broke the glass {of}{second}: {}", event.by, event.reason);
        self.broken.insert(text);
    }

    /// Who broke the glass, of what, and why.
    pub(crate) fn broken(&self) -> impl Iterator<Item = &str> {
        self.broken.iter().map(String::as_str)
    }

    pub(crate) fn finished(&mut self, event: &ChainFinished, said_at: DateTime<Utc>) {
        self.change.get_or_insert_with(|| event.change.clone());
        for summary in &event.steps {
            self.step(summary, said_at);
        }
        if self.ending.as_ref().is_none_or(|known| known.said_at < said_at) {
            self.ending = Some(Ending {
                state: event.state,
                reason: event.reason.clone(),
                began_at: event.began_at,
                ended_at: event.ended_at,
                said_at,
                attempts: event.steps.iter().map(|step| step.attempt).sum(),
            });
        }
    }

    pub(crate) fn ordered(&mut self, event: &ChainOrdered, said_at: DateTime<Utc>) {
        for stack in &event.again {
            let known = self.again.entry(stack.clone()).or_insert(said_at);
            *known = said_at.max(*known);
        }
        if self.ordered.as_ref().is_none_or(|known| known.said_at < said_at) {
            let (state, reason) = (event.state, event.reason.clone());
            self.ordered = Some(Ordered { said_at, state, reason });
        }
    }
}

impl Step {
    fn new(summary: &StepSummary, said_at: DateTime<Utc>) -> Self {
        Self {
            attempt: summary.attempt,
            state: summary.state,
            reason: summary.reason.clone(),
            said_at,
            stuck: false,
            run: summary.run.clone().map(|run| (run, summary.run_url.clone())),
            delta: summary.delta.map(|delta| (rank(summary.state), delta)),
        }
    }

    fn run_url(&self) -> Option<&str> {
        self.run.as_ref().and_then(|(_, url)| url.as_deref())
    }

    /// Takes the larger of what is known and what is said, field by field.
    fn join(&mut self, said: Self) {
        // Nothing that is said about an earlier attempt counts beside a later one.
        match said.attempt.cmp(&self.attempt) {
            Ordering::Less => return,
            Ordering::Greater => return *self = said,
            Ordering::Equal => {}
        }
        let order = rank(said.state)
            .cmp(&rank(self.state))
            .then(said.said_at.cmp(&self.said_at))
            .then_with(|| said.reason.code.cmp(&self.reason.code))
            .then_with(|| said.reason.text.cmp(&self.reason.text));
        // A run id is a ULID, so that the larger one is the newer one.
        self.run = self.run.take().max(said.run);
        let size = |(rank, delta): (u8, Delta)| (rank, delta.added, delta.changed, delta.deleted);
        if said.delta.map(size) > self.delta.map(size) {
            self.delta = said.delta;
        }
        if order == Ordering::Greater {
            self.state = said.state;
            self.reason = said.reason;
            self.said_at = said.said_at;
            self.stuck = said.stuck;
        }
    }
}

/// How far a state is: a step never goes back to a lower one. Among the final ones, what a person
/// or a late answer found out about an unknown outcome is worth more than not knowing.
fn rank(state: StepState) -> u8 {
    match state {
        StepState::Waiting => 0,
        StepState::GatingPlan => 1,
        StepState::Queued => 2,
        StepState::Triggering => 3,
        StepState::Planning => 4,
        StepState::GatingApply => 5,
        StepState::Confirming => 6,
        StepState::Applying => 7,
        StepState::Discarding => 8,
        StepState::Canceling => 9,
        StepState::Retrying => 10,
        StepState::Unknown => 11,
        StepState::Skipped => 12,
        StepState::Canceled => 13,
        StepState::Denied => 14,
        StepState::Failed => 15,
        StepState::Finished => 16,
    }
}
