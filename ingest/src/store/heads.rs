//! Where tracked branches were when they were looked at last.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

/// A branch as it was seen last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) at: DateTime<Utc>,
}

/// As it was seen last; nothing if it never was.
pub(crate) async fn seen(
    pool: &PgPool,
    (repository, branch): (&str, &str),
) -> Result<Option<Seen>, sqlx::Error> {
    let row = sqlx::query("select head, seen_at from heads where repository = $1 and branch = $2")
        .bind(repository)
        .bind(branch)
        .fetch_optional(pool)
        .await?;
    row.map(|row| Ok(Seen { head: row.try_get("head")?, at: row.try_get("seen_at")? })).transpose()
}

/// Notes where it is.
pub(crate) async fn note(
    pool: &PgPool,
    (repository, branch): (&str, &str),
    seen: &Seen,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into heads (repository, branch, head, seen_at) values ($1, $2, $3, $4)
         on conflict on constraint heads_once do update
             set head = excluded.head, seen_at = excluded.seen_at",
    )
    .bind(repository)
    .bind(branch)
    .bind(&seen.head)
    .bind(seen.at)
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether a push that brought the branch to this head has arrived since.
pub(crate) async fn arrived(
    pool: &PgPool,
    (repository, branch): (&str, &str),
    head: &str,
    since: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
             select from deliveries
             where head = $1 and received_at >= $2 and starts_with(content_key, $3)
         )",
    )
    .bind(head)
    .bind(since)
    .bind(format!("push/{repository}/refs/heads/{branch}/"))
    .fetch_one(pool)
    .await
}
