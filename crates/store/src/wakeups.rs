//! Wake-ups: a state that waits for a time is a row here, and holds nothing else.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// Sets, moves or removes wake-ups.
pub(crate) async fn set(
    connection: &mut PgConnection,
    consumer: &str,
    wakes: &[(Uuid, Option<DateTime<Utc>>)],
) -> Result<(), sqlx::Error> {
    let (set, removed): (Vec<_>, Vec<_>) = wakes.iter().partition(|(_, at)| at.is_some());
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

/// Wakes states now, unless they are to be woken earlier anyway.
pub(crate) async fn nudge(
    connection: &mut PgConnection,
    consumer: &str,
    keys: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into wakeups (consumer, key, due_at)
         select $1, key, $3 from (select distinct key from unnest($2::uuid[]) as key) keys
         order by key
         on conflict on constraint wakeups_once
             do update set due_at = least(wakeups.due_at, excluded.due_at)",
    )
    .bind(consumer)
    .bind(keys)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a wake-up that has been answered, if it was not moved meanwhile.
pub(crate) async fn clear(
    connection: &mut PgConnection,
    consumer: &str,
    key: Uuid,
    due_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from wakeups where consumer = $1 and key = $2 and due_at <= $3")
        .bind(consumer)
        .bind(key)
        .bind(due_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// What is due now.
pub(crate) async fn due(
    pool: &PgPool,
    consumer: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(Uuid, DateTime<Utc>)>, sqlx::Error> {
    let rows = sqlx::query(
        "select key, due_at from wakeups where consumer = $1 and due_at <= $2
         order by due_at limit $3",
    )
    .bind(consumer)
    .bind(now)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("key")?, row.try_get("due_at")?))).collect()
}
