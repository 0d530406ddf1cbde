//! Who has the places that limits leave, and who queues for them. Nothing here is asked where
//! nothing is limited.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{ChainId, chain::PlannedStep};
use sqlx::{PgConnection, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    chain::{Chain, Hold, Holder},
    limits::{Limits, Numbers, Taken, Turns, Wanting, rank},
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
    let mine: Vec<Asks> = chains.values().flat_map(wanting).collect();
    if mine.is_empty() {
        return Ok(());
    }
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let (queue, taken) = (queue(&mut *connection).await?, taken(&mut *connection).await?);
    let mut places = Places { taken, queue };
    // Those of mine that queue already are among them, unless others stand before them.
    let queues = |it: &Asks| {
        places
            .queue
            .iter()
            .any(|other| (other.chain, &other.planned.stack) == (it.chain, &it.planned.stack))
    };
    let others: Vec<Asks> = mine.iter().filter(|step| !queues(step)).cloned().collect();
    places.queue.extend(others);
    let numbers = places.numbers(limits);
    let turns = places.turns(&numbers);
    for step in mine {
        let Some(places) = turns.kept_back(&step.taken(&numbers)) else { continue };
        let Some(chain) = chains.get_mut(&step.chain.0) else { continue };
        // A stack that another chain has is waited for longer than a place.
        let held = chain.busy.entry(step.planned.stack).or_insert(None);
        let first = places.taken_by.first().map_or(step.chain, |(chain, _)| *chain);
        held.get_or_insert(Holder { chain: first, hold: Hold::Places(places) });
    }
    Ok(())
}

/// The steps of a chain that could start now.
fn wanting(chain: &Chain) -> impl Iterator<Item = Asks> + '_ {
    chain.places().filter(|&at| chain.could_start(at)).map(|at| {
        let step = &chain.steps[at];
        let is_queued = step.state == contracts::step::StepState::Queued;
        Asks {
            chain: chain.id,
            planned: step.planned.clone(),
            rank: rank(chain, step),
            since: if is_queued { step.since } else { Utc::now() },
        }
    })
}

/// The chains that get a place that is free.
pub(crate) async fn next(
    connection: &mut PgConnection,
    limits: &Limits,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let queue = queue(&mut *connection).await?;
    if queue.is_empty() {
        return Ok(Vec::new());
    }
    let places = Places { taken: taken(connection).await?, queue };
    let numbers = places.numbers(limits);
    let turns = places.turns(&numbers);
    let mut chains: Vec<Uuid> = turns.chains().map(|chain| chain.0).collect();
    chains.sort_unstable();
    chains.dedup();
    Ok(chains)
}

/// A step that has a run, or asks for a place for one.
#[derive(Clone)]
struct Asks {
    chain: ChainId,
    planned: PlannedStep,
    rank: i16,
    since: DateTime<Utc>,
}

impl Asks {
    fn taken(&self, numbers: &Numbers<'_>) -> Taken {
        Taken {
            chain: self.chain,
            stack: self.planned.stack.clone(),
            space: self.planned.space.clone(),
            limits: numbers.of(&self.planned),
        }
    }
}

/// Who has places, and who queues for them and would have its stack.
struct Places {
    taken: Vec<Asks>,
    queue: Vec<Asks>,
}

impl Places {
    /// The numbers that count among these.
    fn numbers<'a>(&self, configured: &'a Limits) -> Numbers<'a> {
        Numbers::new(configured, self.taken.iter().chain(&self.queue).map(|it| &it.planned))
    }

    fn turns(&self, numbers: &Numbers<'_>) -> Turns {
        let wanting = |it: &Asks| Wanting { it: it.taken(numbers), rank: it.rank, since: it.since };
        let taken = self.taken.iter().map(|it| it.taken(numbers)).collect();
        Turns::of(numbers, taken, self.queue.iter().map(wanting).collect())
    }
}

/// Those that have a run.
async fn taken(connection: &mut PgConnection) -> Result<Vec<Asks>, sqlx::Error> {
    let rows = sqlx::query(
        "select * from (
             select chain_id, planned, rank, since from steps where state in ('planning',
                 'gating_apply', 'confirming', 'applying', 'discarding', 'canceling')
             union all
             select chain_id, planned, rank, since from steps where state = 'triggering'
         ) as taken
         order by since",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(one).collect()
}

/// Those that queue for a place, and would have their stack.
async fn queue(connection: &mut PgConnection) -> Result<Vec<Asks>, sqlx::Error> {
    let rows = sqlx::query(
        "select * from (
             select chain_id, planned, rank, since,
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
    rows.iter().map(one).collect()
}

fn one(row: &PgRow) -> Result<Asks, sqlx::Error> {
    let Json(planned) = row.try_get("planned")?;
    Ok(Asks {
        chain: ChainId(row.try_get("chain_id")?),
        planned,
        rank: row.try_get("rank")?,
        since: row.try_get("since")?,
    })
}
