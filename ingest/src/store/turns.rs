//! What was told last of what can be told again word for word.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::Delivery;

/// The turns of deliveries, as columns.
#[derive(Default)]
struct Columns<'d> {
    number: Vec<i32>,
    source: Vec<&'d str>,
    sender_id: Vec<Option<&'d str>>,
    content_key: Vec<&'d str>,
    fact_id: Vec<Uuid>,
    place: Vec<&'d str>,
    came_from: Vec<Option<&'d str>>,
    went_to: Vec<&'d str>,
    delivery: Vec<Uuid>,
    at: Vec<chrono::DateTime<chrono::Utc>>,
}

impl<'d> Columns<'d> {
    fn of(deliveries: impl Iterator<Item = (usize, &'d Delivery)>) -> Self {
        let mut columns = Self::default();
        for (number, delivery) in deliveries {
            for turn in &delivery.turns {
                columns.number.push(i32::try_from(number).unwrap_or(i32::MAX));
                columns.source.push(&delivery.source);
                columns.sender_id.push(delivery.sender_id.as_deref());
                columns.content_key.push(&delivery.content_key);
                columns.fact_id.push(delivery.fact_id);
                columns.place.push(&turn.place);
                columns.came_from.push(turn.came_from.as_deref());
                columns.went_to.push(&turn.went_to);
                columns.delivery.push(delivery.id);
                columns.at.push(delivery.received_at);
            }
        }
        columns
    }
}

/// Notes the turns of new deliveries, the newest of each place.
pub(super) async fn note(
    connection: &mut PgConnection,
    deliveries: impl Iterator<Item = &Delivery>,
) -> Result<(), sqlx::Error> {
    let columns = Columns::of(deliveries.enumerate());
    if columns.place.is_empty() {
        return Ok(());
    }
    // In the order of the places, so that two writers cannot wait for each other.
    sqlx::query(
        "insert into turns (source, place, came_from, went_to, delivery, at)
         select distinct on (source, place) source, place, came_from, went_to, delivery, at
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[])
             as row (source, place, came_from, went_to, delivery, at)
         order by source, place, at desc, delivery desc
         on conflict on constraint turns_once do update
             set came_from = excluded.came_from, went_to = excluded.went_to,
                 delivery = excluded.delivery, at = excluded.at
             where turns.at <= excluded.at",
    )
    .bind(columns.source)
    .bind(columns.place)
    .bind(columns.came_from)
    .bind(columns.went_to)
    .bind(columns.delivery)
    .bind(columns.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Of these deliveries, whose facts are known, those that tell a turn anew: their place has been
/// elsewhere since, by the delivery that is given with each. One that its sender tries again tells
/// nothing anew, nor does one of an event that told this fact already: Azure sends each once for every
/// subscription, under an id that begins with the event's.
pub(super) async fn returned(
    connection: &mut PgConnection,
    deliveries: impl Iterator<Item = (usize, &Delivery)>,
) -> Result<Vec<(usize, Uuid)>, sqlx::Error> {
    let columns = Columns::of(deliveries);
    if columns.place.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select distinct on (row.number) row.number, turns.delivery
         from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::timestamptz[], $8::text[], $9::uuid[])
             as row (number, source, sender_id, place, came_from, went_to, at, content_key,
                 fact_id)
             join turns using (source, place)
         where (turns.came_from, turns.went_to) is distinct from (row.came_from, row.went_to)
             and (row.came_from is null or turns.went_to = row.came_from)
             and turns.at < row.at
             and not exists (
                 select from deliveries known
                 where known.source = row.source and known.sender_id = row.sender_id
                     and known.verdict = 'accepted'
             )
             and not exists (select from repeats where repeats.sender_id = row.sender_id)
             and not exists (
                 select from deliveries known
                 where row.source = 'azure-devops' and known.source = 'azure-devops'
                     and known.verdict = 'accepted'
                     and split_part(known.sender_id, '/', 1) = split_part(row.sender_id, '/', 1)
                     and (known.content_key = row.content_key
                         or starts_with(known.content_key, row.content_key || '/after/'))
             )
             and not exists (
                 select from deliveries known join repeats on repeats.delivery = known.id
                 where row.source = 'azure-devops' and known.fact_id = row.fact_id
                     and split_part(repeats.sender_id, '/', 1) = split_part(row.sender_id, '/', 1)
             )
         order by row.number, turns.at desc",
    )
    .bind(columns.number)
    .bind(columns.source)
    .bind(columns.sender_id)
    .bind(columns.place)
    .bind(columns.came_from)
    .bind(columns.went_to)
    .bind(columns.at)
    .bind(columns.content_key)
    .bind(columns.fact_id)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let number: i32 = row.try_get("number")?;
            Ok((usize::try_from(number).unwrap_or_default(), row.try_get("delivery")?))
        })
        .collect()
}
