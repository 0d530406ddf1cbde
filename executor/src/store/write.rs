//! Writing what changed, and nothing else, for a whole batch.

use contracts::{StackId, chain::ChainKind, step::StepState};
use sqlx::PgConnection;
use store::as_json;

use crate::{
    chain::Chain,
    history::Operation,
    limits::{Limits, rank},
    step::Step,
};

/// Writes chains that changed themselves.
pub(super) async fn chains(
    connection: &mut PgConnection,
    all: &[&Chain],
) -> Result<(), sqlx::Error> {
    let changed: Vec<_> = all.iter().filter(|chain| chain.changes.chain).collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into chains (id, kind, change, state, reason, gate, gate_revision, edges,
             graph_version, correlation, trace, began_at, ended_at, course)
         select * from unnest($1::uuid[], $2::text[], $3::text[]::json[], $4::text[], $5::text[]::json[],
             $6::uuid[], $7::bigint[], $8::text[]::json[], $9::bigint[], $10::uuid[], $11::text[],
             $12::timestamptz[], $13::timestamptz[], $14::text[]::json[])
         on conflict on constraint chains_once do update set
             state = excluded.state, reason = excluded.reason,
             gate_revision = excluded.gate_revision, ended_at = excluded.ended_at,
             course = excluded.course",
    )
    .bind(changed.iter().map(|chain| chain.id.0).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.kind.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| as_json(&chain.change)).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.state.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| as_json(&chain.reason)).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.gate.id.0).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.gate.revision).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| as_json(&chain.edges)).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.graph_version).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.correlation).collect::<Vec<_>>())
    .bind(
        changed.iter().map(|chain| chain.trace.as_ref().map(|t| t.0.as_str())).collect::<Vec<_>>(),
    )
    .bind(changed.iter().map(|chain| chain.began_at).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| chain.ended_at).collect::<Vec<_>>())
    .bind(changed.iter().map(|chain| as_json(&chain.course)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A step to be written, with the chain it belongs to.
#[derive(Clone, Copy)]
struct Row<'a> {
    chain: &'a Chain,
    ordinal: usize,
    step: &'a Step,
}

/// Writes steps that changed. What lets go of a stack goes first, so that what takes hold of one
/// in the same batch does not meet it in the unique index.
pub(super) async fn steps(
    connection: &mut PgConnection,
    all: &[&Chain],
    limits: &Limits,
) -> Result<(), sqlx::Error> {
    let rows: Vec<Row<'_>> = all
        .iter()
        .flat_map(|&chain| {
            let row = |&ordinal| Row { chain, ordinal, step: &chain.steps[ordinal] };
            chain.changes.steps.iter().map(row)
        })
        .collect();
    let is_new = |row: &&Row<'_>| row.chain.changes.is_new;
    insert_steps(connection, &rows.iter().filter(is_new).copied().collect::<Vec<_>>()).await?;
    // A new step may have moved on by a later input of the same batch.
    let has_moved = |row: &Row<'_>| !is_new(&row) || row.step.has_moved();
    let (holding, free): (Vec<_>, Vec<_>) =
        rows.into_iter().filter(has_moved).partition(|row| row.step.state.holds_stack());
    update_steps(connection, &free, limits).await?;
    update_steps(connection, &holding, limits).await
}

/// Writes the steps of new chains, which wait.
async fn insert_steps(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into steps (chain_id, stack, ordinal, kind, planned, parents, state, reason,
             since, state_version, gate_revision, early, course)
         select chain_id, stack, ordinal, kind, planned,
             array(select json_array_elements_text(parents)), 'waiting', reason, since, -1, 0,
             '[]', course
         from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[]::json[],
             $6::text[]::json[], $7::text[]::json[], $8::timestamptz[], $9::text[]::json[])
             as row (chain_id, stack, ordinal, kind, planned, parents, reason, since, course)",
    )
    .bind(rows.iter().map(|row| row.chain.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.planned.stack.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| i32::try_from(row.ordinal).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.chain.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.planned)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.parents)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.reason)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.since).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.course)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what may change of steps that are there.
async fn update_steps(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    limits: &Limits,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = rows.iter().map(|row| row.step.run.as_ref()).collect();
    sqlx::query(
        "update steps set
             state = row.state, reason = row.reason, since = row.since, run = row.run,
             run_url = row.run_url, run_state = row.run_state, state_version = row.state_version,
             delta = row.delta, gate = row.gate, gate_revision = row.gate_revision,
             early = row.early, heard_at = row.heard_at, misses = row.misses, course = row.course,
             limits = string_to_array(row.limits, E'\n'), rank = row.rank, kind = row.kind
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]::json[], $5::timestamptz[],
             $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[]::json[], $11::uuid[],
             $12::bigint[], $13::text[]::json[], $14::timestamptz[], $15::integer[],
             $16::text[]::json[], $17::text[], $18::smallint[], $19::text[])
             as row (chain_id, stack, state, reason, since, run, run_url, run_state, state_version,
                 delta, gate, gate_revision, early, heard_at, misses, course, limits, rank, kind)
         where steps.chain_id = row.chain_id and steps.stack = row.stack",
    )
    .bind(rows.iter().map(|row| row.chain.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.planned.stack.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.state.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.reason)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.since).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.map(|run| run.id.as_str())).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.and_then(|run| run.url.as_deref())).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.map(|run| run.state.to_string())).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.map_or(-1, |run| run.version)).collect::<Vec<_>>())
    .bind(
        runs.iter()
            .map(|run| run.and_then(|run| run.delta).map(|it| as_json(&it)))
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| row.step.gate.map(|gate| gate.id.0)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.gate.map_or(0, |gate| gate.revision)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.early)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.heard_at).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| i32::try_from(row.step.misses).unwrap_or(i32::MAX))
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| as_json(&row.step.course)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.limits(limits).join("\n")).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| rank(row.chain, row.step)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.kind().as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

impl Row<'_> {
    /// What its run does. One that plans before anything is applied has its stack as little as that
    /// of a preview; what has ended, or waits, is what its chain is.
    fn kind(&self) -> ChainKind {
        let state = self.step.state;
        let is_at_work = state.holds_stack() || state == StepState::Queued;
        if is_at_work { self.chain.runs_as() } else { self.chain.kind }
    }

    /// The limits it takes or wants a place of, as long as it does.
    fn limits(&self, limits: &Limits) -> Vec<String> {
        let counts = self.step.state == StepState::Queued || self.step.state.holds_stack();
        if counts { limits.of(&self.step.planned) } else { Vec::new() }
    }
}

/// Appends the transitions to the history, and counts that the chains were written.
pub(super) async fn history(
    connection: &mut PgConnection,
    all: &[&Chain],
) -> Result<(), sqlx::Error> {
    if all.is_empty() {
        return Ok(());
    }
    let rows: Vec<(&Chain, &Operation)> = all
        .iter()
        .flat_map(|chain| chain.changes.operations.iter().map(|operation| (*chain, operation)))
        .collect();
    sqlx::query(
        "with counted as (
             insert into versions (chain_id, version) select chain_id, 1 from unnest($10) as chain_id
             on conflict on constraint versions_once do update set version = versions.version + 1)
         insert into operations (chain_id, stack, from_state, to_state, reason, cause, at, actor, event)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]::json[],
             $6::uuid[], $7::timestamptz[], $8::text[], $9::text[])",
    )
    .bind(rows.iter().map(|(chain, _)| chain.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.stack.as_ref().map(StackId::as_str)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.from).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.to).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| as_json(&it.reason)).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.cause).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.at).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.actor.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, it)| it.event).collect::<Vec<_>>())
    .bind(all.iter().map(|chain| chain.id.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
