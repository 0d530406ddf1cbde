//! What the reconciler and the calls look up.

use chrono::{DateTime, Utc};
use contracts::{ChainId, RunId, StackId, Trace};
use sqlx::{PgPool, Row, types::Json};
use uuid::Uuid;

use crate::course::Said;

/// Runs of a stack that are accounted for, as far as they may have been made since a time: a step
/// does not rest from before its run was made.
pub(crate) async fn known_runs(
    pool: &PgPool,
    stack: &StackId,
    since: DateTime<Utc>,
) -> Result<Vec<RunId>, sqlx::Error> {
    let runs: Vec<String> = sqlx::query_scalar(
        "select run from steps where stack = $1 and since >= $2 and run is not null
         union all
         select json_array_elements_text(course->'past_runs') from steps
         where stack = $1 and since >= $2 and course->>'past_runs' is not null",
    )
    .bind(stack.as_str())
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok(runs.into_iter().map(RunId).collect())
}

/// A run in flight of which nothing was heard for a while.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) chain: Uuid,
    pub(crate) stack: StackId,
    pub(crate) run: RunId,
    /// The number of the newest state known.
    pub(crate) version: i64,
    /// It waits to be confirmed, and what it plans is not known.
    pub(crate) plan_is_missing: bool,
    /// Its step has ended, and nobody knows how.
    pub(crate) is_unknown: bool,
    /// How often in a row Spacelift knew no such run.
    pub(crate) misses: i32,
    pub(crate) correlation: Uuid,
    pub(crate) trace: Option<Trace>,
}

/// Runs in flight of which nothing was heard since a time, the most silent first.
pub(crate) async fn in_flight(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<InFlight>, sqlx::Error> {
    let rows = sqlx::query(
        "select steps.chain_id, steps.stack, steps.run, steps.state_version, steps.misses,
             steps.state = 'planning' and steps.run_state = 'UNCONFIRMED' as plan_is_missing,
             steps.state = 'unknown' as is_unknown, chains.correlation, chains.trace
         from (
             select * from steps where state in
                 ('planning', 'gating_apply', 'confirming', 'applying', 'discarding', 'canceling')
             union all
             select * from steps
             where state = 'unknown' and kind = 'deploy' and course->>'released' is null) as steps
         join chains on chains.id = steps.chain_id
         where (steps.heard_at < $1 or steps.heard_at is null) and steps.run is not null
         order by steps.heard_at nulls first limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(InFlight {
                chain: row.try_get("chain_id")?,
                stack: row.try_get::<String, _>("stack")?.into(),
                run: row.try_get::<String, _>("run")?.into(),
                version: row.try_get("state_version")?,
                plan_is_missing: row.try_get("plan_is_missing")?,
                is_unknown: row.try_get("is_unknown")?,
                misses: row.try_get("misses")?,
                correlation: row.try_get("correlation")?,
                trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
            })
        })
        .collect()
}

/// Notes that Spacelift was asked about these and had nothing new to tell. It only sets the pace of
/// the polling, so it is written past the locks and versions of the chains.
pub(crate) async fn nothing_new(
    pool: &PgPool,
    steps: &[InFlight],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if steps.is_empty() {
        return Ok(());
    }
    // It waits for nobody: a step that is being decided upon is heard of anyway.
    sqlx::query(
        "update steps set heard_at = $3
         from (
             select steps.chain_id, steps.stack from steps
             join unnest($1::uuid[], $2::text[]) as row (chain_id, stack)
                 on row.chain_id = steps.chain_id and row.stack = steps.stack
             for update of steps skip locked
         ) as quiet
         where steps.chain_id = quiet.chain_id and steps.stack = quiet.stack",
    )
    .bind(steps.iter().map(|step| step.chain).collect::<Vec<_>>())
    .bind(steps.iter().map(|step| step.stack.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Chains that give way, and the newest chain of the same branch that they give way to. What brings no
/// change of code takes nobody's place, and gives its own to nobody.
///
/// It is asked every few seconds, so each looks only at what is newer on its own branch, the newest
/// first.
pub(super) const SUPERSEDED: &str = "select old.id, old.correlation, newest.id as by
     from chains old cross join lateral (
         select new.id from chains new
         where new.change->>'repository' = old.change->>'repository'
             and new.change->>'branch' = old.change->>'branch'
             and new.began_at > old.began_at
             and coalesce(new.course->>'action', 'deliver') = 'deliver'
             and new.kind = old.kind
             and new.change->>'pull_request' is not distinct from old.change->>'pull_request'
             and (old.course->>'again_at' is null
                 or new.began_at > (old.course->>'again_at')::timestamptz)
             and new.state not in ('gating', 'denied')
             -- One that was called off before it had a run delivers nothing.
             and (new.state <> 'canceled' or exists (
                 select from steps ran where ran.chain_id = new.id
                     and (ran.run is not null or ran.course->'past_runs' is not null)))
             and not exists (
                 select from steps mine where mine.chain_id = old.id and not exists (
                     select from steps theirs
                     where theirs.chain_id = new.id and theirs.stack = mine.stack))
         order by new.began_at desc limit 1) newest
     where old.ended_at is null and old.course->'options'->>'supersede' = 'true'
         and old.course->>'canceled' is null
         and coalesce(old.course->>'action', 'deliver') = 'deliver'";

/// Chains that give way to a newer one: which, its story, and to which.
pub(crate) async fn superseded(pool: &PgPool) -> Result<Vec<(Uuid, Uuid, Uuid)>, sqlx::Error> {
    let rows = sqlx::query(SUPERSEDED).fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("correlation")?, row.try_get("by")?)))
        .collect()
}

/// What has become of a step since a call of it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Meanwhile {
    /// A person wants it ended.
    pub(crate) is_canceled: bool,
    /// It is paused, or its chain, or the policies do not let it go on any more, or its chain has
    /// stopped.
    pub(crate) is_held: bool,
    /// Who has locked its stack through us, or is about to.
    pub(crate) locked: Option<Said>,
}

/// What has become of a step. What is planned before anything is applied, no pause of the step holds.
pub(crate) async fn meanwhile(
    pool: &PgPool,
    chain: ChainId,
    stack: &StackId,
) -> Result<Meanwhile, sqlx::Error> {
    let row = sqlx::query(
        "select steps.course->>'cancel' is not null as is_canceled,
             chains.state = 'paused' or steps.course->>'withheld' is not null
                 or (steps.course->>'paused' is not null and chains.state <> 'planning') as is_held,
             (select said from locks
                 where locks.stack = steps.stack and locks.state <> 'free') as locked
         from steps join chains on chains.id = steps.chain_id
         where steps.chain_id = $1 and steps.stack = $2",
    )
    .bind(chain.0)
    .bind(stack.as_str())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(Meanwhile::default()) };
    Ok(Meanwhile {
        is_canceled: row.try_get("is_canceled")?,
        is_held: row.try_get("is_held")?,
        locked: row.try_get::<Option<Json<Said>>, _>("locked")?.map(|Json(said)| said),
    })
}

/// Whose a run is that Spacelift made for a step by itself.
pub(crate) struct Belongs {
    /// It is that of a step, of whatever chain.
    pub(crate) is_taken: bool,
    /// A run of the step that it was made for is being asked for, which may be this one.
    pub(crate) may_be_taken: bool,
}

/// Whose a run is that Spacelift made for a step by itself.
pub(crate) async fn belongs(
    pool: &PgPool,
    chain: ChainId,
    stack: &StackId,
    run: &RunId,
) -> Result<Belongs, sqlx::Error> {
    let row = sqlx::query(
        "select exists (select from steps where stack = $2 and run = $3) as is_taken,
             exists (select from steps
                 where chain_id = $1 and stack = $2 and state = 'triggering') as may_be_taken",
    )
    .bind(chain.0)
    .bind(stack.as_str())
    .bind(run.as_str())
    .fetch_one(pool)
    .await?;
    Ok(Belongs { is_taken: row.try_get("is_taken")?, may_be_taken: row.try_get("may_be_taken")? })
}

/// Chains that come first in the queue for a stack that nobody has.
pub(crate) async fn queued_on_free_stacks(pool: &PgPool) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct on (queued.stack) queued.chain_id from steps queued
         where queued.state = 'queued' and queued.limits = '{}' and not exists (
             select from steps held where held.stack = queued.stack and held.kind = 'deploy'
                 and held.state in ('triggering', 'planning', 'gating_apply', 'confirming',
                     'applying', 'discarding', 'canceling'))
             and not exists (
                 select from steps kept where kept.stack = queued.stack and kept.kind = 'deploy'
                     and kept.state = 'unknown' and kept.course->>'released' is null)
             and not exists (
                 select from effects where lane = 'stack/' || queued.stack and open)
             and not exists (
                 select from locks where locks.stack = queued.stack and locks.state <> 'free')
         order by queued.stack, queued.rank, queued.since, queued.chain_id",
    )
    .fetch_all(pool)
    .await
}
