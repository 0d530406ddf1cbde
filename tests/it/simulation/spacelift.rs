//! A tiny Spacelift in memory: runs go from state to state, one blocking run per stack, a list of
//! runs that shows a new one only after a while. It keeps the truth that the checker goes by.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, CommitSha, RunId, StackId,
    run::{Delta, RunReported, RunState, RunType},
};
use executor::{Chain, Step};
use spacelift::RunFacts;

use super::{dice::Dice, natives::Edge};

/// Our API key.
pub const ACTOR: &str = "api::stackly";
/// How long after a call its effect is surely visible in the lists.
pub const SETTLE: TimeDelta = TimeDelta::seconds(2);

/// How a run will go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    PlanFails,
    /// It fails in a way that may pass.
    NetworkFails,
    NothingToDo,
    ApplyFails,
    Goes,
}

/// A run.
pub struct Run {
    pub facts: RunFacts,
    /// What the trigger carried: the chain and the claim. None for somebody else's run.
    pub mark: Option<String>,
    pub(super) visible_at: DateTime<Utc>,
    fate: Fate,
    autodeploy: bool,
    /// The run it was made with, by its place; itself, if it was asked for.
    pub(super) pass: usize,
    /// It was made with another one, and what it depends on has not ended.
    pub(super) awaits: bool,
    /// Whether its apply changes what others read.
    pub(super) changes_outputs: bool,
}

/// What is asked for.
pub struct Trigger<'a> {
    pub stack: &'a StackId,
    pub commit: CommitSha,
    pub run_type: RunType,
    pub by: &'a str,
    pub mark: Option<String>,
}

/// The account.
pub struct Spacelift {
    /// Whether each stack applies by itself.
    pub stacks: BTreeMap<StackId, bool>,
    /// Its own dependencies.
    pub(super) edges: Vec<Edge>,
    pub runs: Vec<Run>,
    /// Webhooks that were not sent yet.
    pub outbox: Vec<RunReported>,
}

impl Run {
    pub fn is_open(&self) -> bool {
        !self.facts.finished
    }

    /// Whether it failed in a way after which a step is tried again.
    pub fn may_be_repeated(&self) -> bool {
        self.facts.state == RunState::Failed && self.fate == Fate::NetworkFails
    }

    /// The end of its log.
    pub fn log(&self) -> &'static str {
        match self.fate {
            Fate::NetworkFails => "Error: read: connection reset by peer",
            _ => "Error: Unsupported argument",
        }
    }

    fn blocks(&self) -> bool {
        self.facts.run_type == RunType::Tracked
            && self.is_open()
            && self.facts.state != RunState::Queued
    }
}

impl Spacelift {
    pub fn new(stacks: BTreeMap<StackId, bool>, edges: Vec<Edge>) -> Self {
        Self { stacks, edges, runs: Vec::new(), outbox: Vec::new() }
    }

    /// Since when a step that ended well has been through: since its own run ended; or one of the
    /// stack, whosever it is, that was made when everything before the step had been through.
    pub fn through(&self, step: &Step, chain: &Chain) -> Option<DateTime<Utc>> {
        if let Some(run) = &step.run {
            return Some(self.run(&run.id)?.facts.updated_at);
        }
        if step.reason.code != Code::RunShared {
            return Some(DateTime::UNIX_EPOCH);
        }
        let parents = chain.steps.iter().filter(|it| step.parents.contains(&it.planned.stack));
        let above: Option<Vec<_>> = parents.map(|parent| self.through(parent, chain)).collect();
        let above = above?.into_iter().max()?;
        let does_it = |run: &&Run| {
            run.facts.stack == step.planned.stack
                && run.facts.run_type == RunType::Tracked
                && run.facts.state == RunState::Finished
                && run.facts.created_at >= above
        };
        self.runs.iter().filter(does_it).map(|run| run.facts.updated_at).min()
    }

    /// `runTrigger`; none if there is no such stack. With a tracked run come those of its own
    /// dependencies.
    pub fn trigger(
        &mut self,
        wanted: Trigger<'_>,
        dice: &mut Dice,
        now: DateTime<Utc>,
    ) -> Option<RunFacts> {
        let pass = self.runs.len();
        let facts = self.make(wanted, dice, now)?;
        if facts.run_type == RunType::Tracked {
            self.make_natives(pass, dice, now);
        }
        Some(facts)
    }

    /// One run.
    pub(super) fn make(
        &mut self,
        wanted: Trigger<'_>,
        dice: &mut Dice,
        now: DateTime<Utc>,
    ) -> Option<RunFacts> {
        let autodeploy = *self.stacks.get(wanted.stack)?;
        let fate = match dice.below(20) {
            0..2 => Fate::PlanFails,
            2 => Fate::NetworkFails,
            3..6 => Fate::NothingToDo,
            6..8 => Fate::ApplyFails,
            _ => Fate::Goes,
        };
        let facts = RunFacts {
            stack: wanted.stack.clone(),
            // Later ids are larger, as ULIDs are.
            run: RunId(format!("01RUN{:021}", self.runs.len())),
            run_type: wanted.run_type,
            state: RunState::Queued,
            state_version: 1,
            finished: false,
            applied: false,
            commit: wanted.commit,
            triggered_by: Some(wanted.by.to_owned()),
            created_at: now,
            began_at: None,
            entered_at: now,
            updated_at: now,
            delta: None,
            note: None,
            url: "https://acme.app.spacelift.io".to_owned(),
        };
        let delay = TimeDelta::milliseconds(dice.below(SETTLE.num_milliseconds() as usize) as i64);
        let visible_at = now + delay;
        self.runs.push(Run {
            facts: facts.clone(),
            mark: wanted.mark,
            visible_at,
            fate,
            autodeploy,
            pass: self.runs.len(),
            awaits: false,
            changes_outputs: dice.chance(60),
        });
        self.outbox.push(facts.clone().into());
        Some(facts)
    }

    /// `runConfirm` and `runDiscard`; none if the run does not wait for either.
    pub fn decide_plan(
        &mut self,
        run: &RunId,
        confirm: bool,
        now: DateTime<Utc>,
    ) -> Option<RunFacts> {
        let place = self.runs.iter().position(|it| it.facts.run == *run)?;
        if self.runs[place].facts.state != RunState::Unconfirmed {
            return None;
        }
        let state = if confirm { RunState::Confirmed } else { RunState::Discarded };
        self.enter(place, state, now);
        Some(self.runs[place].facts.clone())
    }

    /// `runDiscard`, `runStop` or `runKill`, as the run's state has it; what applies only by force.
    pub fn end_run(&mut self, run: &RunId, force: bool, now: DateTime<Utc>) {
        let Some(place) = self.runs.iter().position(|it| it.facts.run == *run) else { return };
        let to = match self.runs[place].facts.state {
            RunState::Queued | RunState::Unconfirmed => RunState::Discarded,
            RunState::Planning => RunState::Stopped,
            RunState::Confirmed | RunState::Applying if force => RunState::Failed,
            _ => return,
        };
        self.enter(place, to, now);
    }

    pub fn run(&self, run: &RunId) -> Option<&Run> {
        self.runs.iter().find(|it| it.facts.run == *run)
    }

    /// The list of a stack's runs, as far as it shows them yet.
    pub fn recent(
        &self,
        stack: &StackId,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<RunFacts> {
        let shown = |run: &&Run| {
            run.facts.stack == *stack && run.visible_at <= now && run.facts.created_at >= since
        };
        self.runs.iter().filter(shown).map(|run| run.facts.clone()).collect()
    }

    /// Runs that can go on by themselves.
    pub fn movable(&self) -> Vec<usize> {
        (0..self.runs.len()).filter(|&place| self.next(place).is_some()).collect()
    }

    /// Runs that wait to be confirmed: those that chains follow, or those of somebody else and what came
    /// with them. What came with a run of ours is for us to end, if nobody follows it.
    pub fn unconfirmed(&self, ours: bool) -> Vec<RunId> {
        let waiting = self.runs.iter().filter(|run| run.facts.state == RunState::Unconfirmed);
        let is_meant = |run: &&Run| match ours {
            true => run.mark.is_some(),
            false => self.runs[run.pass].mark.is_none(),
        };
        waiting.filter(is_meant).map(|run| run.facts.run.clone()).collect()
    }

    /// Takes a run to its next state.
    pub fn advance(&mut self, place: usize, now: DateTime<Utc>) {
        if let Some(state) = self.next(place) {
            self.enter(place, state, now);
        }
    }

    fn next(&self, place: usize) -> Option<RunState> {
        let run = &self.runs[place];
        let tracked = run.facts.run_type == RunType::Tracked;
        Some(match (&run.facts.state, run.fate) {
            (RunState::Queued, _) if run.awaits => return None,
            (RunState::Queued, _) => {
                let blocked = |other: &Run| other.facts.stack == run.facts.stack && other.blocks();
                if tracked && self.runs.iter().any(blocked) {
                    return None;
                }
                RunState::Planning
            }
            (RunState::Planning, Fate::PlanFails | Fate::NetworkFails) => RunState::Failed,
            (RunState::Planning, Fate::NothingToDo) => RunState::Finished,
            (RunState::Planning, _) if !tracked => RunState::Finished,
            (RunState::Planning, _) if run.autodeploy => RunState::Applying,
            (RunState::Planning, _) => RunState::Unconfirmed,
            (RunState::Confirmed, _) => RunState::Applying,
            (RunState::Applying, Fate::ApplyFails) => RunState::Failed,
            (RunState::Applying, _) => RunState::Finished,
            _ => return None,
        })
    }

    pub(super) fn enter(&mut self, place: usize, state: RunState, now: DateTime<Utc>) {
        let run = &mut self.runs[place];
        // Others say why in their log alone.
        let says_why = place.is_multiple_of(2);
        let changes = !matches!(run.fate, Fate::PlanFails | Fate::NetworkFails | Fate::NothingToDo);
        if says_why && run.fate == Fate::NetworkFails && state == RunState::Failed {
            run.facts.note = Some("read: connection reset by peer".to_owned());
        }
        if run.facts.state == RunState::Planning && changes {
            run.facts.delta = Some(Delta { added: 1, changed: 0, deleted: 0 });
        }
        run.facts.finished = state.is_terminal();
        run.facts.applied |= state.is_applying();
        if state == RunState::Planning {
            run.facts.began_at.get_or_insert(now);
        }
        run.facts.state = state;
        run.facts.state_version += 1;
        (run.facts.entered_at, run.facts.updated_at) = (now, now);
        self.outbox.push(run.facts.clone().into());
        if self.runs[place].facts.finished {
            self.judge(now);
        }
    }
}
