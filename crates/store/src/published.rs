//! Where remembered answers stand in their stream, and which of them stand nowhere.
//!
//! What is published together is marked together: a row of `published_blocks` for each block of
//! positions, and not one for each of them, let alone a column of `remembered`, which would be
//! written again with all its indexes (measured in the README).

use std::collections::HashMap;

use bus::{Bus, Era, Receipt};
use chrono::{DateTime, Utc};
use contracts::Envelope;
use sqlx::{PgPool, Row, postgres::PgQueryResult, types::Json};
use uuid::Uuid;

/// How many positions are a block. A mark is looked for among those of its block, so a block is small;
/// as many marks of one block as there can be, one for each position, are still read at once.
pub(crate) const BLOCK: i64 = 256;

/// How many positions are searched at once for rows that stand nowhere: after a loss that is most of
/// them, so what is searched for one page is not much more than a page.
const WINDOW: i64 = 16 * BLOCK;

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
    // One event may be answered twice in a batch of receipts, and is marked once.
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
/// twice, by the engine and by the relay, stands in both places, and is published as long as it stands
/// in one.
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
         insert into published_blocks (block, positions, era, last_position, last_sequence, at)
         select position / $4, array_agg(position), $2,
             (array_agg(position order by sequence desc))[1], max(sequence), now()
         from quick, unnest($1::bigint[], $3::bigint[]) as row (position, sequence)
         group by position / $4",
    )
    .bind(positions)
    .bind(era)
    .bind(sequences)
    .bind(BLOCK)
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

/// Rows that stand nowhere, oldest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Unpublished>,
    /// Up to here, there are no others.
    pub(crate) end: i64,
}

/// The next rows above `position`, up to `horizon`, that stand nowhere; none if there is no row at all.
/// A page may be empty, and others follow.
pub(crate) async fn unpublished(
    pool: &PgPool,
    (position, horizon): (i64, i64),
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Option<Page>, sqlx::Error> {
    // Over what was forgotten long ago in one step.
    let first: Option<i64> = sqlx::query_scalar(
        "select min(position) from remembered
         where has_answers and position > $1 and position <= $2",
    )
    .bind(position)
    .bind(horizon)
    .fetch_one(pool)
    .await?;
    let Some(first) = first else { return Ok(None) };
    let end = horizon.min(first + WINDOW);
    // Block by block (`offset 0`), whatever a plan made while the tables were small would prefer.
    let rows = sqlx::query(
        "with missing as (
             select missing.position
             from generate_series($1 / $5, $2 / $5) as block cross join lateral (
                 select position from remembered
                 where has_answers and position between $1 and $2
                     and position >= block * $5 and position < (block + 1) * $5
                 except
                 select unnest(positions) from published_blocks
                 where published_blocks.block = block.block
                 offset 0
             ) as missing
             order by position limit $4
         )
         select position, consumer, event_id, answers
         from missing cross join lateral (
             select consumer, event_id, case when answered_at < $3 then answers end as answers
             from remembered where has_answers and remembered.position = missing.position
             offset 0
         ) as found
         order by position",
    )
    .bind(first)
    .bind(end)
    .bind(before)
    .bind(limit)
    .bind(BLOCK)
    .fetch_all(pool)
    .await?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let answers: Option<Json<_>> = row.try_get("answers")?;
            Ok(Unpublished {
                position: row.try_get("position")?,
                consumer: row.try_get("consumer")?,
                event_id: row.try_get("event_id")?,
                answers: answers.map(|Json(answers)| answers),
            })
        })
        .collect::<Result<_, sqlx::Error>>()?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let end = rows.last().filter(|_| is_full).map_or(end, |last| last.position);
    Ok(Some(Page { rows, end }))
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
         where exists (select from published_blocks where published_blocks.era = eras.id)
         order by entered_at",
    )
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("life")?))).collect()
}

/// A row that is said to stand somewhere, the last of those it was marked with.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    /// When that was noted.
    pub(crate) at: DateTime<Utc>,
    answers: Vec<Envelope>,
}

impl Published {
    /// Whether an event is one of the answers.
    pub(crate) fn is(&self, event: Uuid) -> bool {
        self.answers.iter().any(|answer| answer.id == event)
    }
}

/// Of the marks of an era that were noted by a time and all of whose rows stand at `sequence` or below,
/// the one `back` before the last.
pub(crate) async fn published_at(
    pool: &PgPool,
    era: Uuid,
    (sequence, by): (u64, DateTime<Utc>),
    back: i64,
) -> Result<Option<Published>, sqlx::Error> {
    let row = sqlx::query(
        "select last_sequence, at, answers
         from published_blocks join remembered on has_answers and position = last_position
         where era = $1 and last_sequence <= $2 and at <= $3
         order by last_sequence desc offset $4 limit 1",
    )
    .bind(era)
    .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
    .bind(by)
    .bind(back)
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let Json(answers) = row.try_get("answers")?;
        let sequence = row.try_get::<i64, _>("last_sequence")?.cast_unsigned();
        Ok(Published { sequence, at: row.try_get("at")?, answers })
    })
    .transpose()
}

/// Forgets where the rows of an era stand that were published at or after `since`, and of which the
/// last that was marked with them stands above `sequence`, so that they are published again; gives how
/// many.
pub(crate) async fn forget(
    pool: &PgPool,
    era: Uuid,
    sequence: u64,
    since: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "with gone as (
             delete from published_blocks where era = $1 and last_sequence > $2 and at >= $3
             returning cardinality(positions) as rows
         )
         select coalesce(sum(rows), 0)::bigint from gone",
    )
    .bind(era)
    .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
    .bind(since)
    .fetch_one(pool)
    .await
}

/// Deletes what was answered before a time, a page at a time; gives how many rows are gone.
pub(crate) async fn prune(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let answers = sqlx::query(
        "delete from remembered where ctid = any(array(
             select ctid from remembered where answered_at < $1 and (not has_answers or exists (
                 select from published_blocks where block = position / $3
                     and position = any(positions)))
             limit $2))",
    )
    .bind(before)
    .bind(limit)
    .bind(BLOCK)
    .execute(pool)
    .await?;
    // They go with the last row of their block.
    let marks = sqlx::query(
        "delete from published_blocks where ctid = any(array(
             select ctid from published_blocks where at < $1 and not exists (
                 select from remembered where has_answers
                     and position >= block * $3 and position < (block + 1) * $3)
             limit $2))",
    )
    .bind(before)
    .bind(limit)
    .bind(BLOCK)
    .execute(pool)
    .await?;
    let calls = sqlx::query(
        "delete from effects where ctid = any(array(
             select ctid from effects where not open and closed_at < $1 limit $2))",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok([answers, marks, calls].iter().map(PgQueryResult::rows_affected).sum())
}
