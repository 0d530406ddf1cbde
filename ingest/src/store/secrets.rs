//! When each secret was last of use.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};

/// One secret's use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Used {
    pub(crate) source: String,
    pub(crate) fingerprint: String,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) uses: i64,
}

/// Adds uses to those that are known.
pub(crate) async fn add(pool: &PgPool, uses: &[Used]) -> Result<(), sqlx::Error> {
    if uses.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into secret_uses (source, fingerprint, last_at, uses)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[])
         on conflict on constraint secret_uses_once do update
             set uses = secret_uses.uses + excluded.uses,
                 last_at = greatest(secret_uses.last_at, excluded.last_at)",
    )
    .bind(uses.iter().map(|used| used.source.as_str()).collect::<Vec<_>>())
    .bind(uses.iter().map(|used| used.fingerprint.as_str()).collect::<Vec<_>>())
    .bind(uses.iter().map(|used| used.last_at).collect::<Vec<_>>())
    .bind(uses.iter().map(|used| used.uses).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// All that is known.
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<Used>, sqlx::Error> {
    let rows =
        sqlx::query("select source, fingerprint, last_at, uses from secret_uses order by 1, 2")
            .fetch_all(pool)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(Used {
                source: row.try_get("source")?,
                fingerprint: row.try_get("fingerprint")?,
                last_at: row.try_get("last_at")?,
                uses: row.try_get("uses")?,
            })
        })
        .collect()
}
