//! What is told of the account as a whole: it belongs to no chain, and several executors find the
//! same. Whether it was told is written with it.

use bus::Answers;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use store::Remembered;
use uuid::Uuid;

/// What is to be told, and by whom.
pub(crate) struct Telling {
    /// Under which name it is remembered.
    pub(crate) consumer: &'static str,
    /// Its own id.
    pub(crate) id: Uuid,
    /// The messages.
    pub(crate) answers: Answers,
    /// When.
    pub(crate) now: DateTime<Utc>,
}

/// Calls rest: tells it, unless somebody has. Gives whether it did.
pub(crate) async fn tell_rest(
    pool: &PgPool,
    account: &str,
    telling: Telling,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let known = sqlx::query("update rests set seen_at = now() where account = $1")
        .bind(account)
        .execute(&mut *transaction)
        .await?;
    if known.rows_affected() > 0 {
        transaction.commit().await?;
        return Ok(false);
    }
    let new = sqlx::query(
        "insert into rests (account, seen_at) values ($1, now())
         on conflict on constraint rests_once do nothing",
    )
    .bind(account)
    .execute(&mut *transaction)
    .await?;
    let is_news = new.rows_affected() > 0;
    if is_news {
        remember(&mut transaction, telling).await?;
    }
    transaction.commit().await?;
    Ok(is_news)
}

/// Whether it was told that calls rest, and no process has found so for some seconds.
pub(crate) async fn has_rested(pool: &PgPool, account: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (
             select from rests where account = $1 and seen_at < now() - interval '5 seconds')",
    )
    .bind(account)
    .fetch_one(pool)
    .await
}

/// Calls go on: tells it, unless somebody has. Gives whether it did.
pub(crate) async fn tell_end_of_rest(
    pool: &PgPool,
    account: &str,
    telling: Telling,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let over = sqlx::query(
        "delete from rests where account = $1 and seen_at < now() - interval '5 seconds'",
    )
    .bind(account)
    .execute(&mut *transaction)
    .await?;
    let is_news = over.rows_affected() > 0;
    if is_news {
        remember(&mut transaction, telling).await?;
    }
    transaction.commit().await?;
    Ok(is_news)
}

/// Whoever publishes what stands nowhere yet tells it.
async fn remember(connection: &mut PgConnection, telling: Telling) -> Result<(), sqlx::Error> {
    let Telling { consumer, id, answers, now } = telling;
    let Some(first) = answers.first() else { return Ok(()) };
    let row = Remembered {
        consumer,
        event_id: id,
        event_type: "account.rest".to_owned(),
        event_key: first.key.clone(),
        correlation: first.correlation,
        event_at: now,
        answered_at: now,
        answers: answers.clone(),
    };
    store::remember(connection, &[row]).await
}
