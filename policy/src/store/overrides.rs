//! Broken glass: who broke it, whether it was taken back, and what came of it.

use chrono::{DateTime, Utc};
use contracts::{ChainId, GateId};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    decider::StoredGate,
    page::{BrokenGlass, FollowUp},
    review::{Review, Word},
};

/// What tells the locks of chains whose glass is broken from others.
const LOCKS: u64 = 0x7374_6163_6b6c_7903;

/// Who broke the glass since `since`, the newest first. What was carried from one gate of a chain
/// to the others is told once.
pub(crate) async fn overrides(
    pool: &PgPool,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<BrokenGlass>, sqlx::Error> {
    let rows = sqlx::query(
        "select broken.*, follow_up.by as followed_by, follow_up.note as followed_note,
             follow_up.at as followed_at,
             exists (
                 select from reviews as word join gates as of_word on of_word.id = word.gate
                 where of_word.chain = broken.chain and word.word = 'withdraw'
                     and word.at = broken.until
             ) as taken_back
         from (
             select distinct on (reviews.by, reviews.at, gates.chain) reviews.by, reviews.note,
                 reviews.at, reviews.until, reviews.whole_chain, gates.id, gates.chain, gates.stack
             from reviews join gates on gates.id = reviews.gate
             where word = 'override' and reviews.at >= $1
             order by reviews.by, reviews.at, gates.chain, gates.requested_at
         ) as broken
         left join override_follow_ups as follow_up on follow_up.chain = broken.chain
             and follow_up.broken_by = broken.by and follow_up.broken_at = broken.at
         order by broken.at desc limit $2",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(broken_glass).collect()
}

fn broken_glass(row: &PgRow) -> Result<BrokenGlass, sqlx::Error> {
    let follow_up = match row.try_get::<Option<String>, _>("followed_by")? {
        None => None,
        Some(by) => Some(FollowUp {
            by,
            note: row.try_get("followed_note")?,
            at: row.try_get("followed_at")?,
        }),
    };
    Ok(BrokenGlass {
        gate: GateId(row.try_get("id")?),
        chain: ChainId(row.try_get("chain")?),
        stack: row.try_get("stack")?,
        by: row.try_get("by")?,
        reason: row.try_get("note")?,
        at: row.try_get("at")?,
        until: row.try_get("until")?,
        whole_chain: row.try_get("whole_chain")?,
        taken_back: row.try_get("taken_back")?,
        follow_up,
    })
}

/// Notes what came of the broken glass of a gate. Returns whether there is any.
pub(crate) async fn follow_up(
    pool: &PgPool,
    gate: GateId,
    follow_up: &FollowUp,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "insert into override_follow_ups (chain, broken_by, broken_at, by, note, at)
         select distinct gates.chain, reviews.by, reviews.at, $2, $3, $4::timestamptz
         from reviews join gates on gates.id = reviews.gate
         where gates.id = $1 and reviews.word = 'override'
         on conflict on constraint override_follow_ups_once do update set
             by = excluded.by, note = excluded.note, at = excluded.at",
    )
    .bind(gate.0)
    .bind(&follow_up.by)
    .bind(&follow_up.note)
    .bind(follow_up.at)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps others from writing what is said of the whole of these chains until the transaction ends.
pub(crate) async fn hold_glass(
    connection: &mut PgConnection,
    kept: &[&StoredGate],
) -> Result<(), sqlx::Error> {
    let number = |kept: &StoredGate| {
        let (high, low) = kept.gate.request.chain.0.as_u64_pair();
        (high ^ low ^ LOCKS).cast_signed()
    };
    let mut numbers: Vec<i64> = of_whole_chains(kept).map(number).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    // Always in the same order, so that nobody waits for each other.
    numbers.sort_unstable();
    numbers.dedup();
    sqlx::query("select pg_advisory_xact_lock(number) from unnest($1::bigint[]) as number")
        .bind(numbers)
        .execute(connection)
        .await?;
    Ok(())
}

/// What was said of a whole chain is written at each of its gates: it holds at none for longer than
/// at another, whoever wrote it there and whatever they knew. Gives the gates that are to be told.
pub(crate) async fn level_glass(
    connection: &mut PgConnection,
    kept: &[&StoredGate],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let chains: Vec<Uuid> = of_whole_chains(kept).map(|kept| kept.gate.request.chain.0).collect();
    if chains.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "with broken as (
             select gates.chain, reviews.by, reviews.at, min(reviews.until) as until
             from reviews join gates on gates.id = reviews.gate
             where gates.chain = any($1) and reviews.word = 'override' and reviews.whole_chain
             group by gates.chain, reviews.by, reviews.at
         )
         update reviews set until = broken.until
         from broken join gates on gates.chain = broken.chain
         where reviews.gate = gates.id and reviews.word = 'override' and reviews.whole_chain
             and reviews.by = broken.by and reviews.at = broken.at and reviews.until > broken.until
         returning reviews.gate",
    )
    .bind(chains)
    .fetch_all(connection)
    .await
}

/// Those at which somebody broke the glass of the whole chain.
fn of_whole_chains<'a>(kept: &'a [&'a StoredGate]) -> impl Iterator<Item = &'a StoredGate> {
    let is_of_chain =
        |review: &Review| matches!(review.word, Word::Override { whole_chain: true, .. });
    kept.iter().copied().filter(move |kept| kept.gate.reviews.iter().any(is_of_chain))
}
