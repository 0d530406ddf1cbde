//! Forgetting what was decided so long ago that nobody asks about it any more.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

/// Forgets chains of which nothing was asked or decided since `before`: their gates, what people said
/// about these, and what came of broken glasses. A page at a time; gives how many gates are gone.
///
/// What is open stays, and so does a chain that counts as under way, and a broken glass until somebody
/// has followed it up.
pub(crate) async fn forget_gates(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "with over as (
             select chain from gates as one
             where requested_at < $1 and not exists (
                 select from gates where gates.chain = one.chain
                     and (not final or place is not null or decided_at >= $1
                         or cleared_until >= $1)
             ) and not exists (
                 select from gates join reviews on reviews.gate = gates.id
                 where gates.chain = one.chain and word = 'override' and not exists (
                     select from override_follow_ups as done
                     where done.chain = gates.chain and done.broken_by = reviews.by
                         and done.broken_at = reviews.at)
             )
             order by requested_at limit $2
         ), said as (
             delete from reviews using gates
             where gates.id = reviews.gate and gates.chain in (select chain from over)
         ), followed as (
             delete from override_follow_ups where chain in (select chain from over)
         )
         delete from gates where chain in (select chain from over)",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets words about commits and stops of the line that are over, of before `before`.
pub(crate) async fn forget_words(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let words =
        sqlx::query("delete from commit_words where kept_at < $1").bind(before).execute(pool);
    let words = words.await?.rows_affected();
    let stops =
        sqlx::query("delete from line_stops where ended_at < $1").bind(before).execute(pool);
    Ok(words + stops.await?.rows_affected())
}

/// Forgets sets of policies that came into force before `before`, are not in force, and decided
/// nothing that is kept.
pub(crate) async fn forget_sets(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "delete from policy_sets as old
         where last_seen < $1
             and not exists (select from policy_sources where policy_sources.digest = old.digest)
             and not exists (select from gates where gates.policy_digest = old.digest)",
    )
    .bind(before)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// When the oldest question was asked that is kept; none if there is none.
pub(crate) async fn oldest(pool: &PgPool) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let row = sqlx::query("select min(requested_at) as oldest from gates").fetch_one(pool).await?;
    row.try_get("oldest")
}
