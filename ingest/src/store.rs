//! The deliveries, and the events that follow from them, in one transaction.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use ::store::{Lender, Remembered, as_json};
use bus::Answers;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::Envelope;
use sqlx::{Connection, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    delivery::{Turn, fact_id},
    intake::Kept,
    order::Order,
    record,
};

pub(crate) mod contents;
pub(crate) mod heads;
pub(crate) mod lookouts;
pub(crate) mod old;
pub(crate) mod orders;
pub(crate) mod read;
pub(crate) mod replays;
pub(crate) mod secrets;
mod spoken;
mod turns;

/// Under which name the answers to deliveries are remembered.
pub(crate) const CONSUMER: &str = "ingest-deliveries";

/// A signed delivery, ready to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) source: Arc<str>,
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
    /// For which repositories that counts, apart by blanks; nothing for all.
    pub(crate) scopes: Option<String>,
    /// What it is about, where that can be told.
    pub(crate) repository: Option<String>,
    pub(crate) head: Option<String>,
    /// The others, of a push of several refs.
    pub(crate) further_heads: Vec<String>,
    /// The account it is of: Spacelift's, or the owner of the repository; of what is refused, the
    /// scopes of the secret that signed it.
    pub(crate) account: Option<String>,
    /// Nobody delivered it: it was looked for and found.
    pub(crate) found: bool,
    /// Who sent it, if somebody did.
    pub(crate) address: Option<IpAddr>,
    /// The events that follow from it, or none.
    pub(crate) event: Option<Answers>,
    /// What a person orders, and under which id it is carried out.
    pub(crate) order: Option<(Uuid, Order)>,
    /// What it tells that can be told again word for word, and is another fact then.
    pub(crate) turns: Vec<Turn>,
}

impl Delivery {
    /// The first of its events, under whose name they are remembered.
    fn first(&self) -> Option<&Envelope> {
        self.event.as_ref()?.first()
    }

    /// Why it cannot be read, if it cannot.
    pub(crate) fn malformed(&self) -> Option<&str> {
        (self.verdict == "malformed").then_some(self.message.as_str())
    }

    /// As the database reads one.
    fn address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }

    /// The same, as another fact: told again after that delivery told otherwise.
    #[must_use]
    pub(crate) fn again(self, after: Uuid) -> Self {
        let content_key = format!("{}/after/{after}", self.content_key);
        let fact_id = fact_id(&self.source, &content_key);
        let event = self.event.map(|events| record::under(fact_id, &events));
        let order = self.order.map(|(_, order)| (record::order_id(fact_id), order));
        Self { content_key, fact_id, event, order, ..self }
    }
}

/// Events that no delivery of its own led to, under the name of the first; none without events.
fn remembered(kind: &str, answers: &Answers, now: DateTime<Utc>) -> Option<Remembered> {
    let first = answers.first()?;
    Some(Remembered {
        consumer: CONSUMER,
        event_id: first.id,
        event_type: kind.to_owned(),
        event_key: first.key.clone(),
        correlation: first.correlation,
        event_at: now,
        answered_at: now,
        answers: answers.clone(),
    })
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Of each delivery, in order.
    pub(crate) kept: Vec<Kept>,
    /// Where the events of those that are new are remembered, by the event.
    pub(crate) positions: HashMap<Uuid, i64>,
}

/// Keeps a batch and remembers its events, all or nothing.
///
/// One statement, which is a transaction by itself, unless there is more to write.
pub(crate) async fn keep(lender: &Lender, batch: &[Delivery]) -> Result<Committed, sqlx::Error> {
    let mut connection = lender.lend().await?;
    bus::failpoint("ingest.before_commit");
    let (new, positions) = match batch.iter().any(has_more) {
        false => insert(&mut connection, batch).await?,
        true => {
            let mut transaction = connection.begin().await?;
            let (new, positions) = insert(&mut transaction, batch).await?;
            let written = || batch.iter().filter(|one| new.contains(&one.id));
            orders::insert(&mut transaction, written()).await?;
            turns::note(&mut transaction, written()).await?;
            spoken::insert(&mut transaction, written()).await?;
            transaction.commit().await?;
            (new, positions)
        }
    };
    bus::failpoint("ingest.after_commit");
    let mut kept: Vec<_> = batch
        .iter()
        .map(|delivery| if new.contains(&delivery.id) { Kept::Now } else { Kept::Not })
        .collect();
    if new.len() < batch.len() {
        for (place, first) in firsts(&mut connection, batch, &kept).await? {
            // A commit whose answer was lost: it is this very delivery.
            kept[place] = if first == batch[place].id { Kept::Now } else { Kept::Before(first) };
        }
        let known = batch.iter().enumerate().zip(&kept);
        let known = known.filter(|(_, kept)| matches!(kept, Kept::Before(_))).map(|(one, _)| one);
        for (place, after) in turns::returned(&mut connection, known).await? {
            kept[place] = Kept::Returned(after);
        }
        note_repeats(&mut connection, batch, &kept).await?;
    }
    connection.keep();
    Ok(Committed { kept, positions })
}

/// Whether a delivery is written to more than one table's row each.
fn has_more(delivery: &Delivery) -> bool {
    delivery.order.is_some() || !delivery.turns.is_empty() || !delivery.further_heads.is_empty()
}

/// Writes what is new of a batch, with its events; gives which deliveries are, and where the events
/// are remembered.
async fn insert(
    connection: &mut PgConnection,
    batch: &[Delivery],
) -> Result<(HashSet<Uuid>, HashMap<Uuid, i64>), sqlx::Error> {
    fn column<'d, T>(batch: &'d [Delivery], field: impl Fn(&'d Delivery) -> T) -> Vec<T> {
        batch.iter().map(field).collect()
    }
    let rows = sqlx::query(
        "with row as materialized (
             select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[],
                 $6::text[], $7::timestamptz[], $8::text[], $9::bytea[], $10::text[], $11::text[],
                 $12::text[], $13::smallint[], $14::text[], $15::text[], $16::boolean[], $17::uuid[],
                 $18::text[], $19::uuid[], $20::text[], $22::text[], $23::text[])
                 as row (id, source, sender_id, fact_id, content_key, kind, received_at, headers,
                     body, verdict, code, message, secret, repository, head, found, event_id,
                     event_key, correlation, answers, scopes, address)
         ), new as (
             insert into deliveries (id, source, sender_id, fact_id, content_key, kind, received_at,
                 verdict, code, message, secret, bytes, repository, head, found, scopes, address)
             select id, source, sender_id, fact_id, content_key, kind, received_at, verdict, code,
                 message, secret, octet_length(body), repository, head, found, scopes, address::inet
             from row
             on conflict do nothing
             returning id
         ), content as (
             insert into contents (delivery, received_at, headers, body)
             select id, received_at, headers::json, body from row join new using (id)
         ), answered as (
             insert into remembered (consumer, event_id, event_type, event_key, correlation,
                 event_at, answered_at, answers, has_answers)
             select $21, event_id, source || '.' || kind, event_key, correlation, received_at,
                 received_at, answers::json, true
             from row join new using (id) where event_id is not null
             on conflict on constraint remembered_once do nothing
             returning event_id, position
         )
         select row.id, answered.event_id, answered.position
         from new join row using (id) left join answered using (event_id)",
    )
    .bind(column(batch, |delivery| delivery.id))
    .bind(column(batch, |delivery| &*delivery.source))
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
    .bind(column(batch, |delivery| delivery.repository.as_deref()))
    .bind(column(batch, |delivery| delivery.head.as_deref()))
    .bind(column(batch, |delivery| delivery.found))
    .bind(column(batch, |delivery| delivery.first().map(|event| event.id)))
    .bind(column(batch, |delivery| delivery.first().map(|event| event.key.as_str())))
    .bind(column(batch, |delivery| delivery.first().map(|event| event.correlation)))
    .bind(column(batch, |delivery| delivery.event.as_deref().map(as_json)))
    .bind(CONSUMER)
    .bind(column(batch, |delivery| delivery.scopes.as_deref()))
    .bind(column(batch, Delivery::address))
    .fetch_all(connection)
    .await?;
    written(&rows)
}

/// Which deliveries were written, and where their events are remembered.
fn written(rows: &[PgRow]) -> Result<(HashSet<Uuid>, HashMap<Uuid, i64>), sqlx::Error> {
    let mut new = HashSet::with_capacity(rows.len());
    let mut positions = HashMap::with_capacity(rows.len());
    for row in rows {
        new.insert(row.try_get("id")?);
        if let (Some(event), Some(position)) = (row.try_get("event_id")?, row.try_get("position")?)
        {
            positions.insert(event, position);
        }
    }
    Ok((new, positions))
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
    .bind(old.iter().map(|place| &*batch[*place].source).collect::<Vec<_>>())
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
    code(error)
        .is_some_and(|code| ["22", "23", "40", "54"].iter().any(|class| code.starts_with(class)))
}

/// What the database calls an error.
fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

/// The most repeats that are noted of one fact: the newest, which are those that may come again.
const REPEATS_MAX: i64 = 20;

/// Notes who told again what is known.
async fn note_repeats(
    connection: &mut PgConnection,
    batch: &[Delivery],
    kept: &[Kept],
) -> Result<(), sqlx::Error> {
    let again = batch.iter().zip(kept).filter_map(|(delivery, kept)| match kept {
        Kept::Before(first) => Some((*first, delivery)),
        _ => None,
    });
    let (firsts, again): (Vec<_>, Vec<_>) = again.unzip();
    if firsts.is_empty() {
        return Ok(());
    }
    let bounded = firsts.clone();
    sqlx::query(
        "insert into repeats (delivery, sender_id, first_at, last_at, times, address)
         select delivery, sender_id, min(at), max(at), count(*),
             (array_agg(address::inet order by at desc))[1]
         from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[])
             as row (delivery, sender_id, at, address)
         group by delivery, sender_id order by delivery, sender_id
         on conflict on constraint repeats_once do update
             set times = repeats.times + excluded.times, last_at = excluded.last_at,
                 address = excluded.address",
    )
    .bind(firsts)
    .bind(
        again
            .iter()
            .map(|delivery| delivery.sender_id.as_deref().unwrap_or_default())
            .collect::<Vec<_>>(),
    )
    .bind(again.iter().map(|delivery| delivery.received_at).collect::<Vec<_>>())
    .bind(again.iter().map(|delivery| delivery.address()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from repeats where (delivery, sender_id) in (
             select delivery, sender_id from repeats
             where (delivery, sender_id) in (
                 select delivery, sender_id from (
                     select delivery, sender_id, row_number() over
                         (partition by delivery order by last_at desc, sender_id) as place
                     from repeats where delivery = any($1)
                 ) as known where place > $2
             )
             -- Whoever notes one of them just now is not waited for.
             for update skip locked
         )",
    )
    .bind(bounded)
    .bind(REPEATS_MAX)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
