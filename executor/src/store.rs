//! The executor's tables: chains, steps, locks, operations. The only SQL, in this file and its rooms.

mod busy;
mod failures;
mod forget;
mod kept;
mod locks;
mod loose;
mod pages;
mod places;
mod read;
mod tell;
mod withdrawn;
mod work;
mod write;

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Envelope,
    chain::ChainWithdrawn,
    run::{RunReported, RunType},
    stack::StackReassociated,
};
use sqlx::{PgConnection, PgPool, Row};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

pub(crate) use forget::forget;
pub(crate) use locks::{HeldLock, locks, locks_to_look_at, said_of_lock};
pub(crate) use pages::{history, lines, may_be_late, of_stack, page};
pub(crate) use places::Queue;
pub(crate) use tell::{Telling, has_rested, tell_end_of_rest, tell_rest};
pub(crate) use withdrawn::withdrawn;
pub(crate) use work::{
    InFlight, Meanwhile, in_flight, is_triggering, known_runs, meanwhile, nothing_new,
    queued_on_free_stacks, superseded,
};

use self::{
    kept::{Kept, NOT_KEPT},
    loose::CodeBack,
};
use crate::{
    chain::Chain,
    decide::{self, decide},
    input::Input,
    limits::Limits,
    lock::{self, Lock},
    retry::Retries,
    waves::Rules,
};

/// Decides about chains.
#[derive(Debug, Clone)]
pub struct ChainDecider {
    /// The executor's schema.
    pub(crate) pool: PgPool,
    /// How many runs may be at once, and who waits for that.
    pub(crate) queue: Arc<Queue>,
    /// What must be so between waves.
    pub(crate) rules: Arc<Rules>,
    /// How often steps are tried again.
    pub(crate) retries: Arc<Retries>,
    kept: Arc<Kept>,
}

impl ChainDecider {
    /// Decides about the chains in the executor's schema.
    pub(crate) fn new(pool: PgPool, limits: Limits, rules: Rules, retries: Retries) -> Self {
        Self {
            pool,
            queue: Arc::new(Queue::new(limits)),
            rules: Arc::new(rules),
            retries: Arc::new(retries),
            kept: Arc::default(),
        }
    }
}

/// What is kept under one key: a chain; or of a stack its lock, and that its code came back.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) chain: Option<Chain>,
    pub(crate) lock: Option<Lock>,
    /// Written and never read with the others: the chains it concerns are given it.
    code_back: Option<CodeBack>,
    /// A chain that has not come yet was called off: the same.
    withdrawn: Option<(ChainWithdrawn, DateTime<Utc>)>,
}

impl From<Chain> for State {
    fn from(chain: Chain) -> Self {
        Self { chain: Some(chain), ..Self::default() }
    }
}

impl From<Lock> for State {
    fn from(lock: Lock) -> Self {
        Self { lock: Some(lock), ..Self::default() }
    }
}

impl Decider for ChainDecider {
    type Input = Input;
    type State = State;

    async fn keys(
        &self,
        connection: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let reports: Vec<&RunReported> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Reported(report) => Some(report),
                _ => None,
            })
            .collect();
        let known = self.kept.followers(reports.iter().map(|report| &report.run));
        let owners = Owners::read(connection, &reports, known).await?;
        Ok(inputs
            .iter()
            .map(|input| match input {
                Input::Planned(planned) => Some(planned.chain.0),
                Input::Decided(decided) => Some(decided.chain.0),
                Input::Reported(report) => owners.of(report),
                Input::Reassociated(event) => Some(lock::key(&event.stack)),
                Input::Withdrawn(withdrawn) => Some(withdrawn.chain.0),
                Input::Polled(polled) => Some(polled.chain.0),
                Input::Concluded(concluded) => Some(concluded.chain.0),
                Input::Checked(checked) => Some(checked.chain.0),
                Input::Answered(answered) => Some(answered.chain.0),
                Input::Ordered(order) => Some(order.chain.0),
                Input::Overdue(overdue) => Some(overdue.chain.0),
                Input::Superseded(superseded) => Some(superseded.chain.0),
                Input::Lock(input) => Some(lock::key(&input.stack)),
                Input::Woken(chain) => Some(chain.0),
            })
            .collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, State>, sqlx::Error> {
        let (of_locks, keys): (Vec<_>, Vec<_>) =
            keys.iter().copied().partition(|key| lock::is_key(*key));
        let mut chains = self.chains(connection, &keys).await?;
        let is_limited = busy::read(connection, &mut chains).await?;
        if is_limited || !self.queue.limits().is_none() {
            self.queue.read(connection, &mut chains).await?;
        }
        failures::read(connection, &mut chains, now).await?;
        loose::read(connection, &mut chains).await?;
        let locks = locks::read(connection, &of_locks).await?;
        let chains = chains.into_iter().map(|(key, chain)| (key, State::from(chain)));
        Ok(chains.chain(locks.into_iter().map(|(key, lock)| (key, State::from(lock)))).collect())
    }

    fn decide(
        &self,
        state: &mut State,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        if let Input::Lock(of_lock) = &input.body {
            return lock::decide(&mut state.lock, of_lock, input, now);
        }
        if let Input::Reassociated(StackReassociated { stack, reason, .. }) = &input.body {
            let (stack, reason) = (stack.clone(), reason.clone());
            state.code_back = Some(CodeBack { stack, at: input.time, reason });
            return Ok(Decision::none().idempotent());
        }
        if let (Input::Withdrawn(withdrawn), None) = (&input.body, &state.chain) {
            state.withdrawn = Some((withdrawn.clone(), now));
            return Ok(Decision::none().idempotent());
        }
        if let Some(chain) = &mut state.chain {
            (chain.rules, chain.retries) = (self.rules.clone(), self.retries.clone());
        }
        decide(&mut state.chain, input, now)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &State)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let chains: Vec<_> = states.iter().filter_map(|(_, state)| state.chain.as_ref()).collect();
        let mut freed = write::save(connection, &chains, self.queue.limits()).await?;
        if freed.places {
            freed.next.extend(self.queue.next(connection).await?);
        }
        let locks: Vec<_> = states.iter().filter_map(|(_, state)| state.lock.as_ref()).collect();
        freed.next.extend(locks::save(connection, &locks).await?);
        let back: Vec<_> = states.iter().filter_map(|(_, it)| it.code_back.as_ref()).collect();
        freed.next.extend(loose::save(connection, &back).await?);
        let off: Vec<_> = states.iter().filter_map(|(_, it)| it.withdrawn.as_ref()).collect();
        withdrawn::save(connection, &off).await?;
        Ok(freed.next)
    }

    fn committed(&self, states: Vec<(Uuid, State, bool)>) {
        for (key, state, is_written) in states {
            if let Some(chain) = state.chain {
                self.kept.keep(key, chain, is_written);
            }
        }
    }

    fn wake_at(&self, state: &State) -> Option<DateTime<Utc>> {
        state.chain.as_ref().and_then(decide::wake_at)
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        Some(Input::Woken(ChainId(key)))
    }
}

impl ChainDecider {
    /// The chains under these keys: those this process wrote last, and the others as they are written.
    async fn chains(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<HashMap<Uuid, Chain>, sqlx::Error> {
        let mut chains = self.kept.take(keys);
        let version = |key| chains.get(key).map_or(NOT_KEPT, |chain: &Chain| chain.version);
        let known: Vec<_> = keys.iter().map(|key| (*key, version(key))).collect();
        chains.extend(read::chains(connection, &known).await?);
        if cfg!(debug_assertions) {
            check(connection, &chains).await?;
        }
        Ok(chains)
    }
}

/// What is kept is what is written: held against every message of every test.
async fn check(
    connection: &mut PgConnection,
    chains: &HashMap<Uuid, Chain>,
) -> Result<(), sqlx::Error> {
    let keys: Vec<_> = chains.keys().map(|key| (*key, NOT_KEPT)).collect();
    let written = read::chains(connection, &keys).await?;
    for (key, chain) in chains {
        let written = written.get(key).map(but_for_pace);
        assert_eq!(Some(but_for_pace(chain)), written, "a chain is not as it was kept");
    }
    Ok(())
}

/// A chain without the pace of its polling, which is written past its lock.
fn but_for_pace(chain: &Chain) -> Chain {
    let mut chain = chain.clone();
    chain.steps.iter_mut().for_each(|step| step.heard_at = None);
    chain
}

/// Which chains reported runs belong to.
#[derive(Default)]
struct Owners {
    /// Runs that are known, with the chain that still follows them.
    known: HashMap<String, Option<Uuid>>,
    /// Steps whose run has just been asked for, by stack, the first to ask first.
    asking: HashMap<String, Vec<Asking>>,
}

/// A step whose run has just been asked for.
struct Asking {
    chain: Uuid,
    run_type: RunType,
    /// For a preview: the commit its run is on, if it is told.
    commit: Option<String>,
}

impl Owners {
    async fn read(
        connection: &mut PgConnection,
        reports: &[&RunReported],
        known: HashMap<String, Option<Uuid>>,
    ) -> Result<Self, sqlx::Error> {
        let is_unknown = |report: &&&RunReported| !known.contains_key(report.run.as_str());
        let reports: Vec<_> = reports.iter().filter(is_unknown).collect();
        let mut owners = Self { known, ..Self::default() };
        if reports.is_empty() {
            return Ok(owners);
        }
        let rows = sqlx::query(
            "select run as name, true as known, kind, null as commit, null as action,
                 case when state in
                     ('planning', 'gating_apply', 'confirming', 'applying', 'discarding',
                      'canceling') or (state = 'unknown' and course->>'released' is null)
                     then chain_id end as chain, since
             from steps where run = any($1)
             union all
             select steps.stack, false, steps.kind,
                 case when (steps.planned->>'on_commit')::boolean
                     and steps.course->>'on_head' is null
                     then chains.change->>'commit' end, chains.course->>'action',
                 steps.chain_id, steps.since
             from steps join chains on chains.id = steps.chain_id
             where steps.stack = any($2) and steps.state = 'triggering'
             order by since",
        )
        .bind(reports.iter().map(|report| report.run.as_str()).collect::<Vec<_>>())
        .bind(reports.iter().map(|report| report.stack.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
        for row in &rows {
            let name: String = row.try_get("name")?;
            let chain: Option<Uuid> = row.try_get("chain")?;
            let preview = row.try_get::<&str, _>("kind")? == "preview";
            match (row.try_get("known")?, chain) {
                (true, chain) => {
                    owners.known.insert(name, chain);
                }
                (false, Some(chain)) => owners.asking.entry(name).or_default().push(Asking {
                    chain,
                    run_type: match row.try_get::<Option<&str>, _>("action")? {
                        Some("destroy" | "deregister") => RunType::Destroy,
                        _ if preview => RunType::Proposed,
                        _ => RunType::Tracked,
                    },
                    commit: row.try_get::<Option<_>, _>("commit")?.filter(|_| preview),
                }),
                (false, None) => {}
            }
        }
        Ok(owners)
    }

    /// By the run; where it is not known yet, by the stack whose run has just been asked for. A
    /// run that belongs to one chain is nobody else's.
    fn of(&self, report: &RunReported) -> Option<Uuid> {
        if let Some(chain) = self.known.get(report.run.as_str()) {
            return *chain;
        }
        let fits = |asking: &&Asking| {
            asking.run_type == report.run_type
                && asking.commit.as_ref().is_none_or(|it| it == report.commit.as_str())
        };
        self.asking.get(report.stack.as_str())?.iter().find(fits).map(|asking| asking.chain)
    }
}

#[cfg(test)]
pub(crate) mod tests;
