//! What people ordered: written with its delivery, carried out afterwards.

use bus::Answers;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::GateId;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::{Delivery, remembered};
use crate::{order::Order, page::Ordered};

/// For how long whoever is at an order is not disturbed.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// An order to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) id: Uuid,
    pub(crate) order: Order,
    pub(crate) ordered_at: DateTime<Utc>,
    /// The gates it was found to mean, when that was looked for.
    pub(crate) gates: Option<Vec<GateId>>,
}

impl Open {
    pub(crate) fn new(id: Uuid, order: Order, ordered_at: DateTime<Utc>) -> Self {
        Self { id, order, ordered_at, gates: None }
    }

    /// When it was said: what has changed since then, its author has not seen. A host whose clock is
    /// ahead makes nothing later than when it came.
    pub(crate) fn said_at(&self) -> DateTime<Utc> {
        self.order.spoken_at.map_or(self.ordered_at, |at| at.min(self.ordered_at))
    }
}

/// Writes the orders of new deliveries; whoever commits them carries them out first.
pub(super) async fn insert(
    connection: &mut PgConnection,
    deliveries: impl Iterator<Item = &Delivery>,
) -> Result<(), sqlx::Error> {
    // Hardly any delivery orders something.
    for delivery in deliveries {
        let Some((id, order)) = &delivery.order else { continue };
        sqlx::query(
            "insert into orders (id, delivery, body, ordered_at, next_at, attempts)
             values ($1, $2, $3::text::json, $4, $5, 1) on conflict do nothing",
        )
        .bind(id)
        .bind(delivery.id)
        .bind(::store::as_json(order))
        .bind(delivery.received_at)
        .bind(delivery.received_at + LEASE)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Among so many of those that are due the first are taken.
const DUE_MAX: i64 = 1_000;

/// Takes orders nobody is at; the next attempts are spaced further and further apart.
///
/// What only a newer build understands is left as it is: while one version takes the place of
/// another, both look here, and the newer is to find it with its attempts, and no later.
pub(crate) async fn take(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Open>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let rows = sqlx::query(
        "select id, body, ordered_at, gates from orders where done_at is null and next_at <= $1
         order by next_at limit $2 for update skip locked",
    )
    .bind(now)
    .bind(DUE_MAX)
    .fetch_all(&mut *transaction)
    .await?;
    let mut taken = Vec::new();
    for row in &rows {
        let Json(body): Json<Value> = row.try_get("body")?;
        let Ok(order) = serde_json::from_value(body) else { continue };
        let gates = row.try_get::<Option<Vec<Uuid>>, _>("gates")?;
        let open = Open::new(row.try_get("id")?, order, row.try_get("ordered_at")?);
        let gates = gates.map(|gates| gates.into_iter().map(GateId).collect());
        taken.push(Open { gates, ..open });
    }
    taken.truncate(limit);
    sqlx::query(
        "update orders set attempts = attempts + 1,
             next_at = $1 + interval '15 seconds' * power(2, least(attempts, 8))
         where id = any($2)",
    )
    .bind(now)
    .bind(taken.iter().map(|open| open.id).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(taken)
}

/// Notes which gates an order was found to mean.
pub(crate) async fn meant(pool: &PgPool, id: Uuid, gates: &[GateId]) -> Result<(), sqlx::Error> {
    sqlx::query("update orders set gates = $2 where id = $1")
        .bind(id)
        .bind(gates.iter().map(|gate| gate.0).collect::<Vec<_>>())
        .execute(pool)
        .await?;
    Ok(())
}

/// Notes what came of an order, and remembers the event that tells of it: the relay publishes it.
pub(crate) async fn finish(
    pool: &PgPool,
    id: Uuid,
    (code, message): (&str, &str),
    (answers, now): (Option<Answers>, DateTime<Utc>),
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let done = sqlx::query(
        "update orders set done_at = $2, code = $3, message = $4 where id = $1 and done_at is null",
    )
    .bind(id)
    .bind(now)
    .bind(code)
    .bind(message)
    .execute(&mut *transaction)
    .await?;
    let answers = answers.filter(|_| done.rows_affected() == 1);
    if let Some(row) = answers.and_then(|answers| remembered("ingest.order", &answers, now)) {
        ::store::remember(&mut transaction, &[row]).await?;
    }
    transaction.commit().await
}

/// What a delivery ordered.
pub(crate) async fn of(pool: &PgPool, delivery: Uuid) -> Result<Vec<Ordered>, sqlx::Error> {
    let rows = sqlx::query(
        "select body, attempts, done_at, code, message from orders where delivery = $1",
    )
    .bind(delivery)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(order): Json<Value> = row.try_get("body")?;
            Ok(Ordered {
                order,
                attempts: row.try_get("attempts")?,
                done_at: row.try_get("done_at")?,
                code: row.try_get("code")?,
                message: row.try_get("message")?,
            })
        })
        .collect()
}
