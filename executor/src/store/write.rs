//! Writing what changed, and nothing else, for a whole batch: as a rule in one statement.

use std::collections::HashSet;

use contracts::{StackId, chain::ChainKind, step::StepState};
use sqlx::PgConnection;
use store::as_json;
use uuid::Uuid;

use crate::{
    chain::{Chain, Hold},
    history::Operation,
    limits::{self, Limits, rank},
    step::Step,
};

/// Who is to be woken, because something was let go.
#[derive(Default)]
pub(super) struct Freed {
    /// The chains that come first in the queue for a stack.
    pub(super) next: Vec<Uuid>,
    /// Steps wait for a place, and one may have become free.
    pub(super) places: bool,
}

/// Writes chains, their steps and what happened to them; gives who is to be woken.
pub(super) async fn save(
    connection: &mut PgConnection,
    all: &[&Chain],
    limits: &Limits,
) -> Result<Freed, sqlx::Error> {
    if all.is_empty() {
        return Ok(Freed::default());
    }
    chains(connection, all).await?;
    let rows: Vec<Row<'_>> = all
        .iter()
        .flat_map(|&chain| {
            let row = |&ordinal| Row { chain, ordinal, step: &chain.steps[ordinal] };
            chain.changes.steps.iter().map(row)
        })
        .collect();
    let is_new = |row: &&Row<'_>| row.chain.changes.is_new;
    let new: Vec<_> = rows.iter().filter(is_new).copied().collect();
    insert_steps(connection, &new, limits).await?;
    // A new step may have moved on by a later input of the same batch.
    let mut moved: Vec<_> =
        rows.into_iter().filter(|row| !is_new(&row) || row.step.has_moved()).collect();
    // What takes hold of a stack must not meet there, in the unique index, what lets go of it: that
    // goes first.
    let taken: HashSet<_> = moved.iter().filter(|row| row.holds()).map(Row::stack).collect();
    if moved.iter().any(|row| !row.holds() && taken.contains(&row.stack())) {
        let (holding, free): (Vec<_>, Vec<_>) = moved.into_iter().partition(Row::holds);
        record(connection, &[], &free, limits).await?;
        moved = holding;
    }
    record(connection, all, &moved, limits).await
}

/// Writes chains that changed themselves.
async fn chains(connection: &mut PgConnection, all: &[&Chain]) -> Result<(), sqlx::Error> {
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

/// Writes the steps of new chains, which wait.
async fn insert_steps(
    connection: &mut PgConnection,
    rows: &[Row<'_>],
    limits: &Limits,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into steps (chain_id, stack, ordinal, kind, planned, parents, state, reason,
             since, state_version, gate_revision, early, course, limits, space)
         select chain_id, stack, ordinal, kind, planned,
             array(select json_array_elements_text(parents)), 'waiting', reason, since, -1, 0,
             '[]', course, string_to_array(limits, E'\n'), planned->>'space'
         from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[]::json[],
             $6::text[]::json[], $7::text[]::json[], $8::timestamptz[], $9::text[]::json[],
             $10::text[])
             as row (chain_id, stack, ordinal, kind, planned, parents, reason, since, course, limits)",
    )
    .bind(rows.iter().map(|row| row.chain.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(Row::stack).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| i32::try_from(row.ordinal).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.chain.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.planned)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.parents)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.reason)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.step.since).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| as_json(&row.step.course)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.limits(limits).join("\n")).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what may change of steps that are there, counts that their chains were written, and appends
/// the transitions to the history. Gives who comes first in the queues for stacks that are free now,
/// and whether anybody waits for a place that may be.
async fn record(
    connection: &mut PgConnection,
    chains: &[&Chain],
    moved: &[Row<'_>],
    limits: &Limits,
) -> Result<Freed, sqlx::Error> {
    let runs: Vec<_> = moved.iter().map(|row| row.step.run.as_ref()).collect();
    let operations: Vec<(&Chain, &Operation)> = chains
        .iter()
        .flat_map(|chain| chain.changes.operations.iter().map(|operation| (*chain, operation)))
        .collect();
    let freed = freed(chains);
    let lets_go = chains.iter().any(|chain| !chain.changes.freed.is_empty());
    let woken: Vec<Option<Uuid>> = sqlx::query_scalar(RECORD)
        .bind(moved.iter().map(|row| row.chain.id.0).collect::<Vec<_>>())
        .bind(moved.iter().map(Row::stack).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| row.step.state.as_str()).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| as_json(&row.step.reason)).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| row.step.since).collect::<Vec<_>>())
        .bind(runs.iter().map(|run| run.map(|run| run.id.as_str())).collect::<Vec<_>>())
        .bind(runs.iter().map(|run| run.and_then(|run| run.url.as_deref())).collect::<Vec<_>>())
        .bind(runs.iter().map(|run| run.map(|run| run.state.to_string())).collect::<Vec<_>>())
        .bind(runs.iter().map(|run| run.map_or(-1, |run| run.version)).collect::<Vec<_>>())
        .bind(
            runs.iter()
                .map(|run| run.and_then(|run| run.delta).map(|it| as_json(&it)))
                .collect::<Vec<_>>(),
        )
        .bind(moved.iter().map(|row| row.step.gate.map(|gate| gate.id.0)).collect::<Vec<_>>())
        .bind(
            moved
                .iter()
                .map(|row| row.step.gate.map_or(0, |gate| gate.revision))
                .collect::<Vec<_>>(),
        )
        .bind(moved.iter().map(|row| as_json(&row.step.early)).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| row.step.heard_at).collect::<Vec<_>>())
        .bind(
            moved
                .iter()
                .map(|row| i32::try_from(row.step.misses).unwrap_or(i32::MAX))
                .collect::<Vec<_>>(),
        )
        .bind(moved.iter().map(|row| as_json(&row.step.course)).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| row.limits(limits).join("\n")).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| rank(row.chain, row.step)).collect::<Vec<_>>())
        .bind(moved.iter().map(|row| row.kind().as_str()).collect::<Vec<_>>())
        .bind(operations.iter().map(|(chain, _)| chain.id.0).collect::<Vec<_>>())
        .bind(
            operations
                .iter()
                .map(|(_, it)| it.stack.as_ref().map(StackId::as_str))
                .collect::<Vec<_>>(),
        )
        .bind(operations.iter().map(|(_, it)| it.from).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| it.to).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| as_json(&it.reason)).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| it.cause).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| it.at).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| it.actor.as_str()).collect::<Vec<_>>())
        .bind(operations.iter().map(|(_, it)| it.event).collect::<Vec<_>>())
        .bind(chains.iter().map(|chain| chain.id.0).collect::<Vec<_>>())
        .bind(freed.iter().copied().collect::<Vec<_>>())
        .bind(lets_go)
        .fetch_all(connection)
        .await?;
    let waits = |row: &Row<'_>| row.is_queued() && !row.limits(limits).is_empty();
    let places = lets_go && (woken.contains(&None) || moved.iter().any(waits));
    let mut next: Vec<Uuid> = woken.into_iter().flatten().collect();
    // The statement looked at the queues as they were before it: who joined one just now comes too.
    next.extend(joined(chains, &freed));
    Ok(Freed { next, places })
}

/// One statement, so that a batch costs one round trip here.
const RECORD: &str = "
    with moved as (
        update steps set
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
        where steps.chain_id = row.chain_id and steps.stack = row.stack),
    recorded as (
        insert into operations
            (chain_id, stack, from_state, to_state, reason, cause, at, actor, event)
        select * from unnest($20::uuid[], $21::text[], $22::text[], $23::text[],
            $24::text[]::json[], $25::uuid[], $26::timestamptz[], $27::text[], $28::text[])),
    counted as (
        insert into versions (chain_id, version)
        select chain_id, 1 from unnest($29::uuid[]) as chain_id
        on conflict on constraint versions_once do update set version = versions.version + 1)
    (select distinct on (stack) chain_id from steps
    where state = 'queued' and kind = 'deploy' and stack = any($30::text[])
    order by stack, rank, since, chain_id)
    union all
    select null where $31 and exists (
        select from steps where state = 'queued' and limits <> '{}')";

/// Stacks that were let go.
fn freed<'a>(chains: &[&'a Chain]) -> HashSet<&'a str> {
    let deploys = chains.iter().filter(|chain| chain.kind == ChainKind::Deploy);
    deploys.flat_map(|chain| &chain.changes.freed).map(|stack| stack.as_str()).collect()
}

/// Chains with a step that queues for one of these stacks.
fn joined<'a>(chains: &'a [&Chain], freed: &'a HashSet<&str>) -> impl Iterator<Item = Uuid> + 'a {
    let joins = move |chain: &&&Chain| {
        let mut queued = chain.steps.iter().filter(|step| step.state == StepState::Queued);
        queued.any(|step| freed.contains(step.planned.stack.as_str()))
    };
    chains.iter().filter(joins).map(|chain| chain.id.0)
}

impl<'a> Row<'a> {
    fn stack(&self) -> &'a str {
        self.step.planned.stack.as_str()
    }

    fn is_queued(&self) -> bool {
        self.step.state == StepState::Queued
    }

    fn holds(&self) -> bool {
        self.step.state.holds_stack()
    }

    /// What its run does. One that plans before anything is applied has its stack as little as that
    /// of a preview; what has ended, or waits, is what its chain is.
    fn kind(&self) -> ChainKind {
        let state = self.step.state;
        let is_at_work = state.holds_stack() || state == StepState::Queued;
        if is_at_work { self.chain.runs_as() } else { self.chain.kind }
    }

    /// The limits it takes or wants a place of, as long as it does: those of the configuration, the
    /// one that keeps it back, and those its code says. The latter from the first, so that whoever
    /// starts beside it looks for them; who counts under what is asked when places are given away.
    fn limits(&self, limits: &Limits) -> Vec<String> {
        let Step { state, planned, .. } = self.step;
        let mut names =
            if self.is_queued() || state.holds_stack() { limits.of(planned) } else { Vec::new() };
        let busy = self.chain.busy.get(&planned.stack).and_then(Option::as_ref);
        let kept_back = busy.and_then(|holder| match &holder.hold {
            Hold::Places(places) if self.is_queued() => Some(places.limit.clone()),
            _ => None,
        });
        let said = planned.limits.iter().filter(|_| !state.is_terminal()).map(limits::name);
        for name in kept_back.into_iter().chain(said) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        // Of those under the same limits only the first are looked at, so teams must not stand in
        // one queue.
        if !names.is_empty() && !limits.share_by.is_empty() {
            names.push(format!("share of {}", limits.share(planned)));
        }
        names
    }
}
