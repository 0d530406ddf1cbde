//! The months of bodies: made before they are needed, dropped when they are old.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use sqlx::{
    FromRow, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryScalar,
};
use tracing::info;

use super::code;

/// How many months are made before they begin.
const AHEAD: u32 = 2;

/// For how long the table is waited for. Whatever comes in waits behind who waits for all of it, and a
/// backup may hold it for hours.
const PATIENCE: &str = "set local lock_timeout = '500ms'";

/// What Postgres calls it if that is too long.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Makes this month and the next ones; drops those that ended before `before`. What somebody else
/// holds is left to the next turn. Gives how many were dropped.
pub(crate) async fn turn(
    pool: &PgPool,
    now: DateTime<Utc>,
    before: DateTime<Utc>,
) -> Result<i32, sqlx::Error> {
    for month in 0..=AHEAD {
        let first = now.date_naive().with_day(1);
        let first = first.and_then(|day| day.checked_add_months(Months::new(month)));
        make(pool, first).await?;
    }
    let drop = sqlx::query_scalar("select drop_contents($1)").bind(before);
    Ok(unless_held(pool, drop).await?.unwrap_or_default())
}

async fn make(pool: &PgPool, first: Option<NaiveDate>) -> Result<(), sqlx::Error> {
    let Some(first) = first else { return Ok(()) };
    let make = sqlx::query_scalar::<_, ()>("select make_contents($1)").bind(first);
    unless_held(pool, make).await.map(Option::unwrap_or_default)
}

/// Changes the table; none if somebody else holds it.
async fn unless_held<T>(
    pool: &PgPool,
    change: QueryScalar<'_, Postgres, T, PgArguments>,
) -> Result<Option<T>, sqlx::Error>
where
    T: Send + Unpin,
    (T,): for<'r> FromRow<'r, PgRow>,
{
    let mut transaction = pool.begin().await?;
    sqlx::query(PATIENCE).execute(&mut *transaction).await?;
    match change.fetch_one(&mut *transaction).await {
        Ok(done) => {
            transaction.commit().await?;
            Ok(Some(done))
        }
        Err(error) if code(&error).as_deref() == Some(LOCK_NOT_AVAILABLE) => {
            info!("somebody else holds the table of bodies; its months are turned later");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
