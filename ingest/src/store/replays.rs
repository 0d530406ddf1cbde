//! Deliveries that are read again.

use bus::Answers;
use chrono::{DateTime, Utc};
use contracts::Envelope;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{CONSUMER, remembered};

/// The events that followed from a delivery when it came; nothing if they are remembered no more.
pub(crate) async fn first_events(
    pool: &PgPool,
    event: Uuid,
) -> Result<Option<Vec<Envelope>>, sqlx::Error> {
    let found: Option<Json<Vec<Envelope>>> =
        sqlx::query_scalar("select answers from remembered where consumer = $1 and event_id = $2")
            .bind(CONSUMER)
            .bind(event)
            .fetch_optional(pool)
            .await?;
    Ok(found.map(|Json(events)| events))
}

/// The events that came of reading a delivery again.
pub(crate) async fn of(pool: &PgPool, delivery: Uuid) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("select event from replays where delivery = $1 order by at")
        .bind(delivery)
        .fetch_all(pool)
        .await
}

/// Remembers events that come of reading a delivery again: the relay publishes them.
pub(crate) async fn keep(
    pool: &PgPool,
    (delivery, by): (Uuid, &str),
    answers: &Answers,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let Some(row) = remembered("ingest.replay", answers, now) else { return Ok(()) };
    let mut transaction = pool.begin().await?;
    sqlx::query("insert into replays (event, delivery, at, by) values ($1, $2, $3, $4)")
        .bind(row.event_id)
        .bind(delivery)
        .bind(now)
        .bind(by)
        .execute(&mut *transaction)
        .await?;
    ::store::remember(&mut transaction, &[row]).await?;
    transaction.commit().await
}
