//! Which chains are under way, and which wait for their turn. Nothing here is asked where no policy
//! counts chains, but whose gate it is that a chain has ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{ChainId, gate::GateRequested};
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use crate::{
    call::Call,
    decider::StoredGate,
    evaluate::{Comer, crowds},
    model::{PolicySet, Rule},
};

/// Held until the decision is committed: two of them must not let on more chains than there may be.
const LOCK: i64 = 0x7374_6163_6b6c_7902;

/// How many of those that wait are told when somebody before them ends.
const TOLD: i64 = 32;

/// Says of the gates that seek a place who comes before them.
pub(crate) async fn look(
    connection: &mut PgConnection,
    set: &PolicySet,
    kept: &mut [StoredGate],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if !kept.iter().any(|kept| kept.gate.seeks()) {
        return Ok(());
    }
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let comers = comers(connection).await?;
    let mut crowds = crowds(set, &comers, now);
    for kept in kept.iter_mut().filter(|kept| kept.gate.seeks()) {
        let seen = crowds.remove(&kept.gate.request.gate).unwrap_or_default();
        kept.gate.sees(seen);
    }
    Ok(())
}

/// Those whose turn has come though nobody told them: whoever came before them waits for something
/// else meanwhile, or other policies count.
pub(crate) async fn next(
    pool: &PgPool,
    set: &PolicySet,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let crowds = crowds(set, &comers(&mut connection).await?, now);
    let rules = set.policies.iter().flat_map(|policy| {
        policy.rules.iter().filter_map(|rule| match rule {
            Rule::Concurrency { most, .. } => Some((policy.name.as_str(), *most)),
            _ => None,
        })
    });
    let most: HashMap<&str, u64> = rules.collect();
    let free = |crowd: &crate::evaluate::Crowd| {
        most.get(crowd.policy.as_str()).is_none_or(|most| (crowd.ahead() as u64) < *most)
    };
    let next = crowds.iter().filter(|(_, crowds)| crowds.iter().all(free));
    Ok(next.map(|(gate, _)| gate.0).collect())
}

/// The first of those that wait for their turn.
pub(crate) async fn waiting(connection: &mut PgConnection) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select id from gates where place = 'waiting' order by requested_at, id limit $1",
    )
    .bind(TOLD)
    .fetch_all(connection)
    .await
}

/// The gates before chains, and whether the chain is counted, or any gate of it waits for something.
pub(crate) async fn ended(
    connection: &mut PgConnection,
    chains: &[ChainId],
) -> Result<HashMap<ChainId, (Uuid, bool)>, sqlx::Error> {
    let rows = sqlx::query(
        "select chain, id, place is not null or exists (
             select from gates as open where open.chain = gates.chain and not open.final
         ) as matters from gates
         where chain = any($1) and moment = 'before_chain'",
    )
    .bind(chains.iter().map(|chain| chain.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let chain = ChainId(row.try_get("chain")?);
            Ok((chain, (row.try_get("id")?, row.try_get("matters")?)))
        })
        .collect()
}

/// Who is under way or waits, in the order in which they asked.
async fn comers(connection: &mut PgConnection) -> Result<Vec<Comer>, sqlx::Error> {
    let rows = sqlx::query(
        "select request, calls, place from gates where place is not null
         order by requested_at, id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let Json(request): Json<GateRequested> = row.try_get("request")?;
            let calls: Option<Json<Vec<Call>>> = row.try_get("calls")?;
            let calls = calls.map_or_else(Vec::new, |calls| calls.0);
            let is_under_way = row.try_get::<&str, _>("place")? == "taken";
            Ok(Comer { request, calls, is_under_way })
        })
        .collect()
}
