//! Where tracked branches were when they were looked at last.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

/// A branch as it was seen last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) at: DateTime<Utc>,
}

/// Which branch of which host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) source: &'a str,
    pub(crate) repository: &'a str,
    pub(crate) branch: &'a str,
}

/// As it was seen last; nothing if it never was.
pub(crate) async fn seen(pool: &PgPool, place: Place<'_>) -> Result<Option<Seen>, sqlx::Error> {
    let row = sqlx::query(
        "select head, seen_at from heads where source = $1 and repository = $2 and branch = $3",
    )
    .bind(place.source)
    .bind(place.repository)
    .bind(place.branch)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok(Seen { head: row.try_get("head")?, at: row.try_get("seen_at")? })).transpose()
}

/// The repository as what was delivered of it last writes it: configuration may write it in another case,
/// and events of one repository must not differ in that. Nothing if nothing was.
pub(crate) async fn written(
    pool: &PgPool,
    Place { source, repository, .. }: Place<'_>,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select repository from deliveries
         where source = $1 and lower(repository) = lower($2) order by id desc limit 1",
    )
    .bind(source)
    .bind(repository)
    .fetch_optional(pool)
    .await
}

/// Notes where it is.
pub(crate) async fn note(pool: &PgPool, place: Place<'_>, seen: &Seen) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into heads (source, repository, branch, head, seen_at)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint heads_once do update
             set head = excluded.head, seen_at = excluded.seen_at",
    )
    .bind(place.source)
    .bind(place.repository)
    .bind(place.branch)
    .bind(&seen.head)
    .bind(seen.at)
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether a push that brought the branch to this head has arrived since, perhaps with others. Hosts do
/// not look at the case of a repository's name, so nor is it minded how configuration writes it.
pub(crate) async fn arrived(
    pool: &PgPool,
    Place { source, repository, branch }: Place<'_>,
    head: &str,
    since: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
             select from deliveries
             where id in (
                     select id from deliveries where head = $1
                     union all select delivery from spoken_heads where head = $1
                 )
                 and source = $4 and received_at >= $2 and lower(repository) = lower($5)
                 and starts_with(content_key, 'push/') and strpos(content_key, $3) > 0
         )",
    )
    .bind(head)
    .bind(since)
    .bind(format!("/refs/heads/{branch}/"))
    .bind(source)
    .bind(repository)
    .fetch_one(pool)
    .await
}
