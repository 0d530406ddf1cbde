//! Where remembered answers stand in their stream, and which of them stand nowhere.
//!
//! A narrow table of its own, `published`, and not a column of `remembered`: a mark is one small
//! row appended, where updating the wide row would write it again, and each of its indexes with it
//! (measured in the README).

use std::collections::HashMap;

use bus::{Bus, Era, Receipt};
use chrono::{DateTime, Utc};
use contracts::Envelope;
use sqlx::{PgPool, Row, types::Json};
use uuid::Uuid;

/// Notes where answers stand in their stream, and since when. The `positions` of their rows, by the
/// events they answer, need not be known; looking them up is dearer.
///
/// Only what was stored in the era that is entered now is noted: the end of every other era has
/// been looked for already, and what is noted later would not be missed when it is lost. What is
/// not noted is published again by the relay.
pub async fn mark(
    pool: &PgPool,
    bus: &Bus,
    consumer: &str,
    receipts: &[Receipt],
    positions: &HashMap<Uuid, i64>,
) -> Result<(), sqlx::Error> {
    let era = bus.hold_era().await;
    let Some(id) = era.id() else { return Ok(()) };
    // One event may be answered twice in a batch of receipts; a statement may touch a row once.
    let stored: HashMap<Uuid, i64> = receipts
        .iter()
        .filter(|receipt| receipt.era == Some(id))
        .filter_map(|receipt| Some((receipt.cause, receipt.sequences.iter().max()?.cast_signed())))
        .collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|(cause, _)| positions.contains_key(cause));
    let known = known.into_iter().map(|(cause, sequence)| (positions[&cause], sequence)).unzip();
    mark_rows(pool, id, known).await?;
    mark_causes(pool, id, consumer, unknown.into_iter().unzip()).await
}

/// Not flushed at once: a mark that is lost costs a message sent twice under one id. What is marked
/// twice, by the engine and by the relay, keeps the time of the first mark.
async fn mark_rows(
    pool: &PgPool,
    era: Uuid,
    (positions, sequences): (Vec<i64>, Vec<i64>),
) -> Result<(), sqlx::Error> {
    if positions.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "with quick as (select set_config('synchronous_commit', 'off', true))
         insert into published (position, era, sequence, at)
         select position, $2, sequence, now()
         from quick, unnest($1::bigint[], $3::bigint[]) as row (position, sequence)
         on conflict on constraint published_once
             do update set era = excluded.era, sequence = excluded.sequence, at = excluded.at
             where (published.era, published.sequence) <> (excluded.era, excluded.sequence)",
    )
    .bind(positions)
    .bind(era)
    .bind(sequences)
    .execute(pool)
    .await?;
    Ok(())
}

/// Finds the rows by the events they answer.
async fn mark_causes(
    pool: &PgPool,
    era: Uuid,
    consumer: &str,
    (causes, sequences): (Vec<Uuid>, Vec<i64>),
) -> Result<(), sqlx::Error> {
    if causes.is_empty() {
        return Ok(());
    }
    // Row by row (`offset 0`), because a plan made while the table was small would read all of the
    // consumer's.
    let rows = sqlx::query(
        "select position, row.sequence
         from unnest($2::uuid[], $3::bigint[]) as row (event_id, sequence)
             cross join lateral (
                 select position from remembered
                 where consumer = $1 and remembered.event_id = row.event_id
                 offset 0
             ) as found",
    )
    .bind(consumer)
    .bind(causes)
    .bind(sequences)
    .fetch_all(pool)
    .await?;
    let found = rows.iter().map(|row| Ok((row.try_get("position")?, row.try_get("sequence")?)));
    let found: Vec<(i64, i64)> = found.collect::<Result<_, sqlx::Error>>()?;
    mark_rows(pool, era, found.into_iter().unzip()).await
}

/// A row that stands nowhere.
#[derive(Debug)]
pub(crate) struct Unpublished {
    pub(crate) position: i64,
    pub(crate) consumer: String,
    pub(crate) event_id: Uuid,
    /// Absent if it was answered just now and is on its way.
    pub(crate) answers: Option<Vec<Envelope>>,
}

/// Rows above `position` that stand nowhere, oldest first.
pub(crate) async fn unpublished(
    pool: &PgPool,
    position: i64,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Unpublished>, sqlx::Error> {
    let rows = sqlx::query(
        "select position, consumer, event_id,
             case when answered_at < $2 then answers end as answers
         from remembered
         where has_answers and position > $1 and not exists (
             select from published where published.position = remembered.position)
         order by position limit $3",
    )
    .bind(position)
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let answers: Option<Json<_>> = row.try_get("answers")?;
            Ok(Unpublished {
                position: row.try_get("position")?,
                consumer: row.try_get("consumer")?,
                event_id: row.try_get("event_id")?,
                answers: answers.map(|Json(answers)| answers),
            })
        })
        .collect()
}

/// Up to where rows are there, and which transactions may still add rows below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// The highest position to be seen.
    pub(crate) position: i64,
    /// Transactions below have ended.
    pub(crate) ended: i64,
    /// Transactions from here on have not begun.
    pub(crate) begun: i64,
}

/// How far one can see now. Positions are given before they are committed, so below the highest
/// one there may be gaps that are filled later.
pub(crate) async fn horizon(pool: &PgPool) -> Result<Horizon, sqlx::Error> {
    let row = sqlx::query(
        "select coalesce((select max(position) from remembered where has_answers), 0) as position,
             pg_snapshot_xmin(now.snapshot)::text::bigint as ended,
             pg_snapshot_xmax(now.snapshot)::text::bigint as begun
         from (select pg_current_snapshot() as snapshot) now",
    )
    .fetch_one(pool)
    .await?;
    Ok(Horizon {
        position: row.try_get("position")?,
        ended: row.try_get("ended")?,
        begun: row.try_get("begun")?,
    })
}

/// Notes that an era was entered.
pub(crate) async fn note_era(pool: &PgPool, era: &Era) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into eras (id, life, entered_at) values ($1, $2, now())
         on conflict on constraint eras_once do nothing",
    )
    .bind(era.id)
    .bind(era.life)
    .execute(pool)
    .await?;
    Ok(())
}

/// The eras that something was published in: each with the life of the stream it belongs to.
pub(crate) async fn eras(pool: &PgPool) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, life from eras
         where exists (select from published where published.era = eras.id)
         order by entered_at",
    )
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("life")?))).collect()
}

/// A row that is said to stand somewhere.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    answers: Vec<Envelope>,
}

impl Published {
    /// Whether an event is one of the answers.
    pub(crate) fn is(&self, event: Uuid) -> bool {
        self.answers.iter().any(|answer| answer.id == event)
    }
}

/// Of the rows of an era that stand at `sequence` or below, the one `back` before the last.
pub(crate) async fn published_at(
    pool: &PgPool,
    era: Uuid,
    sequence: u64,
    back: i64,
) -> Result<Option<Published>, sqlx::Error> {
    let row = sqlx::query(
        "select sequence, answers from published join remembered using (position)
         where era = $1 and sequence <= $2 order by sequence desc offset $3 limit 1",
    )
    .bind(era)
    .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
    .bind(back)
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let Json(answers) = row.try_get("answers")?;
        Ok(Published { sequence: row.try_get::<i64, _>("sequence")?.cast_unsigned(), answers })
    })
    .transpose()
}

/// Forgets where the rows of an era stand that were published at or after `since` and above
/// `sequence`, so that they are published again; gives how many.
pub(crate) async fn forget(
    pool: &PgPool,
    era: Uuid,
    sequence: u64,
    since: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("delete from published where era = $1 and sequence > $2 and at >= $3")
        .bind(era)
        .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
        .bind(since)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

/// Deletes what was answered before a time, a page at a time; gives how many rows are gone.
pub(crate) async fn prune(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let answers: i64 = sqlx::query_scalar(
        "with old as (
             delete from remembered where ctid = any(array(
                 select ctid from remembered where answered_at < $1 and (not has_answers or exists (
                     select from published where published.position = remembered.position))
                 limit $2))
             returning position
         ), unmarked as (
             delete from published using old where published.position = old.position
         )
         select count(*) from old",
    )
    .bind(before)
    .bind(limit)
    .fetch_one(pool)
    .await?;
    let calls = sqlx::query(
        "delete from effects where ctid = any(array(
             select ctid from effects where not open and closed_at < $1 limit $2))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(answers.cast_unsigned() + calls.rows_affected())
}
