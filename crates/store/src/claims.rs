//! Claims: who may make which call, as rows under a fence.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use contracts::{Reason, Trace};
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use crate::{
    Claim,
    presence::{ROOM, SILENCE},
    remembered::as_json,
};

/// No call is put off for longer at once: a wait may have been asked for by somebody else.
const POSTPONED_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Closes effects under their fences; gives those that were still ours to close.
pub(crate) async fn close(
    connection: &mut PgConnection,
    closings: &[(Uuid, i64)],
    now: DateTime<Utc>,
) -> Result<HashSet<(Uuid, i64)>, sqlx::Error> {
    if closings.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query(
        "update effects set open = false, claimed = false, closed_at = $3
         where effects.id = any($1) and effects.open and exists (
             select from unnest($1::uuid[], $2::bigint[]) as row (id, fence)
             where effects.id = row.id and effects.fence = row.fence)
         returning effects.id, effects.fence",
    )
    .bind(closings.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(closings.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("fence")?))).collect()
}

/// Gives back claims under which no call was begun: they are due at once, and certain.
pub(crate) async fn release(pool: &PgPool, claims: &[(Uuid, i64)]) -> Result<(), sqlx::Error> {
    if claims.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update effects set claimed = false, due_at = now()
         where effects.id = any($1) and effects.open and exists (
             select from unnest($1::uuid[], $2::bigint[]) as row (id, fence)
             where effects.id = row.id and effects.fence = row.fence)",
    )
    .bind(claims.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(claims.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Puts off a call until it is to be tried again.
pub(crate) async fn postpone(
    pool: &PgPool,
    claim: &Claim,
    after: Duration,
    why: &Reason,
    uncertain: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update effects set claimed = false, due_at = $3, reason = $4::text::json, uncertain = $5
         where id = $1 and fence = $2 and open",
    )
    .bind(claim.id)
    .bind(claim.fence)
    .bind(Utc::now() + after.min(POSTPONED_MAX))
    .bind(as_json(why))
    .bind(uncertain)
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives up a call in the middle: it is due at once, and shows its effect, if it has one, within the
/// last quarter of a lease.
pub(crate) async fn break_off(
    pool: &PgPool,
    claim: &Claim,
    lease: Duration,
) -> Result<(), sqlx::Error> {
    let now = Utc::now();
    sqlx::query(
        "update effects set claimed = false, due_at = $3, uncertain = true, holder = null,
             unsettled_until = $4
         where id = $1 and fence = $2 and open",
    )
    .bind(claim.id)
    .bind(claim.fence)
    .bind(now)
    .bind(now + lease / 4)
    .execute(pool)
    .await?;
    Ok(())
}

/// Whether there is anything to be claimed, or to be taken over.
pub(crate) struct Look {
    /// Calls are due.
    pub(crate) is_due: bool,
    /// Other processes have said that they are there.
    pub(crate) has_others: bool,
}

/// Looks whether there is anything to do; much cheaper than finding that there is not.
pub(crate) async fn look(pool: &PgPool, own: Option<i32>) -> Result<Look, sqlx::Error> {
    let row = sqlx::query(
        "select exists (select from effects where open and due_at <= $1) as is_due,
             exists (select from present where number is distinct from $2) as has_others",
    )
    .bind(Utc::now())
    .bind(own)
    .fetch_one(pool)
    .await?;
    Ok(Look { is_due: row.try_get("is_due")?, has_others: row.try_get("has_others")? })
}

/// Makes due what was claimed by processes that are gone, whatever their leases say; gives whether
/// a process is gone. What they were calling was broken off [`SILENCE`] ago at the latest, and shows
/// its effect, if it has one, within the last quarter of a lease.
pub(crate) async fn take_over(
    pool: &PgPool,
    lease: Duration,
    own: Option<i32>,
) -> Result<bool, sqlx::Error> {
    let now = Utc::now();
    sqlx::query_scalar(
        "with gone as (
             delete from present where number is distinct from $3
                 and pg_try_advisory_xact_lock_shared($4, number)
             returning number
         ), taken as (
             update effects set due_at = $1, holder = null, unsettled_until = least(due_at, $2)
             where open and claimed and holder in (select number from gone)
         )
         select exists (select from gone)",
    )
    .bind(now)
    .bind(now + SILENCE + lease / 4)
    .bind(own)
    .bind(ROOM)
    .fetch_one(pool)
    .await
}

/// Claims what is due: retries, and claims whose holder died; but nothing on a lane that begins like one
/// of those that are full.
pub(crate) async fn due(
    pool: &PgPool,
    (lease, holder): (Duration, Option<i32>),
    limit: i64,
    full: &[String],
) -> Result<Vec<Claim>, sqlx::Error> {
    let now = Utc::now();
    let expires_at = now + lease;
    let rows = sqlx::query(
        "update effects set fence = fence + 1, attempt = attempt + 1, due_at = $2,
             uncertain = uncertain or claimed, claimed = true, holder = $4
         where id in (select id from effects where open and due_at <= $1 and not lane ^@ any($5)
             order by due_at limit $3 for update skip locked)
         returning id, key, lane, kind, body, correlation, trace, attempt, fence, uncertain,
             created_at, unsettled_until",
    )
    .bind(now)
    .bind(expires_at)
    .bind(limit)
    .bind(holder)
    .bind(full)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(body) = row.try_get("body")?;
            Ok(Claim {
                id: row.try_get("id")?,
                key: row.try_get("key")?,
                lane: row.try_get("lane")?,
                kind: row.try_get("kind")?,
                body,
                correlation: row.try_get("correlation")?,
                trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
                attempt: row.try_get("attempt")?,
                fence: row.try_get("fence")?,
                uncertain: row.try_get("uncertain")?,
                created_at: row.try_get("created_at")?,
                expires_at,
                unsettled_until: row.try_get("unsettled_until")?,
                holder,
            })
        })
        .collect()
}

/// Lets a claim last until it says; gives whether it is still ours.
pub(crate) async fn renew(pool: &PgPool, claim: &Claim) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("update effects set due_at = $3 where id = $1 and fence = $2 and open")
        .bind(claim.id)
        .bind(claim.fence)
        .bind(claim.expires_at)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() == 1)
}
