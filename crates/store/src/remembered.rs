//! Remembered answers: inbox and outbox are one row.

use std::{collections::HashMap, sync::Arc};

use bus::{Answers, Receipt};
use chrono::{DateTime, Utc};
use contracts::Envelope;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

/// One row: an event, and what was answered to it.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Who answered.
    pub consumer: &'static str,
    /// The event answered.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// What people would ask for.
    pub event_key: String,
    /// The story it belongs to.
    pub correlation: Uuid,
    /// When it was written.
    pub event_at: DateTime<Utc>,
    /// When it was answered.
    pub answered_at: DateTime<Utc>,
    /// The answers.
    pub answers: Answers,
}

/// A value as JSON text, for columns of type `json`. Bound as text: sqlx would send `jsonb`, which
/// refuses some strings that are valid JSON and must not be lost.
pub fn as_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("what is stored is plain data")
}

/// Writes rows; an event that was answered before keeps its first answers.
pub async fn remember(
    connection: &mut PgConnection,
    rows: &[Remembered],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let answers: Vec<String> = rows.iter().map(|row| as_json(&*row.answers)).collect();
    // Nothing to publish is as good as published.
    let pending: Vec<bool> = rows.iter().map(|row| !row.answers.is_empty()).collect();
    sqlx::query(
        "insert into remembered (consumer, event_id, event_type, event_key, correlation,
             event_at, answered_at, answers, sequences)
         select consumer, event_id, event_type, event_key, correlation, event_at, answered_at,
             answers, case when pending then null else '{}'::bigint[] end
         from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[],
             $6::timestamptz[], $7::timestamptz[], $8::text[]::json[], $9::boolean[])
             as row (consumer, event_id, event_type, event_key, correlation, event_at,
                 answered_at, answers, pending)
         on conflict on constraint remembered_once do nothing",
    )
    .bind(rows.iter().map(|row| row.consumer).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.event_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.event_type.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.event_key.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.correlation).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.event_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.answered_at).collect::<Vec<_>>())
    .bind(answers)
    .bind(pending)
    .execute(connection)
    .await?;
    Ok(())
}

/// What was answered before to any of these events.
pub(crate) async fn recall(
    connection: &mut PgConnection,
    consumer: &str,
    events: &[Uuid],
) -> Result<HashMap<Uuid, Answers>, sqlx::Error> {
    let rows = sqlx::query(
        "select event_id, answers from remembered where consumer = $1 and event_id = any($2)",
    )
    .bind(consumer)
    .bind(events)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let Json(answers): Json<Vec<Envelope>> = row.try_get("answers")?;
            Ok((row.try_get("event_id")?, Arc::new(answers)))
        })
        .collect()
}

/// Notes where answers stand in their stream.
pub(crate) async fn mark(
    executor: impl PgExecutor<'_>,
    consumer: &str,
    receipts: &[Receipt],
) -> Result<(), sqlx::Error> {
    // Arrays of arrays must be rectangular in Postgres, so the sequences travel as text.
    let sequences: Vec<String> = receipts
        .iter()
        .map(|receipt| {
            let list: Vec<_> = receipt.sequences.iter().map(u64::to_string).collect();
            format!("{{{}}}", list.join(","))
        })
        .collect();
    sqlx::query(
        "update remembered set sequences = row.sequences::bigint[]
         from unnest($2::uuid[], $3::text[]) as row (event_id, sequences)
         where remembered.consumer = $1 and remembered.event_id = row.event_id",
    )
    .bind(consumer)
    .bind(receipts.iter().map(|receipt| receipt.cause).collect::<Vec<_>>())
    .bind(sequences)
    .execute(executor)
    .await?;
    Ok(())
}

/// A row that must be published.
#[derive(Debug)]
pub(crate) struct Unpublished {
    pub(crate) consumer: String,
    pub(crate) event_id: Uuid,
    pub(crate) answers: Vec<Envelope>,
}

/// Rows whose answers are not known to be stored, oldest first.
pub(crate) async fn unpublished(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Unpublished>, sqlx::Error> {
    let rows = sqlx::query(
        "select consumer, event_id, answers from remembered
         where sequences is null and answered_at < $1 order by position limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(answers) = row.try_get("answers")?;
            Ok(Unpublished {
                consumer: row.try_get("consumer")?,
                event_id: row.try_get("event_id")?,
                answers,
            })
        })
        .collect()
}

/// A published answer: where it is said to stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) position: i64,
    pub(crate) answer: Uuid,
    pub(crate) sequence: i64,
}

/// The `back`-th newest published row at or below `position`, looked for no earlier than `since`.
pub(crate) async fn published_before(
    pool: &PgPool,
    position: i64,
    back: i64,
    since: DateTime<Utc>,
) -> Result<Option<Published>, sqlx::Error> {
    sqlx::query(
        "select position, (answers->-1->>'id')::uuid as answer,
             sequences[array_upper(sequences, 1)] as sequence
         from remembered
         where sequences <> '{}' and position <= $1 and answered_at >= $3
         order by position desc offset $2 limit 1",
    )
    .bind(position)
    .bind(back)
    .bind(since)
    .fetch_optional(pool)
    .await?
    .as_ref()
    .map(published)
    .transpose()
}

fn published(row: &PgRow) -> Result<Published, sqlx::Error> {
    Ok(Published {
        position: row.try_get("position")?,
        answer: row.try_get("answer")?,
        sequence: row.try_get("sequence")?,
    })
}

/// Forgets where everything after `position` stands, so that it is published again.
pub(crate) async fn forget_published_after(
    pool: &PgPool,
    position: i64,
    since: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "update remembered set sequences = null
         where position > $1 and sequences <> '{}' and answered_at >= $2",
    )
    .bind(position)
    .bind(since)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
