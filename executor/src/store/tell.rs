//! What is told of the account as a whole: it belongs to no chain, and several executors find the
//! same. Whether it was told is written with it.

use bus::Answers;
use chrono::{DateTime, Utc};
use spacelift::Rest;
use sqlx::{PgConnection, PgPool, Row, types::Json};
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

/// Calls rest here: tells people, unless somebody has, and other processes. Gives whether people are
/// told.
pub(crate) async fn tell_rest(
    pool: &PgPool,
    account: &str,
    rest: &Rest,
    telling: Telling,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let known = sqlx::query("update rests set seen_at = now(), rest = $2 where account = $1")
        .bind(account)
        .bind(Json(rest))
        .execute(&mut *transaction)
        .await?;
    if known.rows_affected() > 0 {
        transaction.commit().await?;
        return Ok(false);
    }
    let new = sqlx::query(
        "insert into rests (account, seen_at, rest) values ($1, now(), $2)
         on conflict on constraint rests_once do nothing",
    )
    .bind(account)
    .bind(Json(rest))
    .execute(&mut *transaction)
    .await?;
    let is_news = new.rows_affected() > 0;
    if is_news {
        remember(&mut transaction, telling).await?;
    }
    transaction.commit().await?;
    Ok(is_news)
}

/// That it was told that calls rest.
pub(crate) struct Told {
    /// What was found then; an older build did not say.
    pub(crate) rest: Option<Rest>,
    /// No process has found so for some seconds.
    pub(crate) is_past: bool,
}

/// What was told of the account, and not that it is over.
pub(crate) async fn told_rest(pool: &PgPool, account: &str) -> Result<Option<Told>, sqlx::Error> {
    let row = sqlx::query(
        "select rest, seen_at < now() - interval '5 seconds' as is_past
         from rests where account = $1",
    )
    .bind(account)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rest = row.try_get::<Option<Json<Rest>>, _>("rest")?.map(|Json(rest)| rest);
    Ok(Some(Told { rest, is_past: row.try_get("is_past")? }))
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
