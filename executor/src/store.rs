//! The executor's tables: chains, steps, operations. The only SQL.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Envelope, GateId, Reason, RunId, StackId, Trace,
    chain::{ChainKind, ChainState},
    run::RunState,
    step::StepState,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use crate::{
    chain::{Chain, Changes, Gate, Run, Step},
    decide::decide,
    input::Input,
    questions::{ChainLine, ChainPage, StepPage},
};

mod write;

/// States in which a step of a deploying chain holds its stack; as in the unique index.
const HOLDING: &[&str] =
    &["triggering", "planning", "gating_apply", "confirming", "applying", "discarding"];

/// Decides about chains.
#[derive(Debug, Clone)]
pub struct ChainDecider {
    /// The executor's schema.
    pub(crate) pool: PgPool,
}

impl Decider for ChainDecider {
    type Input = Input;
    type State = Option<Chain>;

    async fn keys(
        &self,
        connection: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let reports = inputs.iter().filter_map(|input| match input {
            Input::Reported(report) => Some((report.run.as_str(), report.stack.as_str())),
            _ => None,
        });
        let (runs, stacks): (Vec<_>, Vec<_>) = reports.unzip();
        let chains = chains_of_runs(connection, &runs, &stacks).await?;
        Ok(inputs
            .iter()
            .map(|input| match input {
                Input::Planned(planned) => Some(planned.chain.0),
                Input::Decided(decided) => Some(decided.chain.0),
                Input::Reported(report) => chains
                    .get(report.run.as_str())
                    .or_else(|| chains.get(report.stack.as_str()))
                    .copied(),
                Input::Concluded(concluded) => Some(concluded.chain.0),
                Input::Woken(chain) => Some(chain.0),
            })
            .collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<HashMap<Uuid, Option<Chain>>, sqlx::Error> {
        let rows = sqlx::query("select * from chains where id = any($1)")
            .bind(keys)
            .fetch_all(&mut *connection)
            .await?;
        let mut chains = HashMap::with_capacity(rows.len());
        for row in &rows {
            let chain = read_chain(row)?;
            chains.insert(chain.id.0, chain);
        }
        let rows =
            sqlx::query("select * from steps where chain_id = any($1) order by chain_id, ordinal")
                .bind(keys)
                .fetch_all(&mut *connection)
                .await?;
        for row in &rows {
            if let Some(chain) = chains.get_mut(&row.try_get("chain_id")?) {
                chain.steps.push(read_step(row)?);
            }
        }
        let rows = sqlx::query(
            "select mine.chain_id as chain, held.stack, held.chain_id as owner
             from steps mine join steps held on held.stack = mine.stack
                 and held.chain_id <> mine.chain_id
             where mine.chain_id = any($1) and mine.kind = 'deploy' and held.kind = 'deploy'
                 and held.state = any($2)",
        )
        .bind(keys)
        .bind(HOLDING)
        .fetch_all(connection)
        .await?;
        for row in &rows {
            if let Some(chain) = chains.get_mut(&row.try_get("chain")?) {
                let stack: String = row.try_get("stack")?;
                chain.busy.insert(stack.into(), ChainId(row.try_get("owner")?));
            }
        }
        Ok(chains.into_iter().map(|(key, chain)| (key, Some(chain))).collect())
    }

    fn decide(
        &self,
        state: &mut Option<Chain>,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        Ok(decide(state, input, now))
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Option<Chain>)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let chains: Vec<_> = states.iter().filter_map(|(_, chain)| chain.as_ref()).collect();
        write::chains(connection, &chains).await?;
        write::steps(connection, &chains).await?;
        write::operations(connection, &chains).await?;
        waiting_for(connection, &write::released(&chains)).await
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        Some(Input::Woken(ChainId(key)))
    }
}

/// The chains that runs belong to: by the run, or where it is not known yet, by the stack whose
/// run has just been asked for. Keyed by both.
async fn chains_of_runs(
    connection: &mut PgConnection,
    runs: &[&str],
    stacks: &[&str],
) -> Result<HashMap<String, Uuid>, sqlx::Error> {
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "select run as name, chain_id from steps where run = any($1)
         union all
         select stack, chain_id from steps where stack = any($2) and state = 'triggering'",
    )
    .bind(runs)
    .bind(stacks)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("chain_id")?))).collect()
}

/// Chains with a step queued for one of these stacks.
async fn waiting_for(
    connection: &mut PgConnection,
    stacks: &[&str],
) -> Result<Vec<Uuid>, sqlx::Error> {
    if stacks.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "select distinct on (stack) chain_id from steps
         where state = 'queued' and stack = any($1) order by stack, since",
    )
    .bind(stacks)
    .fetch_all(connection)
    .await
}

/// Runs of a stack that are accounted for.
pub(crate) async fn known_runs(pool: &PgPool, stack: &StackId) -> Result<Vec<RunId>, sqlx::Error> {
    let runs: Vec<String> =
        sqlx::query_scalar("select run from steps where stack = $1 and run is not null")
            .bind(stack.as_str())
            .fetch_all(pool)
            .await?;
    Ok(runs.into_iter().map(RunId).collect())
}

/// A run in flight of which nothing was heard for a while.
pub(crate) struct InFlight {
    pub(crate) chain: Uuid,
    pub(crate) stack: StackId,
    pub(crate) run: RunId,
    pub(crate) correlation: Uuid,
    pub(crate) trace: Option<Trace>,
}

/// Runs in flight of which nothing was heard since a time, the most silent first.
pub(crate) async fn in_flight(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<InFlight>, sqlx::Error> {
    let rows = sqlx::query(
        "select steps.chain_id, steps.stack, steps.run, chains.correlation, chains.trace
         from steps join chains on chains.id = steps.chain_id
         where steps.state in ('planning', 'gating_apply', 'confirming', 'applying', 'discarding')
             and steps.heard_at < $1 and steps.run is not null
         order by steps.heard_at limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(InFlight {
                chain: row.try_get("chain_id")?,
                stack: row.try_get::<String, _>("stack")?.into(),
                run: row.try_get::<String, _>("run")?.into(),
                correlation: row.try_get("correlation")?,
                trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
            })
        })
        .collect()
}

/// Chains with a step queued for a stack that nobody holds.
pub(crate) async fn queued_on_free_stacks(pool: &PgPool) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct on (queued.stack) queued.chain_id from steps queued
         where queued.state = 'queued' and not exists (
             select from steps held where held.stack = queued.stack and held.kind = 'deploy'
                 and held.state = any($1))
         order by queued.stack, queued.since",
    )
    .bind(HOLDING)
    .fetch_all(pool)
    .await
}

/// The newest chains in one line each.
pub(crate) async fn lines(
    pool: &PgPool,
    open: bool,
    limit: i64,
) -> Result<Vec<ChainLine>, sqlx::Error> {
    let rows = sqlx::query(
        "select chains.*,
             (select count(*) from steps where chain_id = chains.id) as step_count,
             (select count(*) from steps where chain_id = chains.id and state in
                 ('finished', 'failed', 'denied', 'skipped', 'unknown')) as ended_count
         from chains where ended_at is null or not $1 order by began_at desc limit $2",
    )
    .bind(open)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_line).collect()
}

/// One chain in full.
pub(crate) async fn page(pool: &PgPool, chain: ChainId) -> Result<Option<ChainPage>, sqlx::Error> {
    let row = sqlx::query(
        "select chains.*, 0::bigint as step_count, 0::bigint as ended_count
         from chains where id = $1",
    )
    .bind(chain.0)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let rows = sqlx::query(
        "select steps.*,
             (select reason->>'text' from effects where effects.key = steps.chain_id
                 and effects.open and effects.body->>'stack' = steps.stack limit 1) as call
         from steps where chain_id = $1 order by ordinal",
    )
    .bind(chain.0)
    .fetch_all(pool)
    .await?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in &rows {
        let step = read_step(row)?;
        steps.push(StepPage {
            summary: step.summary(),
            why: step.planned.why,
            parents: step.parents.iter().map(ToString::to_string).collect(),
            since: step.since,
            gate: step.gate.map(|gate| gate.id),
            call: row.try_get("call")?,
        });
    }
    let mut line = read_line(&row)?;
    line.steps = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    line.ended = steps.iter().filter(|step| !step.is_open()).count() as i64;
    Ok(Some(ChainPage {
        line,
        correlation: row.try_get("correlation")?,
        gate: GateId(row.try_get("gate")?),
        graph_version: row.try_get("graph_version")?,
        steps_in_order: steps,
        edges: json(&row, "edges")?,
    }))
}

fn read_line(row: &PgRow) -> Result<ChainLine, sqlx::Error> {
    Ok(ChainLine {
        chain: ChainId(row.try_get("id")?),
        kind: word(row, "kind")?,
        state: word(row, "state")?,
        reason: json(row, "reason")?,
        change: json(row, "change")?,
        steps: row.try_get("step_count")?,
        ended: row.try_get("ended_count")?,
        began_at: row.try_get("began_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn read_chain(row: &PgRow) -> Result<Chain, sqlx::Error> {
    Ok(Chain {
        id: ChainId(row.try_get("id")?),
        kind: word::<ChainKind>(row, "kind")?,
        change: json(row, "change")?,
        state: word::<ChainState>(row, "state")?,
        reason: json(row, "reason")?,
        gate: Gate { id: GateId(row.try_get("gate")?), revision: row.try_get("gate_revision")? },
        steps: Vec::new(),
        edges: json(row, "edges")?,
        graph_version: row.try_get("graph_version")?,
        correlation: row.try_get("correlation")?,
        trace: row.try_get::<Option<String>, _>("trace")?.map(Trace),
        began_at: row.try_get("began_at")?,
        ended_at: row.try_get("ended_at")?,
        busy: HashMap::new(),
        changes: Changes::default(),
    })
}

fn read_step(row: &PgRow) -> Result<Step, sqlx::Error> {
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
    })
}

fn json<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, sqlx::Error> {
    let Json(value) = row.try_get::<Json<Value>, _>(column)?;
    serde_json::from_value(value).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A word of ours, as serde writes it.
fn word<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(Value::String(text)).map_err(|error| sqlx::Error::Decode(error.into()))
}
