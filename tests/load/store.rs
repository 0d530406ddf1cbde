//! The SQL of the load program: the floor's rows, and what Postgres says of itself.

use std::{collections::BTreeMap, time::Duration};

use ::store::Lender;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{figures::round, system::Ground};

/// As long as the envelope of the event that ingest makes of the push.
pub(crate) const ANSWERS: &str = r#"[{"id":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"change.pushed","version":1,"key":"acme/infra","source":"/stackly/ingest","time":"2026-11-20T10:00:00.000000Z","correlation":"01890a5d-ac96-774b-bcce-b302099a8057","causation":null,"body":{"author":"jane","branch":"main","commit":"cccccccccccccccccccccccccccccccccccccccc","deleted":false,"forced":false,"paths":{"all":["stacks/a/main.tf"]},"previous":"1111111111111111111111111111111111111111","pull_request":null,"repository":"acme/infra","tag":false,"title":"Change stacks/a/main.tf","url":"https://github.com/acme/infra/commit/cccccccccccccccccccccccccccccccccccccccc"}}]"#;
pub(crate) const HEADERS: &str = r#"{"content-type":"application/json","user-agent":"GitHub-Hookshot/044aadd","x-github-delivery":"01890a5d-ac96-774b-bcce-b302099a8057","x-github-event":"push","x-github-hook-id":"292430182","x-github-hook-installation-target-id":"79929171","x-github-hook-installation-target-type":"repository"}"#;
pub(crate) const CONTENT_KEY: &str = "push/acme/infra/refs/heads/main/1111111111111111111111111111111111111111/cccccccccccccccccccccccccccccccccccccccc/";

/// Which rows the floor keeps for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Those ingest keeps: the delivery, and its remembered answer.
    Same,
    /// The delivery alone.
    DeliveriesOnly,
}

/// One request of the floor.
pub(crate) struct Row {
    id: Uuid,
    fact_id: Uuid,
    sender_id: String,
    received_at: DateTime<Utc>,
    body: Bytes,
}

impl Row {
    pub(crate) fn new(body: Bytes) -> Self {
        let fact_id = Uuid::new_v4();
        let sender_id = fact_id.to_string();
        Self { id: Uuid::now_v7(), fact_id, sender_id, received_at: Utc::now(), body }
    }
}

/// A pool on ingest's schema, its migrations run.
pub(crate) async fn ingest(url: &str) -> anyhow::Result<PgPool> {
    let store = of(url, "ingest").await?;
    store.migrate(&::ingest::MIGRATIONS).await?;
    Ok(store.pool().clone())
}

/// A pool on the schema of the policy service, which has made it.
pub(crate) async fn policy(url: &str) -> anyhow::Result<PgPool> {
    Ok(of(url, "policy").await?.pool().clone())
}

async fn of(url: &str, service: &'static str) -> anyhow::Result<::store::Store> {
    let options = ::store::Options {
        url: SecretString::from(url),
        connections_max: 4,
        connect_patience: Duration::from_secs(10),
        lease: Duration::from_secs(30),
    };
    Ok(::store::Store::connect(&options, service).await?)
}

/// Keeps a batch, with or without remembered answers, as ingest does: one statement, which is a
/// transaction by itself.
pub(crate) const KEEP: &str = "with row as materialized (
         select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::bytea[])
             as row (id, sender_id, fact_id, received_at, body)
     ), new as (
         insert into deliveries (id, source, sender_id, fact_id, content_key, kind, received_at,
             verdict, code, message, secret, bytes, repository, head, address)
         select id, 'github', sender_id, fact_id, $6, 'push', received_at, 'accepted',
             'accepted', 'gives change.pushed', 0, octet_length(body), 'acme/infra',
             replace(fact_id::text, '-', '') || 'cccccccc', '127.0.0.1'::inet
         from row on conflict do nothing returning id
     ), content as (
         insert into contents (delivery, received_at, headers, body)
         select id, received_at, $7::text::json, body from row join new using (id)
     )
     insert into remembered (consumer, event_id, event_type, event_key, correlation, event_at,
         answered_at, answers, has_answers)
     select 'ingest-deliveries', fact_id, 'github.push', 'acme/infra', fact_id, received_at,
         received_at, $8::text::json, true
     from row join new using (id) where $9::boolean
     on conflict do nothing";

/// Keeps a batch.
pub(crate) async fn keep(lender: &Lender, rows: &[Row], shape: Shape) -> Result<(), sqlx::Error> {
    let mut connection = lender.lend().await?;
    sqlx::query(KEEP)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sender_id.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.fact_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.received_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &row.body[..]).collect::<Vec<_>>())
        .bind(CONTENT_KEY)
        .bind(HEADERS)
        .bind(ANSWERS)
        .bind(shape == Shape::Same)
        .execute(&mut *connection)
        .await?;
    connection.keep();
    Ok(())
}

/// A database of its own for the floor under a step.
pub(crate) async fn floor(ground: &Ground, connections: usize) -> anyhow::Result<PgPool> {
    let url = ground.database(&format!("floor_{}", Uuid::new_v4().simple())).await?;
    let connections = u32::try_from(connections).unwrap_or(u32::MAX).min(8);
    let pool = PgPoolOptions::new().max_connections(connections).connect(&url).await?;
    sqlx::query("create table steps (id uuid primary key, body bytea not null)")
        .execute(&pool)
        .await?;
    Ok(pool)
}

/// Keeps one step of the floor.
pub(crate) async fn floor_row(pool: &PgPool, id: Uuid, body: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("insert into steps (id, body) values ($1, $2)")
        .bind(id)
        .bind(body)
        .execute(pool)
        .await
        .map(drop)
}

/// How many deliveries ingest has kept.
pub(crate) async fn deliveries(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from deliveries").fetch_one(pool).await
}

/// How many gates wait and will be woken.
pub(crate) async fn waiting(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from gates join wakeups on key = id where not final")
        .fetch_one(pool)
        .await
}

/// What a table takes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) rows: i64,
    pub(crate) indexes: i64,
}

/// What each table of a schema takes.
pub(crate) async fn sizes(
    pool: &PgPool,
    schema: &str,
) -> Result<BTreeMap<String, Size>, sqlx::Error> {
    let rows = sqlx::query(
        "select relname::text as name, pg_table_size(oid) as rows, pg_indexes_size(oid) as indexes
         from pg_class where relkind = 'r' and relnamespace = $1::regnamespace",
    )
    .bind(schema)
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let size = Size { rows: row.try_get("rows")?, indexes: row.try_get("indexes")? };
        Ok((row.try_get("name")?, size))
    };
    rows.iter().map(read).collect()
}

/// One statement, and what it cost Postgres.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Statement {
    total_ms: f64,
    calls: i64,
    mean_ms: f64,
    rows: i64,
    text: String,
}

/// How much of its log Postgres has used up and taken back before anything is measured, in segments of
/// 16 MiB: more than one measurement writes.
const SEGMENTS: usize = 64;

/// Makes a new Postgres like one that has been there for a day: it writes its log into segments that
/// it used before. A new one fills each with zeros first and flushes it, some 20 to 50 ms in which
/// nobody can commit. Room for more than one measurement writes keeps a checkpoint from falling
/// into one of them and not into the next.
pub(crate) async fn season(url: &str) -> anyhow::Result<()> {
    let pool = PgPool::connect(url).await?;
    for setting in ["min_wal_size = '1GB'", "max_wal_size = '4GB'"] {
        sqlx::query(AssertSqlSafe(format!("alter system set {setting}"))).execute(&pool).await?;
    }
    sqlx::query("select pg_reload_conf()").execute(&pool).await?;
    for _ in 0..SEGMENTS {
        // A segment that is empty is not left.
        sqlx::query("select pg_logical_emit_message(false, 'load', '')").execute(&pool).await?;
        sqlx::query("select pg_switch_wal()").execute(&pool).await?;
    }
    pool.close().await;
    checkpoint(url).await
}

/// Has Postgres write what it changed, so that what was measured before is not written while
/// something else is measured.
pub(crate) async fn checkpoint(url: &str) -> anyhow::Result<()> {
    let pool = PgPool::connect(url).await?;
    sqlx::query("checkpoint").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Has Postgres count what its statements cost, from its next start on.
pub(crate) async fn want_statements(url: &str) -> anyhow::Result<()> {
    let pool = PgPool::connect(url).await?;
    sqlx::query("alter system set shared_preload_libraries = 'pg_stat_statements'")
        .execute(&pool)
        .await?;
    pool.close().await;
    Ok(())
}

/// The dearest statements of all databases since the server started.
pub(crate) async fn statements(url: &str) -> anyhow::Result<Vec<Statement>> {
    let pool = PgPool::connect(url).await?;
    sqlx::query("create extension if not exists pg_stat_statements").execute(&pool).await?;
    let rows = sqlx::query(
        "select sum(total_exec_time) as total, sum(calls)::bigint as calls,
             sum(rows)::bigint as rows, regexp_replace(query, '\\s+', ' ', 'g') as text
         from pg_stat_statements group by text order by total desc limit 40",
    )
    .fetch_all(&pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let (total, calls): (f64, i64) = (row.try_get("total")?, row.try_get("calls")?);
        let text: String = row.try_get("text")?;
        Ok(Statement {
            total_ms: round(total),
            calls,
            mean_ms: round(total / calls.max(1) as f64),
            rows: row.try_get("rows")?,
            text: text.chars().take(160).collect(),
        })
    };
    rows.iter().map(read).collect()
}
