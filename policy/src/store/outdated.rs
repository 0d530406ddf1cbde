//! Gates that nobody waits for any more, because their chain has ended or their step asked anew.
//!
//! Whoever finds that out only notes it: each gate is closed in a decision of its own.

use contracts::gate::Moment;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::decider::StoredGate;

/// Marks those among these gates that nobody waits for any more.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    kept: &mut [StoredGate],
) -> Result<(), sqlx::Error> {
    let open = kept.iter().filter(|kept| !kept.gate.is_over());
    let open: Vec<Uuid> = open.map(|kept| kept.gate.request.gate.0).collect();
    if open.is_empty() {
        return Ok(());
    }
    let found: Vec<Uuid> =
        sqlx::query_scalar("select gate from outdated_gates where gate = any($1)")
            .bind(open)
            .fetch_all(connection)
            .await?;
    for kept in kept {
        kept.is_outdated = found.contains(&kept.gate.request.gate.0);
    }
    Ok(())
}

/// Notes the gates that are outdated by what was just decided, and gives those that are to be told.
///
/// A question that was sent before another says nothing against it: it may have come late.
pub(crate) async fn outdate(
    connection: &mut PgConnection,
    kept: &[&StoredGate],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let closed = kept.iter().filter(|kept| kept.is_outdated);
    let closed: Vec<Uuid> = closed.map(|kept| kept.gate.request.gate.0).collect();
    if !closed.is_empty() {
        sqlx::query("delete from outdated_gates where gate = any($1)")
            .bind(closed)
            .execute(&mut *connection)
            .await?;
    }
    let ended: Vec<Uuid> =
        kept.iter().filter(|kept| kept.chain_ends).map(|kept| kept.gate.request.chain.0).collect();
    let is_step = |kept: &&&StoredGate| kept.gate.request.moment != Moment::BeforeChain;
    let asked: Vec<_> = kept
        .iter()
        .filter(is_step)
        .filter_map(|kept| Some((kept.gate.announcement(), kept.sent_at?)))
        .collect();
    if ended.is_empty() && asked.is_empty() {
        return Ok(Vec::new());
    }
    let stack = |stack: &Option<contracts::StackId>| stack.as_ref().map(ToString::to_string);
    sqlx::query_scalar(
        "with outdated as (
             select id from gates where chain = any($1) and not final
             union
             select gates.id
             from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])
                 as new (chain, moment, stack, sent_at, id)
             join gates on gates.chain = new.chain and gates.moment = new.moment
                 and gates.stack is not distinct from new.stack
                 and coalesce(gates.sent_at, gates.requested_at) < new.sent_at
                 and gates.id <> new.id
             where not gates.final
         )
         insert into outdated_gates (gate) select id from outdated
         on conflict on constraint outdated_gates_once do nothing
         returning gate",
    )
    .bind(ended)
    .bind(asked.iter().map(|(gate, _)| gate.chain.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|(gate, _)| gate.moment.as_str()).collect::<Vec<_>>())
    .bind(asked.iter().map(|(gate, _)| stack(&gate.stack)).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, sent_at)| *sent_at).collect::<Vec<_>>())
    .bind(asked.iter().map(|(gate, _)| gate.gate.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}
