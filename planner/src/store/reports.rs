//! Reports of scanners that ran elsewhere.

use chrono::TimeDelta;
use contracts::CommitSha;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use crate::validate::reports::Handed;

/// For how long they are kept.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Keeps a report; a newer one of the same name takes its place.
pub async fn save_report(
    connection: &mut PgConnection,
    repository: Uuid,
    report: &Handed,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from reports where handed_in_at < $1")
        .bind(report.at - KEPT)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "insert into reports (repository, commit_hash, name, sender, found, handed_in_at)
         values ($1, $2, $3, $4, $5::text::json, $6)
         on conflict on constraint reports_once do update set
             sender = excluded.sender, found = excluded.found,
             handed_in_at = excluded.handed_in_at",
    )
    .bind(repository)
    .bind(report.commit.as_str())
    .bind(&report.name)
    .bind(&report.sender)
    .bind(::store::as_json(&report.found))
    .bind(report.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What was handed in about a commit.
pub async fn reports(
    pool: &PgPool,
    repository: Uuid,
    commit: &CommitSha,
) -> Result<Vec<Handed>, sqlx::Error> {
    let rows = sqlx::query(
        "select name, sender, found, handed_in_at from reports
         where repository = $1 and commit_hash = $2",
    )
    .bind(repository)
    .bind(commit.as_str())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(found) = row.try_get("found")?;
            Ok(Handed {
                name: row.try_get("name")?,
                sender: row.try_get("sender")?,
                commit: commit.clone(),
                found,
                at: row.try_get("handed_in_at")?,
            })
        })
        .collect()
}
