//! Who has a stack, and who comes next.
//!
//! The states are spelled out in the SQL, as in the predicates of the indexes: of a parameter
//! Postgres could not tell that an index holds it.

use std::collections::HashMap;

use contracts::{ChainId, chain::ChainKind, step::StepState};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::chain::{Chain, Hold, Holder};

/// Reads what keeps the steps that could start now from their stacks: another chain's run, a call
/// that is not concluded, an older place in the queue.
pub(super) async fn read(
    connection: &mut PgConnection,
    chains: &mut HashMap<Uuid, Chain>,
) -> Result<(), sqlx::Error> {
    let deploying = chains.values_mut().filter(|chain| chain.kind == ChainKind::Deploy);
    let (mut ids, mut stacks, mut queue) = (Vec::new(), Vec::new(), Vec::new());
    for chain in deploying {
        for at in chain.places().filter(|&at| chain.could_start(at)).collect::<Vec<_>>() {
            let step = &chain.steps[at];
            ids.push(chain.id.0);
            stacks.push(step.planned.stack.0.clone());
            queue.push((step.state == StepState::Queued).then_some(step.since));
            chain.busy.insert(step.planned.stack.clone(), None);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "with mine as (
             select * from unnest($1::uuid[], $2::text[], $3::timestamptz[])
                 as mine (chain_id, stack, queued_since)
         )
         select mine.chain_id as chain, mine.stack, other.chain_id as owner, 'runs' as hold
         from mine join steps other on other.stack = mine.stack and other.chain_id <> mine.chain_id
         where other.kind = 'deploy' and other.state in
             ('triggering', 'planning', 'gating_apply', 'confirming', 'applying', 'discarding',
                 'canceling')
         union all
         select mine.chain_id, mine.stack, effects.key, 'calls'
         from mine join effects on effects.lane = 'stack/' || mine.stack and effects.open
         union all
         select mine.chain_id, mine.stack, other.chain_id, 'queues'
         from mine join steps other on other.stack = mine.stack and other.chain_id <> mine.chain_id
         where other.state = 'queued' and (mine.queued_since is null
             or (other.since, other.chain_id) < (mine.queued_since, mine.chain_id))",
    )
    .bind(ids)
    .bind(stacks)
    .bind(queue)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let hold = match row.try_get("hold")? {
            "runs" => Hold::Runs,
            "calls" => Hold::Calls,
            _ => Hold::Queues,
        };
        let holder = Holder { chain: ChainId(row.try_get("owner")?), hold };
        let Some(chain) = chains.get_mut(&row.try_get("chain")?) else { continue };
        let stack: String = row.try_get("stack")?;
        // What holds longest says most.
        let kept = chain.busy.entry(stack.into()).or_insert(None);
        if kept.is_none_or(|kept| holder.hold < kept.hold) {
            *kept = Some(holder);
        }
    }
    Ok(())
}

/// The chains that come first in the queues for these stacks.
pub(super) async fn first_in_queue(
    connection: &mut PgConnection,
    stacks: &[&str],
) -> Result<Vec<Uuid>, sqlx::Error> {
    if stacks.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "select distinct on (stack) chain_id from steps
         where state = 'queued' and stack = any($1) order by stack, since, chain_id",
    )
    .bind(stacks)
    .fetch_all(connection)
    .await
}
