//! The path of one change through a service: what it was told, what it answered, whom it called.

use chrono::{DateTime, Utc};
use contracts::Envelope;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row, types::Json};
use uuid::Uuid;

/// One thing a service did in a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// The consumer, or for a call to the outside, `effect`.
    pub who: String,
    /// The event type, or the kind of the call.
    pub what: String,
    /// What it was about: the event's key, or the lane of the call.
    pub key: String,
    /// When it was asked for.
    pub began_at: DateTime<Utc>,
    /// When it was answered; absent while a call is open.
    pub ended_at: Option<DateTime<Utc>>,
    /// The event types of the answers.
    pub answers: Vec<String>,
    /// For a call: at which attempt it is, and why the last one did not do. For what was answered once:
    /// why it was answered so.
    pub note: Option<String>,
}

/// Everything this service did in one story, in order.
pub async fn story(pool: &PgPool, correlation: Uuid) -> Result<Vec<Chapter>, sqlx::Error> {
    let rows = sqlx::query(
        "select consumer as who, event_type as what, event_key as key, event_at as began_at,
             answered_at as ended_at,
             case when json_array_length(answers) = 1
                 then answers->0->'body'->'reason'->>'text' end as note,
             array(select answer->>'kind' from json_array_elements(answers) as answer) as answers
         from remembered where correlation = $1
         union all
         select 'effect', kind, lane, created_at, closed_at,
             case when attempt > 1 or reason is not null
                 then 'attempt ' || attempt || coalesce(': ' || (reason->>'text'), '') end,
             '{}'::text[]
         from effects where correlation = $1
         order by began_at, ended_at",
    )
    .bind(correlation)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Chapter {
                who: row.try_get("who")?,
                what: row.try_get("what")?,
                key: row.try_get("key")?,
                began_at: row.try_get("began_at")?,
                ended_at: row.try_get("ended_at")?,
                answers: row.try_get("answers")?,
                note: row.try_get("note")?,
            })
        })
        .collect()
}

/// Everything this service told in one story, in order.
pub async fn told(pool: &PgPool, correlation: Uuid) -> Result<Vec<Envelope>, sqlx::Error> {
    let told: Vec<Json<Vec<Envelope>>> = sqlx::query_scalar(
        "select answers from remembered where correlation = $1 order by answered_at, position",
    )
    .bind(correlation)
    .fetch_all(pool)
    .await?;
    Ok(told.into_iter().flat_map(|Json(answers)| answers).collect())
}
