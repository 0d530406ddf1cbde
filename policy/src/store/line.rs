//! When people stopped the line.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row, postgres::PgRow};

use crate::line::{End, Stop};

/// Keeps that the line is stopped, once.
pub(crate) async fn stop_line(pool: &PgPool, stop: &Stop) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into line_stops (id, labels, reason, by, at) values ($1, $2, $3, $4, $5)
         on conflict on constraint line_stops_once do nothing",
    )
    .bind(stop.id)
    .bind(&stop.labels)
    .bind(&stop.reason)
    .bind(&stop.by)
    .bind(stop.at)
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends what is stopped for exactly these labels. Returns how much that was.
pub(crate) async fn let_go(
    pool: &PgPool,
    labels: &[String],
    end: &End,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "update line_stops set ended_by = $2, ended_at = $3, ended_reason = $4
         where ended_at is null and labels = $1",
    )
    .bind(labels)
    .bind(&end.by)
    .bind(end.at)
    .bind(&end.reason)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// What is stopped, and what was since; the oldest first.
pub(crate) async fn line(pool: &PgPool, since: DateTime<Utc>) -> Result<Vec<Stop>, sqlx::Error> {
    let rows = sqlx::query(
        "select * from line_stops where ended_at is null
         union all
         select * from line_stops where ended_at >= $1
         order by at, id",
    )
    .bind(since)
    .fetch_all(pool)
    .await?;
    rows.iter().map(stop).collect()
}

fn stop(row: &PgRow) -> Result<Stop, sqlx::Error> {
    let ended_at: Option<DateTime<Utc>> = row.try_get("ended_at")?;
    let end = |at| {
        let (by, reason) = (row.try_get("ended_by")?, row.try_get("ended_reason")?);
        Ok::<_, sqlx::Error>(End { by, at, reason })
    };
    Ok(Stop {
        id: row.try_get("id")?,
        labels: row.try_get("labels")?,
        reason: row.try_get("reason")?,
        by: row.try_get("by")?,
        at: row.try_get("at")?,
        ended: ended_at.map(end).transpose()?,
    })
}
