//! The months of bodies: made before they are needed, dropped when they are old.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use sqlx::PgPool;

/// How many months are made before they begin.
const AHEAD: u32 = 2;

/// Makes this month and the next ones; drops those that ended before `before`.
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
    sqlx::query_scalar("select drop_contents($1)").bind(before).fetch_one(pool).await
}

async fn make(pool: &PgPool, first: Option<NaiveDate>) -> Result<(), sqlx::Error> {
    let Some(first) = first else { return Ok(()) };
    sqlx::query("select make_contents($1)").bind(first).execute(pool).await?;
    Ok(())
}
