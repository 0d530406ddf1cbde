//! Messages that were given up, kept for as long as their dead letters are.

use std::collections::HashSet;

use bus::{Letter, LetterPlace};
use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row, types::Json};
use uuid::Uuid;

/// A letter, and where it was put.
pub(crate) struct Buried {
    pub(crate) letter: Letter,
    pub(crate) place: Option<LetterPlace>,
    pub(crate) at: DateTime<Utc>,
}

/// Keeps a letter, in place of an earlier one about the same event.
pub(crate) async fn keep(pool: &PgPool, letter: &Letter) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into buried (consumer, key, headers, payload, buried_at)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint buried_once do update set headers = excluded.headers,
             payload = excluded.payload, buried_at = excluded.buried_at, life = null,
             sequence = null",
    )
    .bind(&letter.consumer)
    .bind(letter.key)
    .bind(Json(&letter.headers))
    .bind(&letter.payload)
    .bind(Utc::now())
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes where a letter was put.
pub(crate) async fn note(
    pool: &PgPool,
    letter: &Letter,
    place: LetterPlace,
) -> Result<(), sqlx::Error> {
    sqlx::query("update buried set life = $3, sequence = $4 where consumer = $1 and key = $2")
        .bind(&letter.consumer)
        .bind(letter.key)
        .bind(place.life)
        .bind(place.sequence.cast_signed())
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets a letter that somebody took out.
pub(crate) async fn forget(pool: &PgPool, letter: &Letter) -> Result<(), sqlx::Error> {
    sqlx::query("delete from buried where consumer = $1 and key = $2")
        .bind(&letter.consumer)
        .bind(letter.key)
        .execute(pool)
        .await?;
    Ok(())
}

/// Which of these events this consumer has given up, with a letter that was put where people find it.
/// They come again when the consumer goes back in the stream, and count as answered.
pub(crate) async fn among(
    pool: &PgPool,
    consumer: &str,
    events: &[Uuid],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "select key from buried
         where consumer = $1 and key = any($2) and sequence is not null",
    )
    .bind(consumer)
    .bind(events)
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().collect())
}

/// Forgets that these events were given up, because people gave them back: they are tried again.
pub(crate) async fn take_back(
    pool: &PgPool,
    consumer: &str,
    events: &[Uuid],
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from buried where consumer = $1 and key = any($2)")
        .bind(consumer)
        .bind(events)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets letters that were handled since, and those that are older than `before`.
pub(crate) async fn prune(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "delete from buried where buried_at < $1 or exists (
             select from remembered where remembered.consumer = buried.consumer
                 and remembered.event_id = buried.key
                 and remembered.answered_at > buried.buried_at)",
    )
    .bind(before)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// The letters behind one, in the order of their keys.
pub(crate) async fn page(
    pool: &PgPool,
    after: &(String, Uuid),
    limit: i64,
) -> Result<Vec<Buried>, sqlx::Error> {
    let rows = sqlx::query(
        "select consumer, key, headers, payload, buried_at, life, sequence from buried
         where (consumer, key) > ($1, $2) order by consumer, key limit $3",
    )
    .bind(&after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(headers) = row.try_get("headers")?;
            let life: Option<Uuid> = row.try_get("life")?;
            let sequence: Option<i64> = row.try_get("sequence")?;
            let place = life
                .zip(sequence)
                .map(|(life, sequence)| LetterPlace { life, sequence: sequence.cast_unsigned() });
            let letter = Letter {
                consumer: row.try_get("consumer")?,
                key: row.try_get("key")?,
                headers,
                payload: row.try_get("payload")?,
            };
            Ok(Buried { letter, place, at: row.try_get("buried_at")? })
        })
        .collect()
}
