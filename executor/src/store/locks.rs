//! The locks that people have taken on stacks through us.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{Reason, StackId};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use store::as_json;
use uuid::Uuid;

use super::read::{json, word};
use crate::{
    course::Said,
    lock::{self, Lock, LockLine},
};

/// The locks under these keys.
pub(super) async fn read(
    connection: &mut PgConnection,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Lock>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query("select * from locks where id = any($1)")
        .bind(keys)
        .fetch_all(connection)
        .await?;
    let lock = |row: &PgRow| {
        let lock = Lock {
            stack: row.try_get::<String, _>("stack")?.into(),
            state: word(row, "state")?,
            reason: json(row, "reason")?,
            since: row.try_get("since")?,
            said: json(row, "said")?,
            mark: row.try_get("mark")?,
            operations: Vec::new(),
        };
        Ok((row.try_get("id")?, lock))
    };
    rows.iter().map(lock).collect()
}

/// Writes locks and what happened to them; gives who comes first in the queues for their stacks.
pub(super) async fn save(
    connection: &mut PgConnection,
    locks: &[&Lock],
) -> Result<Vec<Uuid>, sqlx::Error> {
    if locks.is_empty() {
        return Ok(Vec::new());
    }
    let operations: Vec<_> = locks
        .iter()
        .flat_map(|lock| {
            lock.operations.iter().map(|operation| (lock::key(&lock.stack), operation))
        })
        .collect();
    sqlx::query_scalar(
        "with written as (
             insert into locks (id, stack, state, reason, since, said, mark)
             select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]::json[],
                 $5::timestamptz[], $6::text[]::json[], $7::text[])
             on conflict on constraint locks_once do update set
                 state = excluded.state, reason = excluded.reason, since = excluded.since,
                 said = excluded.said, mark = excluded.mark),
         recorded as (
             insert into operations
                 (chain_id, stack, from_state, event, to_state, reason, cause, at, actor)
             select * from unnest($8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[],
                 $13::text[]::json[], $14::uuid[], $15::timestamptz[], $16::text[]))
         select distinct on (stack) chain_id from steps
         where state = 'queued' and kind = 'deploy' and stack = any($2)
         order by stack, rank, since, chain_id",
    )
    .bind(locks.iter().map(|lock| lock::key(&lock.stack)).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| lock.stack.as_str()).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| lock.state.as_str()).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| as_json(&lock.reason)).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| lock.since).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| as_json(&lock.said)).collect::<Vec<_>>())
    .bind(locks.iter().map(|lock| lock.mark.as_str()).collect::<Vec<_>>())
    .bind(operations.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(
        operations.iter().map(|(_, it)| it.stack.as_ref().map(StackId::as_str)).collect::<Vec<_>>(),
    )
    .bind(operations.iter().map(|(_, it)| it.from).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| it.event).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| it.to).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| as_json(&it.reason)).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| it.cause).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| it.at).collect::<Vec<_>>())
    .bind(operations.iter().map(|(_, it)| it.actor.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// A lock that was taken through us.
pub(crate) struct HeldLock {
    /// The stack.
    pub(crate) stack: StackId,
    /// By which it is known in Spacelift.
    pub(crate) mark: String,
    /// Who took it.
    pub(crate) by: String,
}

/// The most locks that are looked at in one round.
const ROUND_MAX: i64 = 100;

/// Locks that were taken, and not looked at since then; whoever is given them looks.
pub(crate) async fn locks_to_look_at(
    pool: &PgPool,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<HeldLock>, sqlx::Error> {
    let rows = sqlx::query(
        "update locks set looked_at = $2
         where id in (
             select id from locks
             where state = 'locked' and since < $1 and (looked_at is null or looked_at < $1)
             order by looked_at nulls first limit $3 for update skip locked)
         returning stack, mark, said->>'by' as by",
    )
    .bind(before)
    .bind(now)
    .bind(ROUND_MAX)
    .fetch_all(pool)
    .await?;
    let held = |row: &PgRow| {
        let stack: String = row.try_get("stack")?;
        Ok(HeldLock { stack: stack.into(), mark: row.try_get("mark")?, by: row.try_get("by")? })
    };
    rows.iter().map(held).collect()
}

/// Who has locked a stack through us, or is about to; with the note of a lock that Spacelift shows,
/// only if it is that one.
pub(crate) async fn said_of_lock(
    pool: &PgPool,
    stack: &StackId,
    note: Option<&str>,
) -> Result<Option<Said>, sqlx::Error> {
    let found: Option<Json<Said>> = sqlx::query_scalar(
        "select said from locks
         where stack = $1 and state <> 'free' and ($2::text is null or position(mark in $2) > 0)",
    )
    .bind(stack.as_str())
    .bind(note)
    .fetch_optional(pool)
    .await?;
    Ok(found.map(|Json(said)| said))
}

/// The lock on a stack, whoever has it; without a stack those that are held.
pub(crate) async fn locks(
    pool: &PgPool,
    stack: Option<&StackId>,
) -> Result<Vec<LockLine>, sqlx::Error> {
    let rows = sqlx::query(
        "select locks.*, (select effects.reason from effects
             where lane = 'lock/' || locks.stack and open) as call
         from locks where stack = $1 or ($1 is null and state <> 'free') order by stack",
    )
    .bind(stack.map(StackId::as_str))
    .fetch_all(pool)
    .await?;
    let line = |row: &PgRow| {
        let call: Option<Json<Option<Reason>>> = row.try_get("call")?;
        Ok(LockLine {
            stack: row.try_get::<String, _>("stack")?.into(),
            state: word(row, "state")?,
            reason: json(row, "reason")?,
            since: row.try_get("since")?,
            said: json(row, "said")?,
            call: call.and_then(|Json(call)| call),
        })
    };
    rows.iter().map(line).collect()
}
