//! The planner's tables; the only SQL.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use account::load_stacks;

use crate::{
    blueprint::{Adoption, Blueprint},
    branches::Branches,
    catalogue::{Loose, Stack},
    memory::Memory,
    trail::Mark,
};

mod account;
mod adoptions;
mod branches;
mod files;
mod register;
mod reports;

pub use account::{Looked, Read, Reading, changed_since, claim, forget_news, news};
pub use adoptions::{is_adopted_twice, load_adoptions, save_adopted};
pub use branches::{branches_in_use, branches_read, commit_read, commits_read, faults};
pub use files::{cache_file, cached_file};
pub use register::{
    branches_of_active, is_not_loose, keep_loose, load_blueprints, load_loose, mark_rewritten,
    next_version, save_registration, standings, state_of, states, states_of,
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
    /// How often it said something else than before.
    pub changes: i64,
    /// Up to where the audit trail was seen; none if it cannot be read.
    pub trail: Option<Mark>,
    /// When it was looked at.
    pub trail_at: Option<DateTime<Utc>>,
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
    /// The branches whose code was read.
    pub read: Branches,
    /// The stacks whose code is gone, and where it was.
    pub loose: Loose,
}

/// A repository of which changes wait for the account to be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    let row = sqlx::query(
        "select version, as_of, trouble, digest, changes, trail, trail_at from catalogue",
    )
    .fetch_one(pool)
    .await?;
    let trail: Option<Json<Mark>> = row.try_get("trail")?;
    Ok(Head {
        version: row.try_get("version")?,
        as_of: row.try_get("as_of")?,
        trouble: row.try_get("trouble")?,
        digest: row.try_get("digest")?,
        changes: row.try_get("changes")?,
        trail: trail.map(|Json(mark)| mark),
        trail_at: row.try_get("trail_at")?,
    })
}

/// The stored catalogue. None before the account was ever read.
pub async fn load(pool: &PgPool) -> Result<Option<Stored>, sqlx::Error> {
    // One snapshot for all reads, so that the version fits the stacks.
    let mut transaction =
        pool.begin_with("begin isolation level repeatable read, read only").await?;
    let head =
        sqlx::query("select version, as_of from catalogue").fetch_one(&mut *transaction).await?;
    let Some(as_of) = head.try_get("as_of")? else { return Ok(None) };
    let stacks = load_stacks(&mut transaction).await?;
    let blueprints = load_blueprints(&mut transaction).await?;
    let adoptions = load_adoptions(&mut transaction).await?;
    let version = head.try_get("version")?;
    let read = branches_read(&mut *transaction).await?;
    let loose = load_loose(&mut transaction).await?;
    Ok(Some(Stored { version, as_of, stacks, blueprints, adoptions, read, loose }))
}

#[cfg(test)]
pub(crate) mod tests;
