//! Wake-ups: a state that waits for a time is a row here, and holds nothing else.
//!
//! A state's own wish is one row in `wakeups`, written only by whoever holds the lock on the
//! state. What others ask for is a row added to `nudges`. So no two decisions ever wait for each
//! other's wake-ups.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// A state that is to be woken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) key: Uuid,
    /// When it wanted to be woken, if it did.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The last of the nudges it got, if it got any.
    pub(crate) nudge: Option<i64>,
}

/// What is due, and what is not yet.
pub(crate) struct Look {
    /// Due now.
    pub(crate) due: Vec<Due>,
    /// When the next of the others is due.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// What is due now, at most `limit` states, and when the next is.
pub(crate) async fn look(
    pool: &PgPool,
    consumer: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Look, sqlx::Error> {
    let rows = sqlx::query(
        "(select key, max(due_at) as at, max(nudge) as nudge from (
             (select key, due_at, null::bigint as nudge from wakeups
                 where consumer = $1 and due_at <= $2 order by due_at limit $3)
             union all
             (select key, null, id from nudges where consumer = $1 order by id limit $3)
         ) due group by key order by min(due_at), min(nudge) limit $3)
         union all
         select null, min(due_at), null from wakeups where consumer = $1 and due_at > $2",
    )
    .bind(consumer)
    .bind(now)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let mut look = Look { due: Vec::with_capacity(rows.len()), next: None };
    for row in &rows {
        let at = row.try_get("at")?;
        match row.try_get("key")? {
            Some(key) => look.due.push(Due { key, at, nudge: row.try_get("nudge")? }),
            None => look.next = at,
        }
    }
    Ok(look)
}

/// Notes when states want to be woken, or that they do not. Whoever calls holds their locks.
pub(crate) async fn set(
    connection: &mut PgConnection,
    consumer: &str,
    wishes: &[(Uuid, Option<DateTime<Utc>>)],
) -> Result<(), sqlx::Error> {
    let (set, removed): (Vec<_>, Vec<_>) = wishes.iter().partition(|(_, at)| at.is_some());
    if !removed.is_empty() {
        sqlx::query("delete from wakeups where consumer = $1 and key = any($2)")
            .bind(consumer)
            .bind(removed.iter().map(|(key, _)| *key).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    if !set.is_empty() {
        sqlx::query(
            "insert into wakeups (consumer, key, due_at)
             select $1, key, due_at from unnest($2::uuid[], $3::timestamptz[]) as row (key, due_at)
             on conflict on constraint wakeups_once do update set due_at = excluded.due_at",
        )
        .bind(consumer)
        .bind(set.iter().map(|(key, _)| *key).collect::<Vec<_>>())
        .bind(set.iter().filter_map(|(_, at)| *at).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Wakes states as soon as possible: gives each as it is due.
pub(crate) async fn nudge(
    executor: impl PgExecutor<'_>,
    consumer: &str,
    keys: &[Uuid],
) -> Result<Vec<Due>, sqlx::Error> {
    let rows = sqlx::query(
        "insert into nudges (consumer, key) select distinct $1, key from unnest($2) as key
         returning key, id",
    )
    .bind(consumer)
    .bind(keys)
    .fetch_all(executor)
    .await?;
    let due = |row: &PgRow| {
        Ok(Due { key: row.try_get("key")?, at: None, nudge: Some(row.try_get("id")?) })
    };
    rows.iter().map(due).collect()
}

/// Removes the nudges that have been answered; those that came meanwhile stay.
pub(crate) async fn answered(
    executor: impl PgExecutor<'_>,
    consumer: &str,
    nudges: &[(Uuid, i64)],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "delete from nudges using unnest($2::uuid[], $3::bigint[]) as row (key, last)
         where nudges.consumer = $1 and nudges.key = row.key and nudges.id <= row.last",
    )
    .bind(consumer)
    .bind(nudges.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(nudges.iter().map(|(_, last)| *last).collect::<Vec<_>>())
    .execute(executor)
    .await?;
    Ok(())
}

/// Puts off wake-ups that could not be answered, so that they do not stand before the others;
/// their nudges count as answered by that.
pub(crate) async fn put_off(
    pool: &PgPool,
    consumer: &str,
    due: &[Due],
    until: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let wishes: Vec<_> = due.iter().map(|due| (due.key, Some(until))).collect();
    set(&mut transaction, consumer, &wishes).await?;
    answered(&mut *transaction, consumer, &nudges(due)).await?;
    transaction.commit().await
}

/// Removes wake-ups that concern nobody.
pub(crate) async fn drop(pool: &PgPool, consumer: &str, due: &[Due]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let wishes: Vec<_> = due.iter().map(|due| (due.key, None)).collect();
    set(&mut transaction, consumer, &wishes).await?;
    answered(&mut *transaction, consumer, &nudges(due)).await?;
    transaction.commit().await
}

fn nudges(due: &[Due]) -> Vec<(Uuid, i64)> {
    due.iter().filter_map(|due| Some((due.key, due.nudge?))).collect()
}
