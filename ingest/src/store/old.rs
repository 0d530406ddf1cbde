//! Deliveries that are older than they are kept.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::read::first_id;

/// How many go at once.
pub(crate) const BATCH: u64 = 1_000;

/// Forgets some that came before a time, the oldest first, with all that hangs on them; gives how many.
///
/// Ids rise with time, so they are at one end of the primary key. One that somebody else is forgetting
/// is left to them, and so is one whose order is still being carried out.
pub(crate) async fn forget(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "with old as materialized (
             select id, received_at from deliveries
             where id < $1 and not exists (
                 select from orders where orders.delivery = deliveries.id and done_at is null
             )
             order by id limit $2 for update skip locked
         ), repeat as (
             delete from repeats using old where repeats.delivery = old.id
         ), replay as (
             delete from replays using old where replays.delivery = old.id
         ), head as (
             delete from spoken_heads using old where spoken_heads.delivery = old.id
         ), ordered as (
             delete from orders using old where orders.delivery = old.id
         ), content as (
             delete from contents using old
             where contents.delivery = old.id and contents.received_at = old.received_at
         )
         delete from deliveries using old where deliveries.id = old.id",
    )
    .bind(first_id(before))
    .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
