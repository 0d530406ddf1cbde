//! The planner's tables; the only SQL.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{SpaceId, StackId, chain::WorkerPool};
use futures::TryStreamExt;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    blueprint::{Adoption, Blueprint},
    catalogue::{Dependency, Provider, Settings, Stack, digest, ordered},
    memory::Memory,
    texts::Texts,
};

mod branches;
mod files;
mod register;
mod reports;

pub use branches::{branches_in_use, branches_read, commit_read, commits_read, faults};
pub use files::{cache_file, cached_file};
pub use register::{
    blueprints_of, load_adoptions, load_blueprints, mark_rewritten, next_version, save_adopted,
    save_registration, standings, state_of, states, states_of,
};
pub use reports::{reports, save_report};

/// Which version of the catalogue is stored, and how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version; zero before the account was ever read.
    pub version: i64,
    /// The account was read no earlier than this.
    pub as_of: Option<DateTime<Utc>>,
    /// What the last reading failed with, until one succeeds.
    pub trouble: Option<String>,
    /// Equal as long as the account says the same.
    pub digest: Option<Uuid>,
}

/// Everything the graph is made of.
#[derive(Debug)]
pub struct Stored {
    /// The version.
    pub version: i64,
    /// The account was read no earlier than this.
    pub as_of: DateTime<Utc>,
    /// The stacks of the account.
    pub stacks: Vec<Stack>,
    /// What code says of them.
    pub blueprints: Vec<Arc<Blueprint>>,
    /// What people said of stacks and their code.
    pub adoptions: Vec<Adoption>,
}

/// A repository of which changes wait for the account to be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WaitingRepository {
    /// The key of its memory.
    #[serde(skip)]
    pub key: Uuid,
    /// Its name.
    pub name: String,
    /// How many wait.
    pub waiting: i32,
}

/// What is remembered of these repositories.
pub async fn load_memories(
    connection: &mut PgConnection,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Memory>, sqlx::Error> {
    let rows = sqlx::query("select key, memory from repositories where key = any($1)")
        .bind(keys)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let Json(memory) = row.try_get("memory")?;
            Ok((row.try_get("key")?, memory))
        })
        .collect()
}

/// Remembers repositories.
pub async fn save_memories(
    connection: &mut PgConnection,
    memories: &[(Uuid, &Memory)],
) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = memories.iter().map(|(_, memory)| memory.repository.as_str()).collect();
    let waiting = |(_, memory): &(Uuid, &Memory)| i32::try_from(memory.waiting());
    let waiting: Vec<i32> =
        memories.iter().map(waiting).map(|count| count.unwrap_or(i32::MAX)).collect();
    // As text: an array of JSON would be sent as `jsonb`, which has no room for a NUL in a title.
    let body = |(_, memory): &(Uuid, &Memory)| {
        serde_json::to_string(memory).expect("a memory is plain data")
    };
    let bodies: Vec<String> = memories.iter().map(body).collect();
    sqlx::query(
        "insert into repositories (key, name, memory, waiting)
         select key, name, memory::json, waiting
         from unnest($1::uuid[], $2::text[], $3::text[], $4::int[])
             as row (key, name, memory, waiting)
         on conflict (key) do update
             set name = excluded.name, memory = excluded.memory, waiting = excluded.waiting",
    )
    .bind(memories.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(names)
    .bind(bodies)
    .bind(waiting)
    .execute(connection)
    .await?;
    Ok(())
}

/// The repositories of which changes wait.
pub async fn waiting(pool: &PgPool) -> Result<Vec<WaitingRepository>, sqlx::Error> {
    let rows = sqlx::query(
        "select key, name, waiting from repositories where waiting > 0 order by name limit 1000",
    )
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| {
        let (key, name) = (row.try_get("key")?, row.try_get("name")?);
        Ok(WaitingRepository { key, name, waiting: row.try_get("waiting")? })
    };
    rows.iter().map(read).collect()
}

/// Which version of the graph is stored, and which one of the register of stacks.
pub async fn versions(pool: &PgPool) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as("select version, registered from catalogue, progress").fetch_one(pool).await
}

/// Up to which minute it was seen whose drift is to be looked at, if that was ever seen.
pub async fn drift_seen(pool: &PgPool) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar("select drift_seen from progress").fetch_one(pool).await
}

/// It was seen up to this minute.
pub async fn note_drift_seen(pool: &PgPool, until: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query("update progress set drift_seen = $1 where drift_seen is null or drift_seen < $1")
        .bind(until)
        .execute(pool)
        .await?;
    Ok(())
}

/// Which version is stored, and how fresh it is.
pub async fn head(pool: &PgPool) -> Result<Head, sqlx::Error> {
    let row = sqlx::query("select version, as_of, trouble, digest from catalogue")
        .fetch_one(pool)
        .await?;
    let (version, as_of) = (row.try_get("version")?, row.try_get("as_of")?);
    let digest = row.try_get("digest")?;
    Ok(Head { version, as_of, trouble: row.try_get("trouble")?, digest })
}

/// The right to read the account: only one replica has it at a time, and one that dies loses it
/// with its connection.
#[derive(Debug)]
pub struct Reading(Transaction<'static, Postgres>);

/// Takes the right to read the account, unless another replica has it or had it a moment ago.
pub async fn claim(pool: &PgPool, now: DateTime<Utc>) -> Result<Option<Reading>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // While Spacelift is asked, the transaction has nothing to do.
    sqlx::query("set local idle_in_transaction_session_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    let row = sqlx::query("select from catalogue where not_before <= $1 for update skip locked")
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
    Ok(row.map(|_| Reading(transaction)))
}

impl Reading {
    /// Stores what the account was at `as_of`. The version rises only if a stack changed; true if
    /// it did. Nobody reads again before `not_before`.
    pub async fn succeeded(
        mut self,
        stacks: Vec<Stack>,
        as_of: DateTime<Utc>,
        not_before: DateTime<Utc>,
    ) -> Result<bool, sqlx::Error> {
        let connection = &mut *self.0;
        let stacks = ordered(stacks);
        let digest = digest(&stacks);
        let changed: bool = sqlx::query("select digest is distinct from $1 from catalogue")
            .bind(digest)
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        if changed {
            replace_stacks(connection, &stacks).await?;
        }
        sqlx::query(
            "update catalogue set as_of = $1, digest = $2, not_before = $3, trouble = null,
                 version = case when $4 then nextval('graph_versions') else version end",
        )
        .bind(as_of)
        .bind(digest)
        .bind(not_before)
        .bind(changed)
        .execute(connection)
        .await?;
        self.0.commit().await?;
        Ok(changed)
    }

    /// Notes why the account could not be read. Nobody tries again before `not_before`.
    pub async fn failed(
        mut self,
        trouble: &str,
        not_before: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("update catalogue set not_before = $1, trouble = $2")
            .bind(not_before)
            .bind(trouble)
            .execute(&mut *self.0)
            .await?;
        self.0.commit().await
    }
}

async fn replace_stacks(
    connection: &mut PgConnection,
    stacks: &[Stack],
) -> Result<(), sqlx::Error> {
    // As JSON, because arrays of arrays must be rectangular in Postgres.
    let all = Json(stacks);
    sqlx::query(
        "with given as (select * from jsonb_to_recordset($1) as given (id text, name text,
             space text, labels text[], repository text, branch text, project_root text,
             globs text[], autodeploy boolean, disabled boolean, provider text,
             worker_pool jsonb, cloud_accounts text[], settings jsonb)),
         gone as (delete from stacks where id not in (select id from given))
         insert into stacks select * from given
         on conflict (id) do update set name = excluded.name, space = excluded.space,
             labels = excluded.labels, repository = excluded.repository,
             branch = excluded.branch, project_root = excluded.project_root,
             globs = excluded.globs, autodeploy = excluded.autodeploy,
             disabled = excluded.disabled, provider = excluded.provider,
             worker_pool = excluded.worker_pool, cloud_accounts = excluded.cloud_accounts,
             settings = excluded.settings
         where (stacks.*) is distinct from (excluded.*)",
    )
    .bind(all)
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from dependencies").execute(&mut *connection).await?;
    sqlx::query(
        r#"insert into dependencies (child, parent, hands_over)
         select stack.id, edge."on", edge."references"
         from jsonb_to_recordset($1) as stack (id text, depends_on jsonb),
             jsonb_to_recordset(stack.depends_on) as edge ("on" text, "references" text[])"#,
    )
    .bind(all)
    .execute(connection)
    .await?;
    Ok(())
}

/// The stored catalogue. None before the account was ever read.
pub async fn load(pool: &PgPool) -> Result<Option<Stored>, sqlx::Error> {
    // One snapshot for all reads, so that the version fits the stacks.
    let mut transaction =
        pool.begin_with("begin isolation level repeatable read, read only").await?;
    let head =
        sqlx::query("select version, as_of from catalogue").fetch_one(&mut *transaction).await?;
    let Some(as_of) = head.try_get("as_of")? else { return Ok(None) };
    // One row after the other: all of them would take more than what is made of them.
    let mut edges =
        sqlx::query("select child, parent, hands_over from dependencies").fetch(&mut *transaction);
    let mut texts = Texts::default();
    let mut depends_on: HashMap<StackId, Vec<Dependency>> = HashMap::new();
    while let Some(edge) = edges.try_next().await? {
        let on = StackId(texts.text(edge.try_get("parent")?));
        let references = texts.list(edge.try_get::<Vec<String>, _>("hands_over")?);
        let child = StackId(texts.text(edge.try_get("child")?));
        depends_on.entry(child).or_default().push(Dependency { on, references });
    }
    drop(edges);
    let mut stacks = Vec::new();
    let mut rows =
        sqlx::query("select * from stacks order by id collate \"C\"").fetch(&mut *transaction);
    while let Some(row) = rows.try_next().await? {
        stacks.push(stack(&row, &mut depends_on, &mut texts)?);
    }
    drop(rows);
    let blueprints = load_blueprints(&mut transaction).await?;
    let adoptions = load_adoptions(&mut transaction).await?;
    let version = head.try_get("version")?;
    Ok(Some(Stored { version, as_of, stacks, blueprints, adoptions }))
}

fn stack(
    row: &PgRow,
    depends_on: &mut HashMap<StackId, Vec<Dependency>>,
    texts: &mut Texts,
) -> Result<Stack, sqlx::Error> {
    let mut text = |column| Ok::<_, sqlx::Error>(texts.text(row.try_get(column)?));
    let (id, space) = (StackId(text("id")?), SpaceId(text("space")?));
    let (repository, branch) = (text("repository")?, text("branch")?);
    let mut list =
        |column| Ok::<_, sqlx::Error>(texts.list(row.try_get::<Vec<String>, _>(column)?));
    let (labels, globs) = (list("labels")?, list("globs")?);
    let cloud_accounts = list("cloud_accounts")?;
    let pool: Option<Json<WorkerPool>> = row.try_get("worker_pool")?;
    let pool = pool.map(|Json(WorkerPool { id, name })| WorkerPool {
        id: texts.text(&id),
        name: texts.text(&name),
    });
    let settings: Option<Json<Box<Settings>>> = row.try_get("settings")?;
    Ok(Stack {
        depends_on: depends_on.remove(&id).unwrap_or_default(),
        id,
        name: row.try_get::<&str, _>("name")?.into(),
        space,
        provider: Provider::stored(row.try_get("provider")?),
        labels,
        repository,
        branch,
        project_root: row.try_get::<&str, _>("project_root")?.into(),
        globs,
        autodeploy: row.try_get("autodeploy")?,
        disabled: row.try_get("disabled")?,
        worker_pool: pool,
        cloud_accounts,
        settings: settings.map(|Json(settings)| settings),
    })
}

#[cfg(test)]
pub(crate) mod tests;
