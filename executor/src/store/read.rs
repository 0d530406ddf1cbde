//! Reading chains as they were written.

use std::collections::HashMap;

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
    step::{Gate, Run, Step},
};

/// These chains with all of their steps.
pub(super) async fn chains(
    connection: &mut PgConnection,
    keys: &[Uuid],
) -> Result<HashMap<Uuid, Chain>, sqlx::Error> {
    let rows = sqlx::query("select * from chains where id = any($1)")
        .bind(keys)
        .fetch_all(&mut *connection)
        .await?;
    let mut chains = HashMap::with_capacity(rows.len());
    for row in &rows {
        let chain = chain(row)?;
        chains.insert(chain.id.0, chain);
    }
    if chains.is_empty() {
        return Ok(chains);
    }
    let rows =
        sqlx::query("select * from steps where chain_id = any($1) order by chain_id, ordinal")
            .bind(keys)
            .fetch_all(connection)
            .await?;
    for row in &rows {
        if let Some(chain) = chains.get_mut(&row.try_get("chain_id")?) {
            chain.steps.push(step(row)?);
        }
    }
    for chain in chains.values_mut() {
        let stacks = chain.steps.iter().map(|step| &step.planned.stack);
        chain.shape = Shape::new(stacks, &chain.edges);
    }
    Ok(chains)
}

fn chain(row: &PgRow) -> Result<Chain, sqlx::Error> {
    Ok(Chain {
        id: ChainId(row.try_get("id")?),
        kind: word::<ChainKind>(row, "kind")?,
        change: json(row, "change")?,
        state: word::<ChainState>(row, "state")?,
        reason: json(row, "reason")?,
        gate: Gate { id: GateId(row.try_get("gate")?), revision: row.try_get("gate_revision")? },
        steps: Vec::new(),
        edges: json(row, "edges")?,
        shape: Shape::default(),
        graph_version: row.try_get("graph_version")?,
        correlation: row.try_get("correlation")?,
        trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
        began_at: row.try_get("began_at")?,
        ended_at: row.try_get("ended_at")?,
        course: json(row, "course")?,
        busy: HashMap::new(),
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
