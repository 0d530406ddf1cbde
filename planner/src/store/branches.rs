//! The branches whose code was read.

use contracts::CommitSha;
use sqlx::{PgExecutor, PgPool, Row, postgres::PgRow, types::Json};

use crate::{branches::Branches, catalogue::repository_key};

/// The commit of a branch that was read last, if any was.
pub async fn commit_read(
    pool: &PgPool,
    (repository, branch): (&str, &str),
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select commit_hash from branches
         where repository = $1 and branch = $2 and commit_hash <> ''",
    )
    .bind(repository_key(repository))
    .bind(branch)
    .fetch_optional(pool)
    .await
}

/// The commit of each branch that was read last, by repository and branch.
pub async fn commits_read(
    pool: &PgPool,
) -> Result<Vec<((String, String), CommitSha)>, sqlx::Error> {
    let rows =
        sqlx::query("select repository, branch, commit_hash from branches where commit_hash <> ''");
    let read = |row: &PgRow| {
        let commit: String = row.try_get("commit_hash")?;
        Ok(((row.try_get("repository")?, row.try_get("branch")?), commit.into()))
    };
    rows.fetch_all(pool).await?.iter().map(read).collect()
}

/// The branches that have stacks which are not retired.
pub async fn branches_in_use(pool: &PgPool) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "select distinct code.repository, code.branch
         from stack_states state join stack_codes code on code.id = state.stack_code_id
         where state.status <> 'retired'",
    )
    .fetch_all(pool)
    .await
}

/// What is wrong with the code of each branch that was read: repository, branch, faults.
pub async fn faults(pool: &PgPool) -> Result<Vec<(String, String, Vec<String>)>, sqlx::Error> {
    let rows = sqlx::query(
        "select repository, branch, faults from branches where faults <> '[]'::jsonb
         order by repository, branch limit 100",
    )
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| {
        let Json(faults) = row.try_get("faults")?;
        Ok((row.try_get("repository")?, row.try_get("branch")?, faults))
    };
    rows.iter().map(read).collect()
}

/// Which branches' code was read, and what of it could not be.
pub async fn branches_read(executor: impl PgExecutor<'_>) -> Result<Branches, sqlx::Error> {
    let rows =
        sqlx::query("select repository, branch, broken from branches where broken is not null")
            .fetch_all(executor)
            .await?;
    let read = |row: &PgRow| {
        let Json(broken) = row.try_get("broken")?;
        Ok(((row.try_get("repository")?, row.try_get("branch")?), broken))
    };
    rows.iter().map(read).collect()
}
