//! The executor's tables: chains, steps, locks, operations. The only SQL, in this file and its rooms.

mod busy;
mod failures;
mod forget;
mod locks;
mod loose;
mod pages;
mod places;
mod read;
mod tell;
mod withdrawn;
mod work;
mod write;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::run::{RunReported, RunType};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

pub(crate) use forget::forget;
pub(crate) use locks::{HeldLock, locks, locks_to_look_at, said_of_lock};
pub(crate) use loose::CodeBack;
pub(crate) use pages::{history, lines, may_be_late, of_stack, page};
pub(crate) use places::Queue;
pub(crate) use tell::{Telling, tell_end_of_rest, tell_rest, told_rest};
pub(crate) use withdrawn::withdrawn;
pub(crate) use work::{
    Belongs, InFlight, Meanwhile, belongs, in_flight, known_runs, meanwhile, nothing_new,
    queued_on_free_stacks, superseded,
};

use crate::{
    chain::Chain,
    decider::{ChainCache, NOT_CACHED, State},
    lock,
};

/// What is kept under these keys: the chains this process wrote last, the others and the locks as they
/// are written, and with each chain what is to be known of others.
pub(crate) async fn load(
    connection: &mut PgConnection,
    (queue, kept): (&Queue, &ChainCache),
    keys: &[Uuid],
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, State>, sqlx::Error> {
    let (of_locks, keys): (Vec<_>, Vec<_>) =
        keys.iter().copied().partition(|key| lock::is_key(*key));
    let mut chains = chains(connection, kept, &keys).await?;
    let is_limited = busy::read(connection, &mut chains).await?;
    if is_limited || !queue.limits().is_none() {
        queue.read(connection, &mut chains).await?;
    }
    failures::read(connection, &mut chains, now).await?;
    loose::read(connection, &mut chains).await?;
    let locks = locks::read(connection, &of_locks).await?;
    let chains = chains.into_iter().map(|(key, chain)| (key, State::from(chain)));
    Ok(chains.chain(locks.into_iter().map(|(key, lock)| (key, State::from(lock)))).collect())
}

/// Writes what was decided; gives the keys of what may go on because of it.
pub(crate) async fn save(
    connection: &mut PgConnection,
    queue: &Queue,
    states: &[(Uuid, &State)],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let chains: Vec<_> = states.iter().filter_map(|(_, state)| state.chain.as_ref()).collect();
    let mut freed = write::save(connection, &chains, queue.limits()).await?;
    if freed.places {
        freed.next.extend(queue.next(connection).await?);
    }
    let locks: Vec<_> = states.iter().filter_map(|(_, state)| state.lock.as_ref()).collect();
    freed.next.extend(locks::save(connection, &locks).await?);
    let back: Vec<_> = states.iter().filter_map(|(_, it)| it.code_back.as_ref()).collect();
    freed.next.extend(loose::save(connection, &back).await?);
    let off: Vec<_> = states.iter().filter_map(|(_, it)| it.withdrawn.as_ref()).collect();
    withdrawn::save(connection, &off).await?;
    Ok(freed.next)
}

/// The chains under these keys.
async fn chains(
    connection: &mut PgConnection,
    kept: &ChainCache,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Chain>, sqlx::Error> {
    let mut chains = kept.take(keys);
    let version = |key| chains.get(key).map_or(NOT_CACHED, |chain: &Chain| chain.version);
    let known: Vec<_> = keys.iter().map(|key| (*key, version(key))).collect();
    chains.extend(read::chains(connection, &known).await?);
    if cfg!(debug_assertions) {
        check(connection, &chains).await?;
    }
    Ok(chains)
}

/// What is kept is what is written: held against every message of every test.
async fn check(
    connection: &mut PgConnection,
    chains: &HashMap<Uuid, Chain>,
) -> Result<(), sqlx::Error> {
    let keys: Vec<_> = chains.keys().map(|key| (*key, NOT_CACHED)).collect();
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
pub(crate) struct Owners {
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
    pub(crate) async fn read(
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
    pub(crate) fn of(&self, report: &RunReported) -> Option<Uuid> {
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
