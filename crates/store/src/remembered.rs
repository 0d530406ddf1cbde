//! Remembered answers: inbox and outbox are one row.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bus::Answers;
use chrono::{DateTime, Utc};
use contracts::Envelope;
use serde::Serialize;
use sqlx::{PgConnection, Row, types::Json};
use uuid::Uuid;

use crate::{
    published::BLOCK,
    write::{Calls, write},
};

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
    let answers: Vec<_> = rows.iter().map(|row| as_json(&*row.answers)).collect();
    let calls = Calls { effects: &[], now: Utc::now(), lease: Duration::ZERO, holder: None };
    write(connection, rows, &answers, calls).await.map(drop)
}

/// What was answered before.
#[derive(Debug, Clone)]
pub(crate) struct Recalled {
    pub(crate) answers: Answers,
    /// They stand in their stream; should it lose them, the relay sends them again.
    pub(crate) is_published: bool,
}

/// What was answered before to any of these events. What was given up, with a letter that was put where
/// people find it, was answered with nothing.
pub(crate) async fn recall(
    connection: &mut PgConnection,
    consumer: &str,
    events: &[Uuid],
) -> Result<HashMap<Uuid, Recalled>, sqlx::Error> {
    // Event by event (`offset 0`): with `event_id = any($2)`, a plan made while the table was small
    // reads everything this consumer ever answered.
    let rows = sqlx::query(
        "select found.* from unnest($2::uuid[]) as asked (id) cross join lateral (
             select event_id, answers, exists (
                 select from published_blocks
                 where block = position / $3 and position = any(positions)
             ) as is_published
             from remembered where consumer = $1 and event_id = asked.id
             offset 0
         ) as found
         union all
         select key, '[]'::json, true from buried
         where consumer = $1 and key = any($2) and sequence is not null and not exists (
             select from remembered where consumer = $1 and event_id = buried.key)",
    )
    .bind(consumer)
    .bind(events)
    .bind(BLOCK)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let Json(answers): Json<Vec<Envelope>> = row.try_get("answers")?;
            let is_published = row.try_get("is_published")?;
            Ok((row.try_get("event_id")?, Recalled { answers: Arc::new(answers), is_published }))
        })
        .collect()
}
