//! The deliveries, and the events that follow from them, in one transaction.

use std::collections::HashSet;

use ::store::Remembered;
use bus::Answers;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::{delivery::Source, intake::Kept};

/// Under which name the answers to deliveries are remembered.
pub(crate) const CONSUMER: &str = "ingest-deliveries";

/// A signed delivery, ready to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) source: Source,
    pub(crate) sender_id: Option<String>,
    /// The id of the event that tells this fact, whether or not there is one.
    pub(crate) fact_id: Uuid,
    pub(crate) content_key: String,
    pub(crate) kind: String,
    pub(crate) received_at: DateTime<Utc>,
    /// A JSON object.
    pub(crate) headers: String,
    pub(crate) body: Bytes,
    pub(crate) verdict: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Which of the secrets of its source it was signed with.
    pub(crate) secret: i16,
    /// The one event that follows from it, or none.
    pub(crate) event: Option<Answers>,
}

/// Keeps a batch and remembers its events, all or nothing.
pub(crate) async fn keep(pool: &PgPool, batch: &[Delivery]) -> Result<Vec<Kept>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let new = insert(&mut transaction, batch).await?;
    let mut kept: Vec<_> = batch
        .iter()
        .map(|delivery| if new.contains(&delivery.id) { Kept::Now } else { Kept::Not })
        .collect();
    if new.len() < batch.len() {
        for (place, first) in firsts(&mut transaction, batch, &kept).await? {
            // A commit whose answer was lost: it is this very delivery.
            kept[place] = if first == batch[place].id { Kept::Now } else { Kept::Before(first) };
        }
    }
    let rows = batch.iter().filter(|delivery| new.contains(&delivery.id)).filter_map(remembered);
    ::store::remember(&mut transaction, &rows.collect::<Vec<_>>()).await?;
    bus::failpoint("ingest.before_commit");
    transaction.commit().await?;
    bus::failpoint("ingest.after_commit");
    Ok(kept)
}

fn remembered(delivery: &Delivery) -> Option<Remembered> {
    let answers = delivery.event.as_ref()?;
    let event = answers.first()?;
    Some(Remembered {
        consumer: CONSUMER,
        event_id: event.id,
        event_type: format!("{}.{}", delivery.source, delivery.kind),
        event_key: event.key.clone(),
        correlation: event.correlation,
        event_at: delivery.received_at,
        answered_at: delivery.received_at,
        answers: answers.clone(),
    })
}

async fn insert(
    connection: &mut PgConnection,
    batch: &[Delivery],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    fn column<'d, T>(batch: &'d [Delivery], field: impl Fn(&'d Delivery) -> T) -> Vec<T> {
        batch.iter().map(field).collect()
    }
    let rows = sqlx::query(
        "insert into deliveries (id, source, sender_id, fact_id, content_key, kind, received_at,
             headers, body, verdict, code, message, secret)
         select id, source, sender_id, fact_id, content_key, kind, received_at, headers::json,
             body, verdict, code, message, secret
         from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[],
             $7::timestamptz[], $8::text[], $9::bytea[], $10::text[], $11::text[], $12::text[],
             $13::smallint[])
             as row (id, source, sender_id, fact_id, content_key, kind, received_at, headers,
                 body, verdict, code, message, secret)
         on conflict do nothing
         returning id",
    )
    .bind(column(batch, |delivery| delivery.id))
    .bind(column(batch, |delivery| delivery.source.as_str()))
    .bind(column(batch, |delivery| delivery.sender_id.as_deref()))
    .bind(column(batch, |delivery| delivery.fact_id))
    .bind(column(batch, |delivery| delivery.content_key.as_str()))
    .bind(column(batch, |delivery| delivery.kind.as_str()))
    .bind(column(batch, |delivery| delivery.received_at))
    .bind(column(batch, |delivery| delivery.headers.as_str()))
    .bind(column(batch, |delivery| &delivery.body[..]))
    .bind(column(batch, |delivery| delivery.verdict))
    .bind(column(batch, |delivery| delivery.code))
    .bind(column(batch, |delivery| delivery.message.as_str()))
    .bind(column(batch, |delivery| delivery.secret))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("id")).collect()
}

/// For each delivery that is not new: which one was the first, by its place in the batch.
async fn firsts(
    connection: &mut PgConnection,
    batch: &[Delivery],
    kept: &[Kept],
) -> Result<Vec<(usize, Uuid)>, sqlx::Error> {
    let old: Vec<_> = (0..batch.len()).filter(|place| kept[*place] == Kept::Not).collect();
    let rows = sqlx::query(
        "with asked as (
             select * from unnest($1::integer[], $2::uuid[], $3::text[], $4::text[])
                 as row (place, fact_id, source, sender_id)
         )
         select distinct on (place) place, id from (
             select asked.place, known.id from asked
                 join deliveries known on known.fact_id = asked.fact_id
             union all
             select asked.place, known.id from asked
                 join deliveries known
                     on known.source = asked.source and known.sender_id = asked.sender_id
                 where known.verdict = 'accepted'
         ) found order by place, id",
    )
    .bind(old.iter().map(|place| i32::try_from(*place).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(old.iter().map(|place| batch[*place].fact_id).collect::<Vec<_>>())
    .bind(old.iter().map(|place| batch[*place].source.as_str()).collect::<Vec<_>>())
    .bind(old.iter().map(|place| batch[*place].sender_id.as_deref()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let place: i32 = row.try_get("place")?;
            Ok((usize::try_from(place).unwrap_or_default(), row.try_get("id")?))
        })
        .collect()
}

/// Whether the database refused what was written, rather than failed to write: data it cannot
/// take (classes 22, 23, 54), or a meeting of two writers that one of them lost (40).
pub(crate) fn is_about_the_rows(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["22", "23", "40", "54"].iter().any(|class| code.starts_with(class)))
}

/// A delivery, as the question `deliveries` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Its id.
    pub(crate) id: Uuid,
    /// Who sent it.
    pub(crate) source: String,
    /// The sender's own id of it.
    pub(crate) sender_id: Option<String>,
    /// The sender's name for what happened.
    pub(crate) kind: String,
    /// When it came.
    pub(crate) received_at: DateTime<Utc>,
    /// `accepted`, `kept` or `malformed`.
    pub(crate) verdict: String,
    /// Why, for machines.
    pub(crate) code: String,
    /// Why, for people.
    pub(crate) message: String,
    /// Which secret of its source it was signed with, counted from nought.
    pub(crate) secret: i16,
    /// The size of its body.
    pub(crate) bytes: i32,
    /// The event that follows from it.
    pub(crate) event: Option<Uuid>,
}

/// The newest deliveries, newest first.
pub(crate) async fn newest(
    pool: &PgPool,
    source: Option<&str>,
    limit: i64,
) -> Result<Vec<Listed>, sqlx::Error> {
    // Ids rise with time, so their index is the one by time.
    let rows = sqlx::query(
        "select id, source, sender_id, kind, received_at, verdict, code, message, secret,
             octet_length(body) as bytes,
             case when verdict = 'accepted' then fact_id end as event
         from deliveries where $1::text is null or source = $1
         order by id desc limit $2",
    )
    .bind(source)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Listed {
                id: row.try_get("id")?,
                source: row.try_get("source")?,
                sender_id: row.try_get("sender_id")?,
                kind: row.try_get("kind")?,
                received_at: row.try_get("received_at")?,
                verdict: row.try_get("verdict")?,
                code: row.try_get("code")?,
                message: row.try_get("message")?,
                secret: row.try_get("secret")?,
                bytes: row.try_get("bytes")?,
                event: row.try_get("event")?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
