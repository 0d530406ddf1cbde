//! The notifier's tables: stories, delivery records, endpoints that are gone.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use crate::{page::Delivery, routes::Routes, story::Story};

pub(crate) mod notices;

/// How one delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// The other side took it.
    Delivered,
    /// It is tried again.
    Waiting,
    /// It is not tried again.
    GivenUp,
}

/// What one attempt came to.
#[derive(Debug, Clone)]
pub(crate) struct Attempt<'a> {
    pub(crate) effect: Uuid,
    pub(crate) story: Uuid,
    pub(crate) kind: &'a str,
    /// A channel, a commit, the name of an endpoint: never an address or a secret.
    pub(crate) target: &'a str,
    /// The event or what the call says, in a few words.
    pub(crate) about: &'a str,
    pub(crate) standing: Standing,
    /// The HTTP status, if there was an answer.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'a str>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) next_at: Option<DateTime<Utc>>,
}

impl Standing {
    pub(crate) const ALL: [Self; 3] = [Self::Delivered, Self::Waiting, Self::GivenUp];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::GivenUp => "given_up",
        }
    }
}

/// Reads stories. Where a chain has a status and no notice is kept yet, one is found too, so that
/// it knows; and that of a pull request with the newest about one of its heads.
pub(crate) async fn load(
    connection: &mut PgConnection,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Story>, sqlx::Error> {
    let rows = sqlx::query("select key, body, overview from stories where key = any($1)")
        .bind(keys)
        .fetch_all(&mut *connection)
        .await?;
    let mut stories = HashMap::with_capacity(keys.len());
    for row in rows {
        let Json(mut story) = row.try_get::<Json<Story>, _>("body")?;
        if let Some(Json(overview)) = row.try_get("overview")? {
            story.overview = overview;
        }
        stories.insert(row.try_get("key")?, story);
    }
    let others = sqlx::query(
        "select commit_key as key, null::json as body from stories
             where commit_key = any($1) group by commit_key
         union all (select distinct on (pull_request) pull_request, body from stories
             where pull_request = any($1)
             order by pull_request, began_at desc nulls last, key)",
    )
    .bind(keys)
    .fetch_all(connection)
    .await?;
    for row in others {
        let story = stories.entry(row.try_get("key")?).or_insert_with(Story::default);
        match row.try_get::<Option<Json<Story>>, _>("body")? {
            None => story.chain_exists = true,
            Some(Json(newest)) => story.newest = Some(Box::new(newest)),
        }
    }
    Ok(stories)
}

/// Writes stories.
pub(crate) async fn save(
    connection: &mut PgConnection,
    stories: &[(Uuid, &Story)],
    routes: &Routes,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into stories (key, commit_key, notice_of, body, pull_request, began_at, overview,
             changed_at)
         select key, commit_key, notice_of, body, pull_request, began_at, overview, now()
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::json[], $5::uuid[],
                 $6::timestamptz[], $7::json[])
             as row (key, commit_key, notice_of, body, pull_request, began_at, overview)
         on conflict on constraint stories_once do update
             set commit_key = excluded.commit_key, notice_of = excluded.notice_of,
                 body = excluded.body, pull_request = excluded.pull_request,
                 began_at = excluded.began_at, overview = excluded.overview,
                 changed_at = excluded.changed_at",
    )
    .bind(stories.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| story.place(routes)).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| story.notice_of()).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| Json(*story)).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| story.pull_request()).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| story.began_at()).collect::<Vec<_>>())
    .bind(stories.iter().map(|(_, story)| story.overview.written().map(Json)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a chain has a status where that of this story would stand: if this one yields to newer
/// chains, one of the same pull request or of none like it, unless what this one told stands over it
/// by now; if it is a notice that yields to chains, any.
pub(crate) async fn is_outdated(
    pool: &PgPool,
    story: Uuid,
    (yields_to_newer, yields_to_any): (bool, bool),
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select $2 and exists (
             select from stories own join stories newer using (commit_key)
             where own.key = $1 and newer.began_at > own.began_at
                 and newer.pull_request is not distinct from own.pull_request
                 and coalesce(
                     (select max(delivered_at) from deliveries
                         where story = newer.key and kind like '%.status')
                     >= (select max(delivered_at) from deliveries
                         where story = own.key and kind like '%.status'),
                     true)
         ) or $3 and exists (select from stories where commit_key = $1)",
    )
    .bind(story)
    .bind(yields_to_newer)
    .bind(yields_to_any)
    .fetch_one(pool)
    .await
}

/// Notes an attempt. Gives how many there were.
pub(crate) async fn record(pool: &PgPool, attempt: &Attempt<'_>) -> Result<u32, sqlx::Error> {
    let channel = attempt.kind.split('.').next().unwrap_or(attempt.kind);
    let delivered_at = (attempt.standing == Standing::Delivered).then_some(attempt.at);
    let row = sqlx::query(
        "insert into deliveries (effect, story, channel, kind, target, about, standing, attempts,
             last_status, error, first_attempt_at, last_attempt_at, next_attempt_at, delivered_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13)
         on conflict on constraint deliveries_once do update
             set standing = excluded.standing,
                 attempts = deliveries.attempts + excluded.attempts,
                 last_status = excluded.last_status,
                 error = excluded.error,
                 last_attempt_at = excluded.last_attempt_at,
                 next_attempt_at = excluded.next_attempt_at,
                 delivered_at = excluded.delivered_at
         returning attempts",
    )
    .bind(attempt.effect)
    .bind(attempt.story)
    .bind(channel)
    .bind(attempt.kind)
    .bind(attempt.target)
    .bind(attempt.about)
    .bind(attempt.standing.as_str())
    .bind(1)
    .bind(attempt.status.map(i32::from))
    .bind(attempt.error)
    .bind(attempt.at)
    .bind(attempt.next_at)
    .bind(delivered_at)
    .fetch_one(pool)
    .await?;
    Ok(u32::try_from(row.try_get::<i32, _>("attempts")?).unwrap_or(0))
}

/// How many calls were made for an effect so far.
pub(crate) async fn attempts(pool: &PgPool, effect: Uuid) -> Result<u32, sqlx::Error> {
    let row = sqlx::query("select attempts from deliveries where effect = $1")
        .bind(effect)
        .fetch_optional(pool)
        .await?;
    let attempts = row.map(|row| row.try_get::<i32, _>("attempts")).transpose()?;
    Ok(attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(0))
}

/// What was delivered of a chain, with what its pull request was told, or of the notices about a
/// commit, oldest first.
pub(crate) async fn deliveries(pool: &PgPool, key: Uuid) -> Result<Vec<Delivery>, sqlx::Error> {
    let rows = sqlx::query(
        "select effect, channel, kind, target, about, standing, attempts, last_status, error,
             first_attempt_at, last_attempt_at, next_attempt_at, delivered_at
         from deliveries
         where story = any($1 || array(select key from stories where notice_of = $1)
             || array(select pull_request from stories
                 where (key = $1 or notice_of = $1) and pull_request is not null))
         order by first_attempt_at, effect limit 1000",
    )
    .bind(key)
    .fetch_all(pool)
    .await?;
    rows.iter().map(notices::delivery).collect()
}

/// The endpoint wants nothing any more.
pub(crate) async fn retire(pool: &PgPool, endpoint: Uuid, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into retired_endpoints (endpoint, name, retired_at) values ($1, $2, now())
         on conflict on constraint retired_endpoints_once do update
             set retired_at = excluded.retired_at",
    )
    .bind(endpoint)
    .bind(name)
    .execute(pool)
    .await?;
    Ok(())
}

/// Which of these endpoints said so, and when each did last.
pub(crate) async fn retired_at(
    pool: &PgPool,
    endpoints: &[Uuid],
) -> Result<HashMap<Uuid, DateTime<Utc>>, sqlx::Error> {
    let query = "select endpoint, retired_at from retired_endpoints where endpoint = any($1)";
    let rows = sqlx::query(query).bind(endpoints).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get("endpoint")?, row.try_get("retired_at")?))).collect()
}

/// Forgets what has not changed since.
pub(crate) async fn forget(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let stories =
        sqlx::query("delete from stories where changed_at < $1").bind(before).execute(pool).await?;
    let deliveries = sqlx::query("delete from deliveries where last_attempt_at < $1")
        .bind(before)
        .execute(pool)
        .await?;
    Ok(stories.rows_affected() + deliveries.rows_affected())
}
