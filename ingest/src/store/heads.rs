//! Where tracked branches were when they were looked at last.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgPool, Row};

use super::read::first_id;

/// A branch as it was seen last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) head: String,
    /// What arrived since then was not looked at.
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

/// Among deliveries of so long the last one of a repository is looked for: of one that no host tells of,
/// all that are kept would be read in vain.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::days(30);

/// The repository as what was delivered of it of late writes it: configuration may write it in another
/// case, and events of one repository must not differ in that. Nothing if nothing was.
pub(crate) async fn written(
    pool: &PgPool,
    Place { source, repository, .. }: Place<'_>,
    now: DateTime<Utc>,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select repository from deliveries
         where source = $1 and lower(repository) = lower($2) and id >= $3
         order by id desc limit 1",
    )
    .bind(source)
    .bind(repository)
    .bind(first_id(now - WRITTEN_WITHIN))
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

/// A move of a branch that was reported; all zeros where the branch did not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Move {
    /// The move of this ref that a fact is known by, perhaps with others.
    fn read(content_key: &str, reference: &str) -> Option<Self> {
        let (_, rest) = content_key.split_once(reference)?;
        let (before, rest) = rest.split_once('/')?;
        let after = rest.split(['/', '+']).next()?;
        let is_commit = |text: &str| matches!(text.len(), 40 | 64);
        let both = is_commit(before) && is_commit(after);
        both.then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }
}

/// The moves of the branch that have arrived since, in their order. Hosts do not look at the case of a
/// repository's name, so nor is it minded how configuration writes it.
pub(crate) async fn told(
    pool: &PgPool,
    Place { source, repository, branch }: Place<'_>,
    since: DateTime<Utc>,
) -> Result<Vec<Move>, sqlx::Error> {
    let reference = format!("/refs/heads/{branch}/");
    let keys: Vec<String> = sqlx::query_scalar(
        "select content_key from deliveries
         where id >= $1 and received_at >= $2 and source = $3 and lower(repository) = lower($4)
             and starts_with(content_key, 'push/') and strpos(content_key, $5) > 0
         order by received_at, id",
    )
    .bind(first_id(since))
    .bind(since)
    .bind(source)
    .bind(repository)
    .bind(&reference)
    .fetch_all(pool)
    .await?;
    Ok(keys.iter().filter_map(|key| Move::read(key, &reference)).collect())
}
