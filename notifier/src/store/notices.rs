//! Delivery records across stories, for people who ask what was told where; and the calls they are of.

use chrono::{DateTime, Utc};
use contracts::{ChainId, Reason};
use serde_json::Value;
use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::page::{Delivery, Told};

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) limit: i64,
    pub(crate) channel: Option<String>,
    pub(crate) standing: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only those that come after this one: the last of the page before.
    pub(crate) before: Option<Uuid>,
}

/// A record with its call.
pub(crate) struct Found {
    pub(crate) told: Told,
    pub(crate) story: Uuid,
    /// Its story is kept: it can be told again.
    pub(crate) is_kept: bool,
}

/// The newest attempts first.
pub(crate) async fn recent(pool: &PgPool, filter: &Filter) -> Result<Vec<Delivery>, sqlx::Error> {
    let rows = sqlx::query(
        "select effect, channel, kind, target, about, standing, attempts, last_status, error,
             first_attempt_at, last_attempt_at, next_attempt_at, delivered_at
         from deliveries
         where ($1::text is null or channel = $1) and ($2::text is null or standing = $2)
             and last_attempt_at >= coalesce($3, '-infinity'::timestamptz)
             and last_attempt_at < coalesce($4, 'infinity'::timestamptz)
             and ($5::uuid is null or (last_attempt_at, effect) <
                 (select last.last_attempt_at, last.effect from deliveries last
                     where last.effect = $5))
         order by last_attempt_at desc, effect desc limit $6",
    )
    .bind(filter.channel.as_ref())
    .bind(filter.standing.as_ref())
    .bind(filter.since)
    .bind(filter.until)
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(delivery).collect()
}

/// One record, with what the call says and how it stands. The call is forgotten sooner.
pub(crate) async fn one(pool: &PgPool, effect: Uuid) -> Result<Option<Found>, sqlx::Error> {
    let row = sqlx::query(
        "select deliveries.effect, channel, deliveries.kind, target, about, standing, attempts,
             last_status, error, first_attempt_at, last_attempt_at, next_attempt_at, delivered_at,
             story, stories.key is not null as is_kept,
             stories.commit_key is not null as is_chain, effects.body as said,
             coalesce(effects.open, false) as open,
             case when effects.open then effects.reason end as reason
         from deliveries
             left join stories on stories.key = story
             left join effects on effects.id = deliveries.effect
         where deliveries.effect = $1",
    )
    .bind(effect)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let story: Uuid = row.try_get("story")?;
    let said = row.try_get::<Option<Json<Value>>, _>("said")?;
    let reason = row.try_get::<Option<Json<Reason>>, _>("reason")?;
    let told = Told {
        delivery: delivery(&row)?,
        chain: row.try_get::<bool, _>("is_chain")?.then_some(ChainId(story)),
        said: said.map(|Json(said)| said),
        open: row.try_get("open")?,
        reason: reason.map(|Json(reason)| reason),
    };
    Ok(Some(Found { told, story, is_kept: row.try_get("is_kept")? }))
}

/// Has a call that waits for its next attempt made now; false if it does not wait.
pub(crate) async fn hurry(pool: &PgPool, effect: Uuid) -> Result<bool, sqlx::Error> {
    let done =
        sqlx::query("update effects set due_at = now() where id = $1 and open and not claimed")
            .bind(effect)
            .execute(pool)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) fn delivery(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    Ok(Delivery {
        effect: row.try_get("effect")?,
        channel: row.try_get("channel")?,
        kind: row.try_get("kind")?,
        target: row.try_get("target")?,
        about: row.try_get("about")?,
        standing: row.try_get("standing")?,
        attempts: row.try_get("attempts")?,
        last_status: row.try_get("last_status")?,
        error: row.try_get("error")?,
        first_attempt_at: row.try_get("first_attempt_at")?,
        last_attempt_at: row.try_get("last_attempt_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        delivered_at: row.try_get("delivered_at")?,
    })
}
