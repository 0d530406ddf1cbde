//! Code that came back: kept by stack, because several chains may be about to destroy what one made,
//! and one of them may not have come here yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{Reason, StackId};
use sqlx::{PgConnection, Row};
use store::as_json;
use uuid::Uuid;

use super::read::json;
use crate::chain::Chain;

/// A stack has code again.
#[derive(Debug, Clone)]
pub(crate) struct CodeBack {
    pub(crate) stack: StackId,
    /// When that was told.
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: Reason,
}

/// Gives the chains that destroy what of it has code since they began, or since the same moment: what
/// is told in one breath may be told in either order, and nothing is destroyed on a guess. Nothing is
/// asked where none does.
pub(super) async fn read(
    connection: &mut PgConnection,
    chains: &mut HashMap<Uuid, Chain>,
) -> Result<(), sqlx::Error> {
    let destroys = |chain: &&Chain| chain.course.action.destroys();
    let keys: Vec<Uuid> = chains.values().filter(destroys).map(|chain| chain.id.0).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select steps.chain_id, code_back.* from steps
         join code_back on code_back.stack = steps.stack where steps.chain_id = any($1)",
    )
    .bind(&keys)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let Some(chain) = chains.get_mut(&row.try_get("chain_id")?) else { continue };
        if row.try_get::<DateTime<Utc>, _>("at")? >= chain.began_at {
            let stack: String = row.try_get("stack")?;
            chain.code_back.insert(stack.into(), json(row, "reason")?);
        }
    }
    Ok(())
}

/// Writes what has code again; gives the chains that are about to destroy what it made.
pub(super) async fn save(
    connection: &mut PgConnection,
    all: &[&CodeBack],
) -> Result<Vec<Uuid>, sqlx::Error> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "with told as (
             select * from unnest($1::text[], $2::timestamptz[], $3::text[]::json[])
                 as row (stack, at, reason)),
         written as (
             insert into code_back (stack, at, reason) select * from told
             on conflict on constraint code_back_once do update set
                 at = excluded.at, reason = excluded.reason
             where code_back.at < excluded.at)
         select distinct chains.id from chains
         join steps on steps.chain_id = chains.id
         join told on told.stack = steps.stack and told.at >= chains.began_at
         where chains.ended_at is null and chains.course->>'action' in ('destroy', 'deregister')",
    )
    .bind(all.iter().map(|it| it.stack.as_str()).collect::<Vec<_>>())
    .bind(all.iter().map(|it| it.at).collect::<Vec<_>>())
    .bind(all.iter().map(|it| as_json(&it.reason)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}
