//! Files of repositories, as they were asked for.

use sqlx::{PgPool, Row};

use crate::{catalogue::repository_key, files::Wanted};

/// The file, if it was asked for before.
pub async fn cached_file(pool: &PgPool, wanted: &Wanted) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let row = sqlx::query(
        "select content from git_cache where repository = $1 and commit_hash = $2 and path = $3",
    )
    .bind(repository_key(&wanted.repository))
    .bind(wanted.commit.as_str())
    .bind(&wanted.path)
    .fetch_optional(pool)
    .await?;
    row.map(|row| row.try_get("content")).transpose()
}

/// Keeps a file for a month, for who asks again.
pub async fn cache_file(pool: &PgPool, wanted: &Wanted, content: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query("delete from git_cache where cached_at < now() - interval '30 days'")
        .execute(pool)
        .await?;
    sqlx::query(
        "insert into git_cache (repository, commit_hash, path, content) values ($1, $2, $3, $4)
         on conflict do nothing",
    )
    .bind(repository_key(&wanted.repository))
    .bind(wanted.commit.as_str())
    .bind(&wanted.path)
    .bind(content)
    .execute(pool)
    .await?;
    Ok(())
}
