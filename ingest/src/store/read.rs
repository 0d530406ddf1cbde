//! Deliveries, as people ask for them.

use chrono::{DateTime, Utc};
use contracts::Code;
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use crate::page::{Ambiguous, Listed, Repeat};

/// What came, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) source: Option<String>,
    pub(crate) verdict: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) before: Option<Uuid>,
    pub(crate) limit: i64,
}

const COLUMNS: &str = "select id, source, sender_id, kind, received_at, verdict, code, message,
     secret, scopes, bytes, repository, head, found, host(address) as address,
     case when verdict = 'accepted' then fact_id end as event
 from deliveries ";

fn listed(row: &PgRow) -> Result<Listed, sqlx::Error> {
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
        scopes: row.try_get("scopes")?,
        bytes: row.try_get("bytes")?,
        event: row.try_get("event")?,
        repository: row.try_get("repository")?,
        head: row.try_get("head")?,
        found: row.try_get("found")?,
        address: row.try_get("address")?,
    })
}

/// Text of our own and nothing else.
pub(super) fn statement(rest: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("{COLUMNS}{rest}"))
}

/// The first id that could have been given at a time.
pub(super) fn first_id(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// Ids rise with time, so their index is the one by time. Of a bound that may be null, a plan that is
/// kept asks no index: both are always there.
pub(super) const NEWEST: &str = "where id >= $1 and id < $2
     and ($3::text is null or source = $3) and ($4::text is null or verdict = $4)
 order by id desc limit $5";

/// The newest deliveries, newest first.
pub(crate) async fn newest(pool: &PgPool, filter: &Filter) -> Result<Vec<Listed>, sqlx::Error> {
    let from = filter.since.map_or(Uuid::nil(), first_id);
    let until = filter.until.map(first_id).into_iter().chain(filter.before).min();
    let rows = sqlx::query(statement(NEWEST))
        .bind(from)
        .bind(until.unwrap_or(Uuid::max()))
        .bind(filter.source.as_deref())
        .bind(filter.verdict.as_deref())
        .bind(filter.limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(listed).collect()
}

/// The repositories of which several of these sources have told since a time: they count as one.
pub(crate) async fn ambiguous(
    pool: &PgPool,
    hosts: &[&str],
    since: DateTime<Utc>,
) -> Result<Vec<Ambiguous>, sqlx::Error> {
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select min(repository), array_agg(distinct source order by source) from deliveries
         where id >= $1 and verdict = 'accepted' and source = any($2) and repository is not null
         group by lower(repository) having count(distinct source) > 1
         order by lower(repository) limit 20",
    )
    .bind(first_id(since))
    .bind(hosts)
    .fetch_all(pool)
    .await?;
    let code = Code::RepositoryAmbiguous;
    let told = |(repository, sources)| Ambiguous { code, repository, sources };
    Ok(rows.into_iter().map(told).collect())
}

/// Those with one of these ids.
pub(crate) async fn by_ids(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<Listed>, sqlx::Error> {
    let rows =
        sqlx::query(statement("where id = any($1) order by id")).bind(ids).fetch_all(pool).await?;
    rows.iter().map(listed).collect()
}

/// Senders' ids have an index for what gave an event and another for what gave none, both by source.
pub(super) const MEANT: &str = "where id in (
         select $1::uuid
         union all select id from deliveries where fact_id = $1
         union all select delivery from repeats where sender_id = $2
         union all select delivery from replays where event = $1
         union all select id from deliveries
             where source = any($3) and sender_id = $2 and verdict = 'accepted'
         union all select id from deliveries
             where source = any($3) and sender_id = $2 and verdict <> 'accepted'
     ) order by id limit 100";

/// Those of which a person may speak: by our id, by the event, by the id that one of these senders
/// gave it, also of one that was told again.
pub(crate) async fn meant(
    pool: &PgPool,
    word: &str,
    sources: &[&str],
) -> Result<Vec<Listed>, sqlx::Error> {
    let rows = sqlx::query(statement(MEANT))
        .bind(Uuid::parse_str(word).ok())
        .bind(word)
        .bind(sources)
        .fetch_all(pool)
        .await?;
    rows.iter().map(listed).collect()
}

/// As short as a host cuts commits.
const HEAD_CHARS_MIN: usize = 12;

/// Those that speak of a commit that begins so, also where their host cut it shorter.
pub(crate) async fn of_commit(pool: &PgPool, start: &str) -> Result<Vec<Listed>, sqlx::Error> {
    let cut: Vec<_> =
        (HEAD_CHARS_MIN..start.len()).filter_map(|length| start.get(..length)).collect();
    // In the words of the index, which knows no `like` whose pattern comes later; what follows in a
    // head is a character before the last of ASCII.
    let begins = "where id in (
             select id from deliveries where head ~>=~ $1 and head ~<~ ($1 || E'\\x7f')
             union all select id from deliveries where head = any($2)
             union all select delivery from spoken_heads
                 where head ~>=~ $1 and head ~<~ ($1 || E'\\x7f')
             union all select delivery from spoken_heads where head = any($2)
         ) order by id limit 100";
    let rows = sqlx::query(statement(begins)).bind(start).bind(cut).fetch_all(pool).await?;
    rows.iter().map(listed).collect()
}

pub(super) const KNOWN: &str = "select sender_id from deliveries
         where source = $1 and sender_id = any($2) and verdict = 'accepted'
     union select sender_id from repeats where sender_id = any($2)
     union select sender_id from deliveries
         where source = $1 and sender_id = any($2) and verdict <> 'accepted'";

/// Which of these ids of a sender have come, one way or another.
pub(crate) async fn known(
    pool: &PgPool,
    source: &str,
    ids: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(KNOWN).bind(source).bind(ids).fetch_all(pool).await
}

/// Who told again what this delivery told.
pub(crate) async fn repeats(pool: &PgPool, delivery: Uuid) -> Result<Vec<Repeat>, sqlx::Error> {
    let rows = sqlx::query(
        "select sender_id, host(address) as address, last_at, times from repeats
         where delivery = $1 order by first_at",
    )
    .bind(delivery)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Repeat {
                sender_id: row.try_get("sender_id")?,
                address: row.try_get("address")?,
                last_at: row.try_get("last_at")?,
                times: row.try_get("times")?,
            })
        })
        .collect()
}

/// What came, while it is kept.
pub(crate) async fn content(
    pool: &PgPool,
    delivery: &Listed,
) -> Result<Option<Content>, sqlx::Error> {
    let row = sqlx::query(
        "select headers::text as headers, body from contents
         where delivery = $1 and received_at = $2",
    )
    .bind(delivery.id)
    .bind(delivery.received_at)
    .fetch_optional(pool)
    .await?;
    row.map(|row| Ok(Content { headers: row.try_get("headers")?, body: row.try_get("body")? }))
        .transpose()
}
