//! The register of stacks that have code, and what code says.

use std::{collections::HashMap, sync::Arc};

use contracts::{CommitSha, Reason, StackId, stack::CodePlace};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::adoptions::{is_free, save_adoption};
use crate::{
    blueprint::Blueprint,
    catalogue::{Loose, repository_key},
    register::{Registration, State, Status},
};

/// A number for a graph that was not given before.
pub async fn next_version(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query("select nextval('graph_versions')").fetch_one(pool).await?.try_get(0)
}

/// How the stacks of one branch are registered, those of these that are of another one, and those
/// that are loose anywhere.
pub async fn states(
    pool: &PgPool,
    (repository, branch): (&str, &str),
    stacks: &[&str],
) -> Result<Vec<State>, sqlx::Error> {
    let key = repository_key(repository);
    let of_branch = sqlx::query(OF_BRANCH).bind(&key).bind(branch).bind(stacks);
    of_branch.fetch_all(pool).await?.iter().map(state).collect()
}

/// Everything code says, of all repositories.
pub async fn load_blueprints(
    connection: &mut PgConnection,
) -> Result<Vec<Arc<Blueprint>>, sqlx::Error> {
    let rows = sqlx::query("select config from stack_codes where status = 'active'")
        .fetch_all(connection)
        .await?;
    blueprints(&rows)
}

/// The stacks whose code is gone, and where it was.
pub async fn load_loose(connection: &mut PgConnection) -> Result<Loose, sqlx::Error> {
    let rows = sqlx::query(
        "select state.stack, code.repository, code.branch
         from stack_states state join stack_codes code on code.id = state.stack_code_id
         where state.status = 'loose'",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(place).collect()
}

/// How one stack stands.
pub async fn state_of(pool: &PgPool, stack: &StackId) -> Result<Option<State>, sqlx::Error> {
    let row = sqlx::query(OF_STACK).bind(stack.as_str()).fetch_optional(pool).await?;
    row.as_ref().map(state).transpose()
}

/// Some stacks are not loose.
#[derive(Debug, thiserror::Error)]
#[error("not loose any more: {0}")]
struct NotLoose(String);

/// Makes sure that these stacks are loose, and stay so until what is written with it is there.
pub async fn keep_loose(
    connection: &mut PgConnection,
    stacks: &[StackId],
) -> Result<(), sqlx::Error> {
    let ids: Vec<&str> = stacks.iter().map(StackId::as_str).collect();
    let rows = sqlx::query(
        "select stack, status from stack_states where stack = any($1) order by stack for update",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if status(row.try_get("status")?) != Status::Loose {
            return Err(sqlx::Error::AnyDriverError(Box::new(NotLoose(row.try_get("stack")?))));
        }
    }
    Ok(())
}

/// Whether something was not saved because a stack is not loose any more.
pub fn is_not_loose(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::AnyDriverError(error) if error.is::<NotLoose>())
}

/// How those of these stacks stand that have or had code.
pub(super) async fn states_among(
    connection: &mut PgConnection,
    stacks: &[&str],
) -> Result<HashMap<StackId, State>, sqlx::Error> {
    let rows = sqlx::query(AMONG).bind(stacks).fetch_all(connection).await?;
    let named = |row: &PgRow| state(row).map(|state| (state.stack.clone(), state));
    rows.iter().map(named).collect()
}

/// The stacks of a status, by id; at most `limit`, those behind `after`.
pub async fn states_of(
    pool: &PgPool,
    status: Status,
    after: Option<&StackId>,
    limit: i64,
) -> Result<Vec<State>, sqlx::Error> {
    let rows = sqlx::query(OF_STATUS)
        .bind(status.as_str())
        .bind(after.map(StackId::as_str))
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(state).collect()
}

/// How each stack with code stands, and the head it was rewritten from, if it was.
pub async fn standings(
    pool: &PgPool,
) -> Result<HashMap<StackId, (Status, Option<String>)>, sqlx::Error> {
    let rows = sqlx::query("select stack, status, rewritten_from from stack_states")
        .fetch_all(pool)
        .await?;
    let read = |row: &PgRow| {
        let stack: String = row.try_get("stack")?;
        let status = status(row.try_get("status")?);
        Ok((StackId::from(stack), (status, row.try_get("rewritten_from")?)))
    };
    rows.iter().map(read).collect()
}

/// The repository and the branch of the code of each stack that has some.
pub async fn branches_of_active(
    pool: &PgPool,
) -> Result<HashMap<StackId, (String, String)>, sqlx::Error> {
    let rows = sqlx::query(
        "select state.stack, code.repository, code.branch
         from stack_states state join stack_codes code on code.id = state.stack_code_id
         where state.status = 'active'",
    )
    .fetch_all(pool)
    .await?;
    rows.iter().map(place).collect()
}

fn place(row: &PgRow) -> Result<(StackId, (String, String)), sqlx::Error> {
    let stack: String = row.try_get("stack")?;
    Ok((stack.into(), (row.try_get("repository")?, row.try_get("branch")?)))
}

/// Writes what a reading changes.
pub async fn save_registration(
    connection: &mut PgConnection,
    registration: &Registration,
) -> Result<(), sqlx::Error> {
    let Registration { branch, commit, .. } = registration;
    let key = repository_key(&registration.repository);
    let commit = commit.as_ref().map_or("", CommitSha::as_str);
    // They quote the code, and JSON in Postgres has no room for this character.
    let faults = registration.faults.iter().map(|fault| fault.replace('\0', "\u{fffd}"));
    let faults: Vec<String> = faults.collect();
    sqlx::query(
        "insert into branches (repository, branch, commit_hash, faults, broken, read_at)
         values ($1, $2, $3, $4, $5, now())
         on conflict (repository, branch) do update
             set commit_hash = coalesce(nullif(excluded.commit_hash, ''), branches.commit_hash),
                 faults = excluded.faults, broken = coalesce(excluded.broken, branches.broken),
                 read_at = now()",
    )
    .bind(&key)
    .bind(branch)
    .bind(commit)
    .bind(Json(faults))
    .bind(registration.broken.as_ref().map(Json))
    .execute(&mut *connection)
    .await?;
    for adoption in &registration.adoptions {
        // What a person said meanwhile holds.
        if is_free(connection, adoption).await? {
            save_adoption(connection, adoption).await?;
        }
    }
    if registration.changes_the_graph() {
        save_folders(connection, registration, &key, commit).await?;
        // The number that the plan names, unless something else changed the graph meanwhile.
        let (from, to) = registration.versions;
        sqlx::query(
            "update catalogue set version =
                 case when version = $1 and $2 > $1 then $2 else nextval('graph_versions') end",
        )
        .bind(from)
        .bind(to)
        .execute(&mut *connection)
        .await?;
    }
    if !registration.touched.is_empty() {
        save_commit(connection, registration, &key, commit).await?;
    }
    if !registration.changes.is_empty() {
        save_states(connection, registration).await?;
    }
    Ok(())
}

/// Notes the commit that changed something in these folders, whatever their code says.
async fn save_commit(
    connection: &mut PgConnection,
    registration: &Registration,
    key: &str,
    commit: &str,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> =
        registration.touched.iter().map(|path| code_id(key, &registration.branch, path)).collect();
    sqlx::query(
        "with codes as (
             update stack_codes set current_commit = $2, updated_at = now()
             where id = any($1) and current_commit <> $2
             returning id)
         update stack_states set commit_hash = $2, updated_at = now()
         where stack_code_id in (select id from codes) and status = 'active'",
    )
    .bind(ids)
    .bind(commit)
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_folders(
    connection: &mut PgConnection,
    registration: &Registration,
    key: &str,
    commit: &str,
) -> Result<(), sqlx::Error> {
    let folders = &registration.folders;
    let ids: Vec<Uuid> =
        folders.keys().map(|path| code_id(key, &registration.branch, path)).collect();
    let configs: Vec<String> = folders
        .values()
        .map(|said| {
            let said: Vec<&Blueprint> = said.iter().map(Arc::as_ref).collect();
            serde_json::to_string(&said).expect("blueprints are plain data")
        })
        .collect();
    let status: Vec<&str> =
        folders.values().map(|said| if said.is_empty() { "gone" } else { "active" }).collect();
    sqlx::query(
        "insert into stack_codes (id, repository, branch, path, current_commit, config, status)
         select id, $1, $2, path, $3, config::jsonb, status
         from unnest($4::uuid[], $5::text[], $6::text[], $7::text[])
             as row (id, path, config, status)
         on conflict (id) do update set current_commit = excluded.current_commit,
             config = excluded.config, status = excluded.status, updated_at = now()",
    )
    .bind(key)
    .bind(&registration.branch)
    .bind(commit)
    .bind(ids)
    .bind(folders.keys().map(String::as_str).collect::<Vec<_>>())
    .bind(configs)
    .bind(status)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn save_states(
    connection: &mut PgConnection,
    registration: &Registration,
) -> Result<(), sqlx::Error> {
    let rows: Vec<serde_json::Value> = registration
        .changes
        .iter()
        .map(|(_, State { stack, code, status, reason })| {
            let mut said = registration.folders.get(&code.path).into_iter().flatten();
            let said =
                said.find(|one| one.name == code.name && one.is_of(&code.repository, &code.branch));
            serde_json::json!({
                "stack": stack,
                "code": code_id(&repository_key(&code.repository), &code.branch, &code.path),
                "name": code.name,
                "commit": code.commit,
                "variables": said.map(|said| &said.variables),
                "metadata": said.map(|said| serde_json::json!({
                    "labels": said.labels, "owners": said.owners,
                })),
                "status": status,
                "reason": reason,
            })
        })
        .collect();
    sqlx::query(
        "insert into stack_states (stack, stack_code_id, name, commit_hash, tf_state_key,
             variables, metadata, status, reason)
         select stack, code, name, commit, stack, coalesce(variables, '{}'),
             coalesce(metadata, '{}'), status, reason
         from jsonb_to_recordset($1) as row (stack text, code uuid, name text, commit text,
             variables jsonb, metadata jsonb, status text, reason json)
         on conflict (stack) do update set stack_code_id = excluded.stack_code_id,
             name = excluded.name, commit_hash = excluded.commit_hash,
             variables = case when excluded.variables = '{}' then stack_states.variables
                 else excluded.variables end,
             metadata = case when excluded.metadata = '{}' then stack_states.metadata
                 else excluded.metadata end,
             status = excluded.status, reason = excluded.reason, updated_at = now()",
    )
    .bind(Json(rows))
    .execute(&mut *connection)
    .await?;
    sqlx::query("update progress set registered = registered + 1").execute(connection).await?;
    Ok(())
}

/// Marks stacks whose code was rewritten, or takes the mark away.
pub async fn mark_rewritten(
    connection: &mut PgConnection,
    stacks: &[StackId],
    from: Option<&str>,
) -> Result<(), sqlx::Error> {
    let stacks: Vec<&str> = stacks.iter().map(StackId::as_str).collect();
    sqlx::query(
        "update stack_states set rewritten_from = $2
         where stack = any($1) and rewritten_from is distinct from $2",
    )
    .bind(stacks)
    .bind(from)
    .execute(connection)
    .await?;
    Ok(())
}

macro_rules! states {
    ($rest:literal) => {
        concat!(
            "select state.stack, state.name, state.commit_hash, state.status, state.reason,
                 code.repository, code.branch, code.path
             from stack_states state join stack_codes code on code.id = state.stack_code_id ",
            $rest
        )
    };
}

const OF_BRANCH: &str = states!(
    "where (code.repository = $1 and code.branch = $2) or state.stack = any($3)
                 or state.status = 'loose'"
);
const OF_STACK: &str = states!("where state.stack = $1");
const AMONG: &str = states!("where state.stack = any($1)");
const OF_STATUS: &str = states!(
    "where state.status = $1 and ($2::text is null or state.stack > $2)
     order by state.stack limit $3"
);

fn state(row: &PgRow) -> Result<State, sqlx::Error> {
    let (stack, commit): (String, String) = (row.try_get("stack")?, row.try_get("commit_hash")?);
    let Json(reason): Json<Reason> = row.try_get("reason")?;
    Ok(State {
        stack: stack.into(),
        code: CodePlace {
            repository: row.try_get("repository")?,
            branch: row.try_get("branch")?,
            path: row.try_get("path")?,
            name: row.try_get("name")?,
            commit: commit.into(),
        },
        status: status(row.try_get("status")?),
        reason,
    })
}

fn status(text: &str) -> Status {
    match text {
        "loose" => Status::Loose,
        "retired" => Status::Retired,
        _ => Status::Active,
    }
}

fn blueprints(rows: &[PgRow]) -> Result<Vec<Arc<Blueprint>>, sqlx::Error> {
    let mut all = Vec::new();
    for row in rows {
        let Json(said): Json<Vec<Blueprint>> = row.try_get("config")?;
        all.extend(said.into_iter().map(Arc::new));
    }
    Ok(all)
}

pub(super) fn code_id(repository: &str, branch: &str, path: &str) -> Uuid {
    let name = format!("code/{repository}/{branch}/{path}");
    Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
}
