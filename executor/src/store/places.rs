//! Who has the places that limits leave, and who queues for them. Nothing here is asked where
//! nothing is limited.

use std::collections::HashMap;

use chrono::Utc;
use contracts::ChainId;
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    chain::{Chain, Hold, Holder},
    limits::{Limits, Taken, Turns, Wanting, rank},
};

/// Held until the decision is committed: two of them must not give away the same place.
const LOCK: i64 = 0x7374_6163_6b6c_7901;

/// How many of each space are looked at; more seldom get a place at once.
const OF_A_SPACE: i64 = 32;

/// Says of the steps that could start now, and are limited, who keeps them from a place.
pub(super) async fn read(
    connection: &mut PgConnection,
    chains: &mut HashMap<Uuid, Chain>,
    limits: &Limits,
) -> Result<(), sqlx::Error> {
    let mine: Vec<Wanting> = chains.values().flat_map(|chain| wanting(chain, limits)).collect();
    if mine.is_empty() {
        return Ok(());
    }
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let (taken, mut queue) = places(connection).await?;
    let queues = |it: &Taken, queue: &[Wanting]| {
        queue.iter().any(|other| (other.it.chain, &other.it.stack) == (it.chain, &it.stack))
    };
    // Those of mine that queue already are among them, unless others stand before them.
    for step in &mine {
        if !queues(&step.it, &queue) {
            queue.push(step.clone());
        }
    }
    let turns = Turns::of(limits, taken, queue);
    for Wanting { it, .. } in mine {
        let Some(places) = turns.kept_back(&it) else { continue };
        let Some(chain) = chains.get_mut(&it.chain.0) else { continue };
        // A stack that another chain has is waited for longer than a place.
        let held = chain.busy.entry(it.stack).or_insert(None);
        let first = places.taken_by.first().map_or(it.chain, |(chain, _)| *chain);
        held.get_or_insert(Holder { chain: first, hold: Hold::Places(places) });
    }
    Ok(())
}

/// The limited steps of a chain that could start now.
fn wanting<'a>(chain: &'a Chain, limits: &'a Limits) -> impl Iterator<Item = Wanting> + 'a {
    let could = chain.places().filter(|_| !limits.is_none()).filter(|&at| chain.could_start(at));
    could.filter_map(|at| {
        let step = &chain.steps[at];
        let (stack, space) = (step.planned.stack.clone(), step.planned.space.clone());
        let it = Taken { chain: chain.id, stack, space, limits: limits.of(&step.planned) };
        let is_queued = step.state == contracts::step::StepState::Queued;
        let since = if is_queued { step.since } else { Utc::now() };
        (!it.limits.is_empty()).then(|| Wanting { it, rank: rank(chain, step), since })
    })
}

/// The chains that get a place that is free.
pub(crate) async fn next(
    connection: &mut PgConnection,
    limits: &Limits,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let (taken, queue) = places(connection).await?;
    let mut chains: Vec<Uuid> =
        Turns::of(limits, taken, queue).chains().map(|chain| chain.0).collect();
    chains.sort_unstable();
    chains.dedup();
    Ok(chains)
}

/// Who has places, and who queues for them and would have its stack.
async fn places(connection: &mut PgConnection) -> Result<(Vec<Taken>, Vec<Wanting>), sqlx::Error> {
    let taken = sqlx::query(
        "select chain_id, stack, planned->>'space' as space, limits from steps
         where limits <> '{}' and state <> 'queued' order by since",
    )
    .fetch_all(&mut *connection)
    .await?;
    let queue = sqlx::query(
        "select * from (
             select chain_id, stack, planned->>'space' as space, limits, rank, since,
                 row_number() over (partition by planned->>'space'
                     order by rank, since, chain_id, stack) as place
             from steps queued
             where limits <> '{}' and state = 'queued' and (kind <> 'deploy' or not exists (
                 select from steps held where held.stack = queued.stack
                     and held.kind = 'deploy' and held.state in ('triggering', 'planning',
                         'gating_apply', 'confirming', 'applying', 'discarding', 'canceling')
                 union all
                 select from steps first where first.stack = queued.stack
                     and first.kind = 'deploy' and first.state = 'queued'
                     and (first.since, first.chain_id) < (queued.since, queued.chain_id)))
         ) as queued
         where place <= $1",
    )
    .bind(OF_A_SPACE)
    .fetch_all(connection)
    .await?;
    let taken = taken.iter().map(one).collect::<Result<_, _>>()?;
    let wanting = |row: &PgRow| {
        let (rank, since) = (row.try_get("rank")?, row.try_get("since")?);
        Ok(Wanting { it: one(row)?, rank, since })
    };
    Ok((taken, queue.iter().map(wanting).collect::<Result<_, sqlx::Error>>()?))
}

fn one(row: &PgRow) -> Result<Taken, sqlx::Error> {
    Ok(Taken {
        chain: ChainId(row.try_get("chain_id")?),
        stack: row.try_get::<String, _>("stack")?.into(),
        space: row.try_get::<String, _>("space")?.into(),
        limits: row.try_get("limits")?,
    })
}
