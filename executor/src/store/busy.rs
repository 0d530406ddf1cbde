//! Who has a stack, and who comes next.
//!
//! The states are spelled out in the SQL, as in the predicates of the indexes: of a parameter
//! Postgres could not tell that an index holds it.

use std::collections::HashMap;

use contracts::{
    ChainId, StackId,
    chain::{ChainKind, ChainState},
    step::StepState,
};
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
    let (mut ids, mut stacks, mut queue, mut follows) = (vec![], vec![], vec![], vec![]);
    for chain in deploying {
        let is_new = chain.state == ChainState::Gating;
        let asked = |&at: &usize| chain.could_start(at) || (is_new && chain.only_follows(at));
        for at in chain.places().filter(asked).collect::<Vec<_>>() {
            let step = &chain.steps[at];
            follows.push(is_new && chain.only_follows(at));
            ids.push(chain.id.0);
            stacks.push(step.planned.stack.0.clone());
            queue.push((step.state == StepState::Queued).then_some(step.since));
            let stack = step.planned.stack.clone();
            if chain.could_start(at) {
                chain.busy.insert(stack, None);
            }
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "with mine as (
             select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::boolean[])
                 as mine (chain_id, stack, queued_since, follows)
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
         where other.state = 'queued' and other.kind = 'deploy' and (mine.queued_since is null
             or (other.since, other.chain_id) < (mine.queued_since, mine.chain_id))
         union all
         select mine.chain_id, mine.stack, mine.chain_id, 'settled'
         from mine cross join lateral (
             select state, since from steps
             where stack = mine.stack and chain_id <> mine.chain_id and kind = 'deploy'
                 and run is not null and run_state <> 'SKIPPED'
             order by since desc limit 1) last
         where mine.follows and last.state = 'finished' and not exists (
             select from steps owed
             where owed.stack = mine.stack and owed.chain_id <> mine.chain_id
                 and owed.kind = 'deploy' and owed.run is null and owed.since >= last.since
                 and owed.state in ('denied', 'skipped', 'canceled'))",
    )
    .bind(ids)
    .bind(stacks)
    .bind(queue)
    .bind(follows)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let hold = match row.try_get("hold")? {
            "runs" => Hold::Runs,
            "calls" => Hold::Calls,
            "queues" => Hold::Queues,
            _ => {
                let chain = chains.get_mut(&row.try_get("chain")?);
                let stack: String = row.try_get("stack")?;
                chain.into_iter().for_each(|chain| chain.settled.push(StackId(stack.clone())));
                continue;
            }
        };
        let holder = Holder { chain: ChainId(row.try_get("owner")?), hold };
        let Some(chain) = chains.get_mut(&row.try_get("chain")?) else { continue };
        let stack: String = row.try_get("stack")?;
        // What holds longest says most.
        let Some(kept) = chain.busy.get_mut(&StackId(stack)) else { continue };
        if kept.as_ref().is_none_or(|kept| holder.hold < kept.hold) {
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
         where state = 'queued' and kind = 'deploy' and stack = any($1)
         order by stack, since, chain_id",
    )
    .bind(stacks)
    .fetch_all(connection)
    .await
}
