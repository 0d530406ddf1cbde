//! The four deciders with what their tables and processes do besides deciding: the part of each
//! service's `store.rs` that is more than reading and writing.

mod telling;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Envelope, StackId,
    chain::{ChainKind, ChainState},
    run::RunType,
    step::StepState,
};
use executor::{Chain, Changes, Hold, Holder, Retries, Step, rank};
use planner::{
    decider::Planner,
    known::{Known, Shelf, Snapshot},
    memory::{self, Memory},
};
use policy::{
    decider::{GateDecider, Happening, StoredGate},
    library::Library,
};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use super::{
    node::{Node, Rig},
    stacks::{holders, settled, shares, steps},
    violation::Violation,
};

pub use telling::NotifierRig;

pub type States<S> = BTreeMap<Uuid, S>;

/// The planner, and the account as it was read last.
pub struct PlannerRig {
    pub decider: Planner,
    pub read: Option<Snapshot>,
}

impl PlannerRig {
    pub fn new() -> Self {
        let shelf = Arc::new(Shelf::default());
        let decider = Planner {
            shelf,
            previews_from_forks: false,
            reads_code: false,
            validates: false,
            reports: Arc::default(),
        };
        Self { decider, read: None }
    }

    /// Puts a reading of the account in place.
    pub fn learn(&mut self, known: Arc<Known>, as_of: DateTime<Utc>) {
        let snapshot = Snapshot { known, as_of };
        self.decider.shelf.put(snapshot.clone());
        self.read = Some(snapshot);
    }

    /// Whether the account should be read.
    pub fn wants_to_read(&self) -> bool {
        self.read.as_ref().is_none_or(|read| self.decider.shelf.wants_newer_than(read.as_of))
    }
}

impl Rig for PlannerRig {
    type Input = planner::decider::Input;
    type State = Memory;

    const CONSUMER: &'static str = planner::CARD.consumer;

    fn key(&self, _: &States<Memory>, input: &Self::Input) -> Option<Uuid> {
        match input {
            planner::decider::Input::Pushed(it) => Some(memory::key(&it.change.repository)),
            planner::decider::Input::Proposed(it) => Some(memory::key(&it.change.repository)),
            planner::decider::Input::Closed(it) => Some(memory::key(&it.change.repository)),
            planner::decider::Input::Commanded(it) => Some(memory::key(&it.repository)),
            planner::decider::Input::Woken(key) => Some(*key),
            planner::decider::Input::Surveyed(it) => Some(memory::key(&it.repository)),
            planner::decider::Input::Read(it) => Some(memory::key(&it.call.repository)),
            planner::decider::Input::Adopted(it) => Some(memory::key(&it.adoption.repository)),
            planner::decider::Input::Asked(it) => {
                it.first().map(|chain| memory::key(&chain.change().repository))
            }
            planner::decider::Input::Validated(it) => Some(memory::key(&it.call.look.repository)),
            planner::decider::Input::Changed(it) => Some(memory::key(&it.repository)),
            planner::decider::Input::Audited(_) | planner::decider::Input::Received(_) => None,
        }
    }

    fn decide(
        &self,
        state: &mut Memory,
        input: &Envelope<Self::Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        self.decider.decide(state, input, now)
    }

    fn saved(&mut self, _: &States<Memory>, changed: &States<Memory>) -> Vec<Uuid> {
        for since in changed.values().filter_map(Memory::waits_since) {
            self.decider.shelf.want(since);
        }
        Vec::new()
    }

    fn wake_at(&self, state: &Memory) -> Option<DateTime<Utc>> {
        self.decider.wake_at(state)
    }

    fn wake(&self, key: Uuid) -> Option<Self::Input> {
        self.decider.wake(key)
    }

    fn restarted(&mut self) {
        self.decider.shelf = Arc::new(Shelf::default());
        if let Some(read) = &self.read {
            self.decider.shelf.put(read.clone());
        }
    }
}

/// The policy service.
pub struct PolicyRig(pub GateDecider);

impl PolicyRig {
    pub fn new(library: Arc<Library>) -> Self {
        Self(GateDecider::new(library))
    }
}

impl Rig for PolicyRig {
    type Input = Happening;
    type State = Option<StoredGate>;

    const CONSUMER: &'static str = policy::CARD.consumer;

    fn key(&self, _: &States<Option<StoredGate>>, input: &Happening) -> Option<Uuid> {
        input.gate().map(|gate| gate.0)
    }

    fn decide(
        &self,
        state: &mut Option<StoredGate>,
        input: &Envelope<Happening>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        self.0.decide(state, input, now)
    }

    fn wake_at(&self, state: &Option<StoredGate>) -> Option<DateTime<Utc>> {
        self.0.wake_at(state)
    }

    fn wake(&self, key: Uuid) -> Option<Happening> {
        self.0.wake(key)
    }

    fn wrong(&self, state: &Option<StoredGate>) -> Option<Violation> {
        let gate = &state.as_ref()?.gate;
        let silent = gate.reasons.first().is_none_or(|reason| reason.text.is_empty());
        silent.then(|| Violation::NoReason { what: gate.request.gate.to_string() })
    }
}

/// The executor, and every state that a chain or a step of it entered.
#[derive(Default)]
pub struct ExecutorRig {
    pub reached: BTreeSet<&'static str>,
}

impl ExecutorRig {
    /// For each stack, the chain that goes first, of those `wanted`.
    fn first_in_queue<'a>(
        chains: impl Iterator<Item = &'a Chain>,
        wanted: impl Fn(&StackId) -> bool,
    ) -> Vec<Uuid> {
        let mut first: BTreeMap<&StackId, (i16, DateTime<Utc>, Uuid)> = BTreeMap::new();
        let steps = chains.flat_map(|chain| chain.steps.iter().map(move |step| (chain, step)));
        for (chain, step) in steps.filter(|(_, step)| step.state == StepState::Queued) {
            let stack = &step.planned.stack;
            if wanted(stack) {
                let this = (rank(chain, step), step.since, chain.id.0);
                first.entry(stack).and_modify(|known| *known = this.min(*known)).or_insert(this);
            }
        }
        first.into_values().map(|(_, _, chain)| chain).collect()
    }

    /// Chains that come first in the queue for a stack that nobody has.
    pub fn queued_on_free_stacks(node: &Node<Self>) -> Vec<Uuid> {
        Self::first_in_queue(node.states.values().flatten(), |stack| {
            let held = holders(&node.states).any(|(_, step)| step.planned.stack == *stack);
            !held && node.open_lane(&format!("stack/{stack}")).is_none()
        })
    }
}

impl Rig for ExecutorRig {
    type Input = executor::Input;
    type State = Option<Chain>;

    const CONSUMER: &'static str = executor::CARD.consumer;

    fn key(&self, chains: &States<Option<Chain>>, input: &executor::Input) -> Option<Uuid> {
        let report = match input {
            executor::Input::Planned(planned) => return Some(planned.chain.0),
            executor::Input::Decided(decided) => return Some(decided.chain.0),
            executor::Input::Concluded(concluded) => return Some(concluded.chain.0),
            executor::Input::Checked(checked) => return Some(checked.chain.0),
            executor::Input::Answered(answered) => return Some(answered.chain.0),
            executor::Input::Ordered(order) => return Some(order.chain.0),
            executor::Input::Overdue(overdue) => return Some(overdue.chain.0),
            executor::Input::Superseded(superseded) => return Some(superseded.chain.0),
            executor::Input::Withdrawn(withdrawn) => return Some(withdrawn.chain.0),
            executor::Input::Woken(chain) => return Some(chain.0),
            executor::Input::Polled(polled) => return Some(polled.chain.0),
            executor::Input::Reported(report) => report,
            // No code is gone here, and nobody locks a stack.
            executor::Input::Reassociated(_) | executor::Input::Lock(_) => return None,
        };
        // A run that belongs to one chain is nobody else's.
        let of_run =
            |(_, step): &(&Chain, &Step)| step.run.as_ref().is_some_and(|it| it.id == report.run);
        if let Some((chain, step)) = steps(chains).find(of_run) {
            let follows = step.state.holds_stack() && step.state != StepState::Triggering;
            return follows.then_some(chain.id.0);
        }
        let asking = |(chain, step): &(&Chain, &Step)| {
            let preview = chain.kind == ChainKind::Preview;
            let run_type = if preview { RunType::Proposed } else { RunType::Tracked };
            let commit = chain.commit(0).filter(|_| preview && step.planned.on_commit);
            step.state == StepState::Triggering
                && step.planned.stack == report.stack
                && report.run_type == run_type
                && commit.is_none_or(|it| it == report.commit)
        };
        let first = steps(chains).filter(asking).min_by_key(|(_, step)| step.since);
        first.map(|(chain, _)| chain.id.0)
    }

    fn load(
        &self,
        chains: &States<Option<Chain>>,
        key: Uuid,
        lane: &dyn Fn(&str) -> Option<Uuid>,
    ) -> Option<Chain> {
        let mut chain = chains.get(&key).cloned().flatten()?;
        chain.changes = Changes::default();
        chain.busy.clear();
        let mut busy: Vec<(StackId, Option<Holder>)> = Vec::new();
        let wanting = (0..chain.steps.len()).filter(|&at| chain.could_start(at));
        if chain.kind == ChainKind::Preview {
            // Its stacks are nobody's.
            let stacks: Vec<_> =
                wanting.map(|at| (chain.steps[at].planned.stack.clone(), None)).collect();
            chain.busy.extend(stacks);
            return Some(chain);
        }
        for mine in wanting.map(|at| &chain.steps[at]) {
            let stack = &mine.planned.stack;
            let others = || {
                steps(chains)
                    .filter(|(other, step)| other.id != chain.id && step.planned.stack == *stack)
            };
            let runs = others()
                .find(|(other, step)| other.kind == ChainKind::Deploy && step.state.holds_stack());
            let calls = lane(&format!("stack/{stack}")).map(ChainId);
            let queues = others().find(|(other, step)| {
                let queued = mine.state == StepState::Queued;
                let since = if queued { mine.since } else { DateTime::<Utc>::MAX_UTC };
                step.state == StepState::Queued
                    && (rank(other, step), step.since, other.id)
                        < (rank(&chain, mine), since, chain.id)
            });
            let held = runs.map(|(other, _)| (other.id, Hold::Runs));
            let held = held.or_else(|| calls.map(|chain| (chain, Hold::Calls)));
            let held = held.or_else(|| queues.map(|(other, _)| (other.id, Hold::Queues)));
            let held = held.map(|(chain, hold)| Holder { chain, hold });
            busy.push((stack.clone(), held));
        }
        chain.busy.extend(busy);
        chain.settled = settled(chains, &chain);
        chain.shares = shares(chains, &chain);
        Some(chain)
    }

    fn decide(
        &self,
        state: &mut Option<Chain>,
        input: &Envelope<executor::Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        if let Some(chain) = state {
            chain.retries = Arc::new(Retries { read_logs: true, ..Retries::default() });
        }
        executor::decide_chain(state, input, now)
    }

    /// The unique index: one deploying step holds a stack.
    fn fits(&self, chains: &States<Option<Chain>>, changed: &States<Option<Chain>>) -> bool {
        let unchanged = holders(chains).filter(|(chain, _)| !changed.contains_key(&chain.id.0));
        let mut held: Vec<_> =
            unchanged.chain(holders(changed)).map(|(_, step)| &step.planned.stack).collect();
        let all = held.len();
        held.sort();
        held.dedup();
        held.len() == all
    }

    fn saved(
        &mut self,
        before: &States<Option<Chain>>,
        changed: &States<Option<Chain>>,
    ) -> Vec<Uuid> {
        let operations = changed.values().flatten().flat_map(|chain| &chain.changes.operations);
        self.reached.extend(operations.map(|operation| operation.to));
        let freed: BTreeSet<_> =
            changed.values().flatten().flat_map(|chain| &chain.changes.freed).collect();
        if freed.is_empty() {
            return Vec::new();
        }
        let unchanged = before.iter().filter(|(key, _)| !changed.contains_key(key));
        let all = unchanged.map(|(_, chain)| chain).chain(changed.values()).flatten();
        Self::first_in_queue(all, |stack| freed.contains(stack))
    }

    fn wake_at(&self, state: &Option<Chain>) -> Option<DateTime<Utc>> {
        state.as_ref().and_then(executor::wake_at)
    }

    fn wake(&self, key: Uuid) -> Option<executor::Input> {
        Some(executor::Input::Woken(ChainId(key)))
    }

    fn wrong(&self, state: &Option<Chain>) -> Option<Violation> {
        let chain = state.as_ref()?;
        let step = chain.steps.iter().enumerate().find(|(at, step)| {
            let idle = matches!(
                step.state,
                StepState::Waiting | StepState::Skipped | StepState::Denied | StepState::Canceled
            );
            let early = !idle && !chain.standing(*at).is_met();
            step.reason.text.is_empty() || early
        });
        if let Some((_, step)) = step {
            let what = format!("{} of {} is {}", step.planned.stack, chain.id, step.state);
            return Some(match step.reason.text.is_empty() {
                true => Violation::NoReason { what },
                false => Violation::TooEarly { what },
            });
        }
        let silent = chain.reason.text.is_empty()
            || (chain.state.is_terminal() && chain.ended_at.is_none())
            || (chain.state == ChainState::Gating && chain.steps.iter().any(|it| it.run.is_some()));
        silent.then(|| Violation::NoReason { what: format!("{} is {}", chain.id, chain.state) })
    }
}
