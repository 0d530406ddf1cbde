//! Who has the places that limits leave, and who queues for them. Nothing here is asked where
//! nothing is limited.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use contracts::{ChainId, StackId, chain::PlannedStep};
use sqlx::{PgConnection, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    chain::{Chain, Hold, Holder},
    limits::{Limits, Numbers, Taken, Turns, Wanting, rank},
};

/// Held until the decision is committed: two of them must not give away the same place.
const LOCK: i64 = 0x7374_6163_6b6c_7901;

/// How many of each space, and of those under the same limits, are looked at; more seldom get a
/// place at once.
const OF_A_GROUP: i64 = 32;

/// The queue for the places that limits leave. Who has one and who waits is read each time; what is
/// planned for a step never changes, so that is read once.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    /// Of those that were there the last time.
    planned: Mutex<Planned>,
}

/// What is planned for steps, by chain and stack.
type Planned = HashMap<(Uuid, StackId), Arc<PlannedStep>>;

impl Queue {
    /// The queue under these limits, and those that the code of stacks says.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, planned: Mutex::default() }
    }

    /// The limits of the configuration.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says of the steps that could start now, and are limited, who keeps them from a place.
    pub(super) async fn read(
        &self,
        connection: &mut PgConnection,
        chains: &mut HashMap<Uuid, Chain>,
    ) -> Result<(), sqlx::Error> {
        let mine: Vec<Asks> = chains.values().flat_map(wanting).collect();
        if mine.is_empty() {
            return Ok(());
        }
        sqlx::query("select pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *connection)
            .await?;
        let mut there = self.there(connection).await?;
        // Those of mine that queue already are among them, unless others stand before them. Whose stack
        // is not free cannot go, and keeps no place from others.
        let is_held = |it: &Asks| {
            let held = chains.get(&it.chain.0).and_then(|chain| chain.busy.get(&it.planned.stack));
            held.is_some_and(Option::is_some)
        };
        let may_go = |it: &&Asks| !is_held(it) && !there.queue.iter().any(|other| other.is_for(it));
        let others: Vec<Asks> = mine.iter().filter(may_go).cloned().collect();
        there.queue.extend(others);
        let numbers = there.numbers(&self.limits);
        let turns = there.turns(&numbers);
        for step in mine {
            let Some(places) = turns.kept_back(&step.taken(&numbers)) else { continue };
            let Some(chain) = chains.get_mut(&step.chain.0) else { continue };
            // A stack that another chain has is waited for longer than a place.
            let held = chain.busy.entry(step.planned.stack.clone()).or_insert(None);
            let first = places.taken_by.first().map_or(step.chain, |(chain, _)| *chain);
            held.get_or_insert(Holder { chain: first, hold: Hold::Places(places) });
        }
        Ok(())
    }

    /// The chains that get a place that is free.
    pub(crate) async fn next(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let there = self.there(connection).await?;
        let numbers = there.numbers(&self.limits);
        let mut chains: Vec<Uuid> = there.turns(&numbers).chains().map(|chain| chain.0).collect();
        chains.sort_unstable();
        chains.dedup();
        Ok(chains)
    }

    /// Those that have a run, and those that queue for a place and would have their stack.
    async fn there(&self, connection: &mut PgConnection) -> Result<There, sqlx::Error> {
        let rows = sqlx::query(THERE).bind(OF_A_GROUP).fetch_all(&mut *connection).await?;
        let rows: Vec<Place> = rows.iter().map(Place::of).collect::<Result<_, _>>()?;
        let mut known = self.known(&rows);
        let unknown: Vec<_> = rows.iter().filter(|row| !known.contains_key(&row.step)).collect();
        known.extend(planned(connection, &unknown).await?);
        let mut there = There { taken: Vec::new(), queue: Vec::new() };
        for Place { step, rank, since, queues } in rows {
            let planned = known.get(&step).ok_or(sqlx::Error::RowNotFound)?.clone();
            let all = if queues { &mut there.queue } else { &mut there.taken };
            all.push(Asks { chain: ChainId(step.0), planned, rank, since, queues });
        }
        *self.planned.lock().expect("no holder panics") = known;
        Ok(there)
    }

    /// What is planned for these, as far as they were there the last time.
    fn known(&self, rows: &[Place]) -> Planned {
        let planned = self.planned.lock().expect("no holder panics");
        let known = |row: &Place| Some((row.step.clone(), planned.get(&row.step)?.clone()));
        rows.iter().filter_map(known).collect()
    }
}

/// The steps of a chain that could start now.
fn wanting(chain: &Chain) -> impl Iterator<Item = Asks> + '_ {
    chain.places().filter(|&at| chain.could_start(at)).map(|at| {
        let step = &chain.steps[at];
        let is_queued = step.state == contracts::step::StepState::Queued;
        Asks {
            chain: chain.id,
            planned: Arc::new(step.planned.clone()),
            rank: rank(chain, step),
            since: if is_queued { step.since } else { Utc::now() },
            queues: is_queued,
        }
    })
}

/// A step that has a run, or asks for a place for one.
#[derive(Clone)]
struct Asks {
    chain: ChainId,
    planned: Arc<PlannedStep>,
    rank: i16,
    since: DateTime<Utc>,
    /// It has nothing else to wait for.
    queues: bool,
}

impl Asks {
    fn is_for(&self, other: &Self) -> bool {
        (self.chain, &self.planned.stack) == (other.chain, &other.planned.stack)
    }

    fn taken(&self, numbers: &Numbers<'_>) -> Taken {
        Taken {
            chain: self.chain,
            stack: self.planned.stack.clone(),
            share: numbers.share(&self.planned),
            limits: numbers.of(&self.planned),
        }
    }
}

/// Who has places, the longest first, and who queues for them and would have its stack.
struct There {
    taken: Vec<Asks>,
    queue: Vec<Asks>,
}

impl There {
    /// The numbers that count among these.
    fn numbers<'a>(&self, configured: &'a Limits) -> Numbers<'a> {
        Numbers::new(configured, self.taken.iter().chain(&self.queue).map(|it| &*it.planned))
    }

    fn turns(&self, numbers: &Numbers<'_>) -> Turns {
        let wanting = |asks: &Asks| {
            let Asks { rank, since, queues, .. } = *asks;
            Wanting { it: asks.taken(numbers), rank, since, queues }
        };
        let taken = self.taken.iter().map(|it| it.taken(numbers)).collect();
        Turns::of(numbers, taken, self.queue.iter().map(wanting).collect())
    }
}

/// Those that have a run; and, of each group, the first that queue for a place and would have their
/// stack. The groups are found one after the other by their index, and a group is read no further
/// than it counts: thousands may wait.
const THERE: &str = "
    with recursive groups as (
        (select space, limits from steps where state = 'queued' and limits <> '{}'
            order by space, limits limit 1)
        union all
        select next.space, next.limits from groups cross join lateral (
            select space, limits from steps
            where state = 'queued' and limits <> '{}'
                and (space, limits) > (groups.space, groups.limits)
            order by space, limits limit 1) as next)
    select chain_id, stack, rank, since, false as queues from (
        select * from steps where state in ('planning', 'gating_apply', 'confirming', 'applying',
            'discarding', 'canceling')
        union all
        select * from steps where state = 'triggering') as taken
    union all
    select first.chain_id, first.stack, first.rank, first.since, true
    from groups cross join lateral (
        select chain_id, stack, rank, since from steps queued
        where state = 'queued' and limits <> '{}'
            and space = groups.space and limits = groups.limits
            and (kind <> 'deploy' or not exists (
                select from steps held where held.stack = queued.stack
                    and held.kind = 'deploy' and held.state in ('triggering', 'planning',
                        'gating_apply', 'confirming', 'applying', 'discarding', 'canceling')
                union all
                select from steps kept where kept.stack = queued.stack and kept.kind = 'deploy'
                    and kept.state = 'unknown' and kept.course->>'released' is null
                union all
                select from locks where locks.stack = queued.stack and locks.state <> 'free'
                union all
                select from steps first where first.stack = queued.stack
                    and first.kind = 'deploy' and first.state = 'queued'
                    and (first.rank, first.since, first.chain_id)
                        < (queued.rank, queued.since, queued.chain_id)))
        order by rank, since, chain_id, stack limit $1) as first
    order by queues, since";

/// A row of these.
struct Place {
    step: (Uuid, StackId),
    rank: i16,
    since: DateTime<Utc>,
    queues: bool,
}

impl Place {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            step: (row.try_get("chain_id")?, row.try_get::<&str, _>("stack")?.into()),
            rank: row.try_get("rank")?,
            since: row.try_get("since")?,
            queues: row.try_get("queues")?,
        })
    }
}

/// What is planned for these steps.
async fn planned(connection: &mut PgConnection, places: &[&Place]) -> Result<Planned, sqlx::Error> {
    if places.is_empty() {
        return Ok(Planned::new());
    }
    let rows = sqlx::query(
        "select chain_id, planned from steps
         join unnest($1::uuid[], $2::text[]) as row (chain_id, stack) using (chain_id, stack)",
    )
    .bind(places.iter().map(|place| place.step.0).collect::<Vec<_>>())
    .bind(places.iter().map(|place| place.step.1.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        let Json(planned): Json<PlannedStep> = row.try_get("planned")?;
        Ok(((row.try_get("chain_id")?, planned.stack.clone()), Arc::new(planned)))
    };
    rows.iter().map(read).collect()
}
