//! Which code stacks belong to, because a person said so.

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::register::{code_id, save_states};
use crate::{
    adopt::Adopted,
    blueprint::Adoption,
    register::{Registration, What},
};

/// What people said of stacks and their code.
pub async fn load_adoptions(connection: &mut PgConnection) -> Result<Vec<Adoption>, sqlx::Error> {
    let rows = sqlx::query("select stack, repository, branch, path, name from adoptions")
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        Ok(Adoption {
            stack: row.try_get::<String, _>("stack")?.into(),
            repository: row.try_get("repository")?,
            branch: row.try_get("branch")?,
            path: row.try_get("path")?,
            name: row.try_get("name")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Writes what a person said of a stack and its code.
pub async fn save_adopted(
    connection: &mut PgConnection,
    adopted: &Adopted,
) -> Result<(), sqlx::Error> {
    is_free(connection, &adopted.adoption).await?;
    save_adoption(connection, &adopted.adoption).await?;
    let changes = vec![(What::Reassociated, adopted.state.clone())];
    save_states(&mut *connection, &Registration { changes, ..Registration::default() }).await?;
    sqlx::query("update catalogue set version = nextval('graph_versions')")
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether nobody else has a block, once nobody has it any more who is of other code by now.
pub(super) async fn is_free(
    connection: &mut PgConnection,
    adoption: &Adoption,
) -> Result<bool, sqlx::Error> {
    let Adoption { stack, repository, branch, path, name } = adoption;
    sqlx::query_scalar(
        "with held as (
             select adopted.stack, coalesce(state.status = 'active' and state.stack_code_id = $6
                 and state.name = adopted.name, false) as is_its
             from adoptions adopted left join stack_states state using (stack)
             where (adopted.repository, adopted.branch, adopted.path, adopted.name)
                     = ($2, $3, $4, $5) and adopted.stack <> $1),
         gone as (delete from adoptions where stack in (select stack from held where not is_its))
         select count(*) = 0 from held where is_its",
    )
    .bind(stack.as_str())
    .bind(repository)
    .bind(branch)
    .bind(path)
    .bind(name)
    .bind(code_id(repository, branch, path))
    .fetch_one(connection)
    .await
}

/// Whether an adoption was not saved because its block is that of another stack already.
pub fn is_adopted_twice(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.is_some_and(|error| error.constraint() == Some("adoptions_once"))
}

pub(super) async fn save_adoption(
    connection: &mut PgConnection,
    adoption: &Adoption,
) -> Result<(), sqlx::Error> {
    let Adoption { stack, repository, branch, path, name } = adoption;
    sqlx::query(
        "insert into adoptions (stack, repository, branch, path, name) values ($1, $2, $3, $4, $5)
         on conflict (stack) do update set repository = excluded.repository,
             branch = excluded.branch, path = excluded.path, name = excluded.name, at = now()",
    )
    .bind(stack.as_str())
    .bind(repository)
    .bind(branch)
    .bind(path)
    .bind(name)
    .execute(connection)
    .await?;
    Ok(())
}
