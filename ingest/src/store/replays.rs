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

/// Remembers events that come of reading deliveries again, all or none: the relay publishes them.
/// What is told twice is remembered once.
pub(crate) async fn keep(
    pool: &PgPool,
    by: &str,
    events: Vec<(Uuid, Answers)>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let row = |(delivery, answers): (Uuid, Answers)| {
        Some((delivery, remembered("ingest.replay", &answers, now)?))
    };
    let (deliveries, rows): (Vec<_>, Vec<_>) = events.into_iter().filter_map(row).unzip();
    if rows.is_empty() {
        return Ok(());
    }
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "insert into replays (event, delivery, at, by)
         select event, delivery, $3, $4 from unnest($1::uuid[], $2::uuid[]) as row (event, delivery)
         on conflict on constraint replays_once do nothing",
    )
    .bind(rows.iter().map(|row| row.event_id).collect::<Vec<_>>())
    .bind(deliveries)
    .bind(now)
    .bind(by)
    .execute(&mut *transaction)
    .await?;
    ::store::remember(&mut transaction, &rows).await?;
    transaction.commit().await
}
