//! What decisions leave: answers to be remembered and calls to be made, written by one statement.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::{Claim, Effect, Remembered, remembered::as_json};

/// Calls to be written, claimed by this process.
#[derive(Clone, Copy)]
pub(crate) struct Calls<'a> {
    pub(crate) effects: &'a [Effect],
    pub(crate) now: DateTime<Utc>,
    pub(crate) lease: Duration,
    /// [`Presence::number`](crate::presence::Presence::number).
    pub(crate) holder: Option<i32>,
}

/// What was new of what was written.
pub(crate) struct Written {
    /// Which answers: the event answered, and the position of the row.
    pub(crate) answered: Vec<(Uuid, i64)>,
    /// Which effects.
    pub(crate) asked: Vec<Uuid>,
}

/// Writes answers, with their JSON, and calls in one statement; gives what of them was new. What was
/// given up counts as answered. If some answer is not new, no call is written: it might meet its own
/// lane.
pub(crate) async fn write(
    connection: &mut PgConnection,
    answers: &[Remembered],
    json: &[String],
    Calls { effects, now, lease, holder }: Calls<'_>,
) -> Result<Written, sqlx::Error> {
    if answers.is_empty() && effects.is_empty() {
        return Ok(Written { answered: Vec::new(), asked: Vec::new() });
    }
    let row = sqlx::query(
        "with answered as (
             insert into remembered (consumer, event_id, event_type, event_key, correlation,
                 event_at, answered_at, answers, has_answers)
             select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[],
                 $6::timestamptz[], $7::timestamptz[], $8::text[]::json[], $9::boolean[])
                 as row (consumer, event)
             where not exists (select from buried where buried.consumer = row.consumer
                 and buried.key = row.event and buried.sequence is not null)
             on conflict on constraint remembered_once do nothing
             returning position, event_id),
         asked as (
             insert into effects (id, key, lane, kind, body, correlation, trace, claimed, due_at,
                 created_at, holder)
             select id, key, lane, kind, body, correlation, trace, true, $17, $18, $19
             from unnest($10::uuid[], $11::uuid[], $12::text[], $13::text[], $14::text[]::json[],
                 $15::uuid[], $16::text[]) as row (id, key, lane, kind, body, correlation, trace)
             where (select count(*) from answered) = cardinality($2)
             on conflict on constraint effects_once do nothing
             returning id)
         select array(select position from answered) as positions,
             array(select event_id from answered) as events, array(select id from asked) as asked",
    )
    .bind(answers.iter().map(|row| row.consumer).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.event_id).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.event_type.as_str()).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.event_key.as_str()).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.correlation).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.event_at).collect::<Vec<_>>())
    .bind(answers.iter().map(|row| row.answered_at).collect::<Vec<_>>())
    .bind(json)
    .bind(answers.iter().map(|row| !row.answers.is_empty()).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.id).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.key).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.lane.as_str()).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.kind).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| as_json(&effect.body)).collect::<Vec<_>>())
    .bind(effects.iter().map(|effect| effect.correlation).collect::<Vec<_>>())
    .bind(effects.iter().map(|e| e.trace.as_ref().map(|t| t.0.as_str())).collect::<Vec<_>>())
    .bind(now + lease)
    .bind(now)
    .bind(holder)
    .fetch_one(connection)
    .await?;
    let (events, positions): (Vec<Uuid>, Vec<i64>) =
        (row.try_get("events")?, row.try_get("positions")?);
    let answered = events.into_iter().zip(positions).collect();
    Ok(Written { answered, asked: row.try_get("asked")? })
}

/// The claims of the calls that were new.
pub(crate) fn born(
    Calls { effects, now, lease, holder }: Calls<'_>,
    written: &Written,
) -> Vec<Claim> {
    let new = effects.iter().filter(|effect| written.asked.contains(&effect.id)).cloned();
    new.map(|effect| Claim {
        id: effect.id,
        key: effect.key,
        lane: effect.lane,
        kind: effect.kind.to_owned(),
        body: effect.body,
        correlation: effect.correlation,
        trace: effect.trace,
        attempt: 1,
        fence: 1,
        uncertain: false,
        created_at: now,
        expires_at: now + lease,
        unsettled_until: None,
        holder,
    })
    .collect()
}
