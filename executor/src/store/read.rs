//! Reading chains as they were written.

use std::{collections::HashMap, sync::Arc};

use contracts::{
    ChainId, GateId, Reason, StackId, Trace,
    chain::{ChainKind, ChainState},
    run::RunState,
    step::StepState,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{
    chain::Chain,
    history::Changes,
    shape::Shape,
    share::Shares,
    step::{Gate, Run, Step},
    waves::Waves,
};

/// Chains with all of their steps and their versions: each of `keys` that is written in another
/// version than the one named with it. A version counts how often a chain was written.
pub(super) async fn chains(
    connection: &mut PgConnection,
    keys: &[(Uuid, i64)],
) -> Result<HashMap<Uuid, Chain>, sqlx::Error> {
    // What belongs to the chain stands in the row of its first step only. A step has a `kind` of its
    // own, which is another as long as everything is being planned.
    let rows = sqlx::query(
        "select versions.version, chains.id, chains.kind as chain_kind, chains.change,
             chains.state as chain_state, chains.reason as chain_reason, chains.gate as chain_gate,
             chains.gate_revision as chain_gate_revision, chains.edges, chains.graph_version,
             chains.correlation, chains.trace, chains.began_at, chains.ended_at,
             chains.course as chain_course, steps.*
         from unnest($1::uuid[], $2::bigint[]) as known (id, version)
         join versions on versions.chain_id = known.id and versions.version <> known.version
         join steps on steps.chain_id = known.id
         left join chains on chains.id = steps.chain_id and steps.ordinal = 0
         order by steps.chain_id, steps.ordinal",
    )
    .bind(keys.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, version)| *version).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut chains: HashMap<Uuid, Chain> = HashMap::new();
    for row in &rows {
        if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
            let chain = chain(row)?;
            chains.insert(chain.id.0, chain);
        }
        if let Some(chain) = chains.get_mut(&row.try_get("chain_id")?) {
            chain.steps.push(step(row)?);
        }
    }
    for chain in chains.values_mut() {
        let stacks = chain.steps.iter().map(|step| &step.planned.stack);
        chain.shape = Shape::new(stacks, chain.edges.iter());
        chain.waves = Waves::of(chain.kind, &chain.steps, &chain.shape);
    }
    Ok(chains)
}

fn chain(row: &PgRow) -> Result<Chain, sqlx::Error> {
    Ok(Chain {
        id: ChainId(row.try_get("id")?),
        version: row.try_get("version")?,
        kind: word::<ChainKind>(row, "chain_kind")?,
        change: json(row, "change")?,
        state: word::<ChainState>(row, "chain_state")?,
        reason: json(row, "chain_reason")?,
        gate: Gate {
            id: GateId(row.try_get("chain_gate")?),
            revision: row.try_get("chain_gate_revision")?,
        },
        steps: Vec::new(),
        edges: json(row, "edges")?,
        shape: Shape::default(),
        waves: Waves::default(),
        rules: Arc::default(),
        retries: Arc::default(),
        graph_version: row.try_get("graph_version")?,
        correlation: row.try_get("correlation")?,
        trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
        began_at: row.try_get("began_at")?,
        ended_at: row.try_get("ended_at")?,
        course: json(row, "chain_course")?,
        busy: HashMap::new(),
        overtaken: HashMap::new(),
        settled: Vec::new(),
        shares: Shares::default(),
        failures: Vec::new(),
        code_back: HashMap::new(),
        changes: Changes::default(),
    })
}

/// One step.
pub(super) fn step(row: &PgRow) -> Result<Step, sqlx::Error> {
    let run: Option<String> = row.try_get("run")?;
    let state: Option<String> = row.try_get("run_state")?;
    let delta: Option<Json<_>> = row.try_get("delta")?;
    let gate: Option<Uuid> = row.try_get("gate")?;
    let run = match (run, state) {
        (Some(id), Some(state)) => Some(Run {
            id: id.into(),
            url: row.try_get("run_url")?,
            state: RunState::from(state),
            version: row.try_get("state_version")?,
            delta: delta.map(|Json(delta)| delta),
        }),
        _ => None,
    };
    Ok(Step {
        planned: json(row, "planned")?,
        parents: row.try_get::<Vec<String>, _>("parents")?.into_iter().map(StackId::from).collect(),
        state: word::<StepState>(row, "state")?,
        reason: json::<Reason>(row, "reason")?,
        since: row.try_get("since")?,
        run,
        gate: match gate {
            Some(id) => Some(Gate { id: GateId(id), revision: row.try_get("gate_revision")? }),
            None => None,
        },
        early: json(row, "early")?,
        heard_at: row.try_get("heard_at")?,
        misses: row.try_get::<i32, _>("misses")?.unsigned_abs(),
        course: json(row, "course")?,
    })
}

/// A value, as serde writes it.
pub(super) fn json<T: DeserializeOwned + 'static>(
    row: &PgRow,
    column: &str,
) -> Result<T, sqlx::Error> {
    row.try_get::<Json<T>, _>(column).map(|Json(value)| value)
}

/// A word of ours, as serde writes it.
pub(super) fn word<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(Value::String(text)).map_err(|error| sqlx::Error::Decode(error.into()))
}
