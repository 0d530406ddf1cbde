//! Moves runs on: creates them, enters states, works off what is due.

mod actions;
mod dependencies;
mod effects;
mod push;
mod stacks;
mod trigger;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ulid::Ulid;

use crate::{
    account::PlanResult,
    agenda::Job,
    journal::{JournalEvent, TransitionRecord},
    record::{Commit, Run, Transition},
    run::{self, Event, Facts, Refusal},
    states::{RunState, RunType},
    world::World,
};

pub(crate) use actions::Target;
pub(crate) use effects::published;
pub use push::Push;
pub(crate) use trigger::Trigger;

/// Who asks, as far as the engine needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Arc<str>,
    pub(crate) metadata: Option<Arc<str>>,
}

/// Why a state was entered, where there is something to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remark {
    pub(crate) note: Option<Arc<str>>,
    pub(crate) username: Option<Arc<str>>,
}

impl Remark {
    pub(crate) fn note(note: impl Into<Arc<str>>) -> Self {
        Self { note: Some(note.into()), username: None }
    }

    pub(crate) fn by(caller: &Caller, note: Option<String>) -> Self {
        Self { note: note.map(Into::into), username: Some(caller.actor.clone()) }
    }
}

/// A run that is about to exist.
#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub(crate) stack: Arc<str>,
    pub(crate) kind: RunType,
    pub(crate) branch: Arc<str>,
    pub(crate) commit: Arc<Commit>,
    pub(crate) triggered_by: Option<Arc<str>>,
    pub(crate) command: Option<String>,
    pub(crate) skip_initialization: bool,
    pub(crate) force_apply: bool,
    pub(crate) cascade: bool,
    pub(crate) metadata: Option<Arc<str>>,
    pub(crate) external: BTreeSet<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) pass: Option<u64>,
    pub(crate) awaits_parents: bool,
}

impl World {
    /// Makes a run in `QUEUED`. It starts when the agenda is next worked off.
    pub(crate) fn create_run(&mut self, new: NewRun) -> Arc<Run> {
        let id = self.ids.next(self.now);
        let stack = new.stack.clone();
        let run = Run {
            id,
            stack: new.stack,
            kind: new.kind,
            state: RunState::None,
            version: 0,
            branch: new.branch,
            command: new.command,
            commit: new.commit,
            created_ms: self.now,
            updated_ms: self.now,
            triggered_by: new.triggered_by,
            history: Vec::with_capacity(8),
            delta: None,
            outcome: None,
            changes: Vec::new(),
            failure_log: Vec::new(),
            force_apply: new.force_apply,
            skip_initialization: new.skip_initialization,
            targets: Vec::new(),
            metadata: new.metadata.into_iter().collect(),
            reviews: Vec::new(),
            comments: Vec::new(),
            pass: new.pass,
            awaits_parents: new.awaits_parents,
            external: new.external,
            inputs: new.environment,
            lenient_inputs: false,
            changed_outputs: BTreeSet::new(),
            stop_asked: false,
        };
        for name in &run.external {
            self.external.entry(name.clone()).or_default().insert(id);
        }
        let lane = self.lanes.entry(stack.clone()).or_default();
        lane.list_of(run.kind).push(id);
        lane.waiting_of(run.kind).insert(id);
        self.runs.insert(id, Arc::new(run));
        self.enter(id, RunState::Queued, Remark::default());
        self.agenda.add(self.now, Job::Start { stack });
        self.runs[&id].clone()
    }

    /// Lets something happen to a run, if its state allows it.
    pub(crate) fn happen(
        &mut self,
        id: Ulid,
        event: Event,
        remark: Remark,
    ) -> Result<Arc<Run>, Refusal> {
        let missing = || Refusal::new(format!("run {id} not found"));
        let run = self.runs.get(&id).cloned().ok_or_else(missing)?;
        let to = self.with_facts(&run, |facts| run::next(facts, event))?;
        drop(run);
        self.enter(id, to, remark);
        self.runs.get(&id).cloned().ok_or_else(missing)
    }

    fn with_facts<T>(&self, run: &Run, decide: impl FnOnce(&Facts<'_>) -> T) -> T {
        let stack = self.stacks.get(&run.stack);
        let usual = PlanResult::default();
        let behaviour = stack.map(|stack| &stack.seed.behaviour);
        let plan = run.outcome.as_ref().or_else(|| behaviour.map(|b| &b.plan)).unwrap_or(&usual);
        decide(&Facts {
            kind: run.kind,
            state: run.state,
            plan,
            autodeploy: stack.is_some_and(|stack| stack.autodeploys()),
            plan_warning: behaviour.is_some_and(|b| b.plan_warning),
            force_apply: run.force_apply,
            skip_initialization: run.skip_initialization,
            undecided: self.undecided(run),
            review_on_warning: behaviour.is_some_and(|b| b.approvals.pending_review > 0),
        })
    }

    /// Whether approvals are missing in the state the run is in.
    pub(crate) fn undecided(&self, run: &Run) -> bool {
        let Some(stack) = self.stacks.get(&run.stack) else { return false };
        let approvals = stack.seed.behaviour.approvals;
        let needed = match run.state {
            RunState::Queued => approvals.queued,
            RunState::Unconfirmed => approvals.unconfirmed,
            RunState::PendingReview => approvals.pending_review,
            _ => 0,
        };
        needed > run.approvals()
    }

    /// The one place where a run changes its state.
    pub(crate) fn enter(&mut self, id: Ulid, to: RunState, remark: Remark) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(&id).map(Arc::make_mut) else { return };
        let from = (!run.history.is_empty()).then_some(run.state);
        let stack = run.stack.clone();
        run.state = to;
        run.version += 1;
        run.updated_ms = now;
        run.history.push(Transition {
            state: to,
            version: run.version,
            at_ms: now,
            note: remark.note.clone(),
            username: remark.username,
        });
        let (version, kind) = (run.version, run.kind);
        let record = record_of(run, from, remark.note.clone());
        if let Some(from) = from {
            self.by_state.entry(from).or_default().remove(&id);
        }
        self.by_state.entry(to).or_default().insert(id);
        self.journal.push(now, JournalEvent::Transition(record));
        self.apply_effects(id, from, to);
        self.update_lane(&stack, id, kind, to);
        self.update_stack_state(&stack, id, to);
        self.announce(id, remark.note);
        if to.terminal() {
            self.end_in_pass(id);
        }
        if let Some(duration) = self.pace_of(&stack).of(to) {
            let at = now + i64::try_from(duration).unwrap_or(i64::MAX / 4);
            self.agenda.add(at, Job::PhaseOver { run: id, version });
        }
    }

    fn pace_of(&self, stack: &str) -> crate::pace::Pace {
        let own = self.stacks.get(stack).and_then(|stack| stack.seed.behaviour.pace);
        own.unwrap_or(self.pace)
    }

    fn update_lane(&mut self, stack: &Arc<str>, id: Ulid, kind: RunType, to: RunState) {
        let Some(lane) = self.lanes.get_mut(stack) else { return };
        if to != RunState::Queued {
            lane.waiting_of(kind).remove(&id);
            lane.prioritized.remove(&id);
        }
        if to == RunState::Ready && kind.blocking() {
            lane.blocker = Some(id);
        }
        if to.terminal() && lane.blocker == Some(id) {
            lane.blocker = None;
            self.agenda.add(self.now, Job::Start { stack: stack.clone() });
        }
    }

    fn update_stack_state(&mut self, stack: &Arc<str>, id: Ulid, to: RunState) {
        let newest = self.lanes.get(stack).and_then(|lane| lane.runs.last().copied());
        if newest != Some(id) {
            return;
        }
        let (now, by) = (self.now, self.runs.get(&id).and_then(|run| run.triggered_by.clone()));
        if let Some(stack) = self.stacks.get_mut(stack).map(Arc::make_mut) {
            stack.state = to;
            stack.state_set_ms = now;
            stack.state_set_by = by;
        }
    }

    /// Does everything that is due, in order, each at the time it was due.
    pub(crate) fn work_off(&mut self) {
        let now = self.clock.now();
        while let Some((at_ms, job)) = self.agenda.pop_due(now) {
            self.now = self.now.max(at_ms);
            match job {
                Job::PhaseOver { run, version } => self.end_phase(run, version),
                Job::Start { stack } => self.start_waiting(&stack),
                Job::Judge { run } => self.judge(run),
                Job::Remove { stack } => {
                    if let Err(refusal) = self.remove_stack(&stack) {
                        tracing::warn!(%stack, %refusal, "a destroyed stack could not be removed");
                    }
                }
            }
        }
        self.now = self.now.max(now);
    }

    pub(crate) fn work_off_unless_paused(&mut self) {
        if !self.clock.paused() {
            self.work_off();
        }
    }

    fn end_phase(&mut self, id: Ulid, version: i32) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.version != version {
            return;
        }
        let event = match run.state {
            RunState::Ready => match self.assign(id) {
                Ok(()) => Event::PhaseOver,
                Err(reason) => {
                    self.moved(id, Event::AssignmentFailed, Remark::note(reason.0));
                    return;
                }
            },
            RunState::Planning | RunState::Performing | RunState::Destroying => {
                self.bind_outcome(id);
                Event::PhaseOver
            }
            _ => Event::PhaseOver,
        };
        self.moved(id, event, Remark::default());
    }

    /// As [`World::happen`], for events of the simulator's own, which no state refuses.
    pub(crate) fn moved(&mut self, id: Ulid, event: Event, remark: Remark) {
        if let Err(refusal) = self.happen(id, event, remark) {
            tracing::error!(run = %id, ?event, %refusal, "the engine asked for a step that is none");
        }
    }

    fn start_waiting(&mut self, stack: &Arc<str>) {
        let Some(lane) = self.lanes.get(stack) else { return };
        let free =
            |run: &Run| !run.awaits_parents && run.external.is_empty() && !self.undecided(run);
        let waiting = |set: &BTreeSet<Ulid>| -> Vec<Ulid> {
            set.iter()
                .copied()
                .filter(|id| self.runs.get(id).is_some_and(|run| free(run)))
                .collect()
        };
        let mut starting = waiting(&lane.waiting_proposed);
        if lane.blocker.is_none() {
            let first = |set: &BTreeSet<Ulid>| {
                set.iter().copied().find(|id| self.runs.get(id).is_some_and(|run| free(run)))
            };
            let first = first(&lane.prioritized).or_else(|| first(&lane.waiting));
            starting.extend(first);
        }
        for id in starting {
            self.moved(id, Event::Turn, Remark::default());
        }
    }
}

fn record_of(run: &Run, from: Option<RunState>, note: Option<Arc<str>>) -> TransitionRecord {
    TransitionRecord {
        run: run.id.to_string(),
        stack: run.stack.clone(),
        run_type: run.kind,
        from,
        to: run.state,
        state_version: run.version,
        triggered_by: run.triggered_by.clone(),
        commit: run.commit.hash.as_str().into(),
        metadata: run.metadata.first().cloned(),
        note,
    }
}
