//! Chains that were called off before they had come here.

use chrono::{DateTime, Utc};
use contracts::chain::ChainWithdrawn;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use store::as_json;
use uuid::Uuid;

/// Notes that a chain is not wanted, for when it comes.
pub(super) async fn save(
    connection: &mut PgConnection,
    all: &[&(ChainWithdrawn, DateTime<Utc>)],
) -> Result<(), sqlx::Error> {
    if all.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into withdrawn (chain_id, withdrawn, at)
         select * from unnest($1::uuid[], $2::text[]::json[], $3::timestamptz[])
         on conflict on constraint withdrawn_once do nothing",
    )
    .bind(all.iter().map(|(it, _)| it.chain.0).collect::<Vec<_>>())
    .bind(all.iter().map(|(it, _)| as_json(it)).collect::<Vec<_>>())
    .bind(all.iter().map(|(_, at)| *at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Those that have come since then, each with its story.
pub(crate) async fn withdrawn(pool: &PgPool) -> Result<Vec<(ChainWithdrawn, Uuid)>, sqlx::Error> {
    let rows = sqlx::query(
        "select withdrawn.withdrawn, chains.correlation from withdrawn
         join chains on chains.id = withdrawn.chain_id
         where chains.ended_at is null and chains.course->>'canceled' is null",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(withdrawn) = row.try_get("withdrawn")?;
            Ok((withdrawn, row.try_get("correlation")?))
        })
        .collect()
}
