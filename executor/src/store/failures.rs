//! What ended badly of late. Nothing is asked where no policy looks at it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ChainId, chain::PlannedStep, gate::RecentFailure};
use sqlx::{PgConnection, Row, types::Json};
use uuid::Uuid;

use crate::chain::Chain;

/// How far back is looked at the most.
const WITHIN_MAX: TimeDelta = TimeDelta::days(7);

/// Gives the chains that may ask a policy that looks at it what ended badly in others.
pub(super) async fn read(
    connection: &mut PgConnection,
    chains: &mut HashMap<Uuid, Chain>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let Some(furthest) = chains.values().filter_map(|chain| chain.looks_back(now)).max() else {
        return Ok(());
    };
    let rows = sqlx::query(
        "select chain_id, stack, planned, since from steps
         where state in ('failed', 'unknown') and since > $1
         order by since desc limit $2",
    )
    .bind(now - furthest.min(WITHIN_MAX))
    .bind(i64::try_from(RecentFailure::MOST).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let failures = rows.iter().map(|row| {
        let Json(planned): Json<PlannedStep> = row.try_get("planned")?;
        Ok(RecentFailure {
            chain: ChainId(row.try_get("chain_id")?),
            stack: row.try_get::<String, _>("stack")?.into(),
            space: planned.space,
            labels: planned.labels.strings(),
            path: planned.path.map(String::from),
            at: row.try_get("since")?,
        })
    });
    let failures: Vec<RecentFailure> = failures.collect::<Result<_, sqlx::Error>>()?;
    for chain in chains.values_mut().filter(|chain| chain.looks_back(now).is_some()) {
        chain.failures.clone_from(&failures);
    }
    Ok(())
}
