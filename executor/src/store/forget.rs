//! Forgetting chains that ended so long ago that nobody asks about them any more.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Forgets chains that ended before `before`, with their steps and their history, a page at a time;
/// gives how many; and what was heard of locks, of code that came back and of chains that never came
/// before that. One with a stack of unknown state stays
/// until a person has looked.
pub(crate) async fn forget(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "with over as (
             select id from chains
             where began_at < $1 and ended_at < $1 and not exists (
                 select from steps where chain_id = chains.id and kind = 'deploy'
                     and state = 'unknown' and course->>'released' is null)
             order by began_at limit $2
         ), done as (
             delete from operations where chain_id in (select id from over)
         ), ran as (
             delete from steps where chain_id in (select id from over)
         ), locked as (
             delete from operations where chain_id in (select id from locks) and at < $1
         ), written as (
             delete from versions where chain_id in (select id from over)
         ), back as (
             delete from code_back where at < $1
         ), off as (
             delete from withdrawn where at < $1
         )
         delete from chains where id in (select id from over)",
    )
    .bind(before)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
