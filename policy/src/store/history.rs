//! What was decided before, by which policies, and which chains go on behind a broken glass.

use chrono::{DateTime, Utc};
use contracts::ChainId;
use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::with_reviews;
use crate::{
    decider::StoredGate,
    document::File,
    page::Trial,
    review::{Review, Word},
};

/// Somebody broke the glass of a whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainGlass {
    /// The chain.
    pub chain: ChainId,
    /// What was said, and until when it holds.
    pub review: Review,
}

/// Keeps the files of a set, so that what it decides can be explained later.
pub(crate) async fn keep_set(
    pool: &PgPool,
    digest: &str,
    files: &[File],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into policy_sets (digest, files, first_seen, last_seen) values ($1, $2, $3, $3)
         on conflict on constraint policy_sets_once do update set last_seen = excluded.last_seen",
    )
    .bind(digest)
    .bind(Json(files))
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// The files of a set that decided once.
pub(crate) async fn kept_set(
    pool: &PgPool,
    digest: &str,
) -> Result<Option<Vec<File>>, sqlx::Error> {
    let files: Option<Json<Vec<File>>> =
        sqlx::query_scalar("select files from policy_sets where digest = $1")
            .bind(digest)
            .fetch_optional(pool)
            .await?;
    Ok(files.map(|files| files.0))
}

/// Decisions since `since`, in the order of time, from after `after` on.
pub(crate) async fn recorded(
    pool: &PgPool,
    since: DateTime<Utc>,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> Result<Vec<StoredGate>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let rows = sqlx::query(
        "select * from gates
         where requested_at >= $1 and (requested_at, id) > ($2, $3)
         order by requested_at, id limit $4",
    )
    .bind(since)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    with_reviews(&mut connection, rows).await
}

/// What policies on trial would have decided otherwise, the newest first, and how often.
pub(crate) async fn trial_of(
    pool: &PgPool,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<(Trial, Vec<StoredGate>), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let row = sqlx::query(
        "select count(*) as decided, count(shadow) as differ from gates where decided_at >= $1",
    )
    .bind(since)
    .fetch_one(&mut *connection)
    .await?;
    let trial = Trial { decided: row.try_get("decided")?, differ: row.try_get("differ")? };
    let rows = sqlx::query(
        "select * from gates where shadow is not null and decided_at >= $1
         order by decided_at desc limit $2",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    Ok((trial, with_reviews(&mut connection, rows).await?))
}

/// The chains whose glass is broken at `now`. It is written at each of their gates and is one all the
/// same: as soon as it was taken back at one of them, it is whole.
pub(crate) async fn broken_chains(
    pool: &PgPool,
    now: DateTime<Utc>,
) -> Result<Vec<ChainGlass>, sqlx::Error> {
    let rows = sqlx::query(
        "with broken as (
             select distinct gates.chain, reviews.by, reviews.at
             from reviews join gates on gates.id = reviews.gate
             where word = 'override' and whole_chain and until > $1
         )
         select broken.*, max(reviews.note) as note, min(reviews.until) as until
         from broken join gates on gates.chain = broken.chain
             join reviews on reviews.gate = gates.id and reviews.word = 'override'
                 and reviews.by = broken.by and reviews.at = broken.at
         group by broken.chain, broken.by, broken.at
         having min(reviews.until) > $1
         order by broken.at, broken.chain, broken.by",
    )
    .bind(now)
    .fetch_all(pool)
    .await?;
    rows.iter().map(chain_glass).collect()
}

fn chain_glass(row: &PgRow) -> Result<ChainGlass, sqlx::Error> {
    let chain = ChainId(row.try_get("chain")?);
    let (by, at): (String, DateTime<Utc>) = (row.try_get("by")?, row.try_get("at")?);
    let review = Review {
        // The same at whichever gate it is read.
        id: Uuid::new_v5(&chain.0, format!("{by} {at}").as_bytes()),
        by,
        groups: Vec::new(),
        word: Word::Override { until: row.try_get("until")?, whole_chain: true },
        note: row.try_get("note")?,
        at,
    };
    Ok(ChainGlass { chain, review })
}
