//! What people ask, as rows.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, Code, GateId, Reason, StackId,
    chain::{ChainState, PlannedEdge},
    run::RunState,
};
use sqlx::{AssertSqlSafe, PgExecutor, PgPool, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::read::{json, step, word};
use crate::{
    course::{Course, Said},
    join::Join,
    questions::{ChainLine, ChainPage, OpenStep, OperationLine, StepPage},
    shape::Shape,
    step::Step,
    waves::Waves,
    why::Late,
};

/// The newest chains in one line each.
pub(crate) async fn lines(
    pool: &PgPool,
    open: bool,
    limit: i64,
) -> Result<Vec<ChainLine>, sqlx::Error> {
    // Text of our own and nothing else.
    let newest = AssertSqlSafe(newest(open));
    let rows = sqlx::query(newest).bind(limit).fetch_all(pool).await?;
    rows.iter().map(line).collect()
}

/// A statement for each way to ask: a plan that is kept for both knows only the index of all chains.
pub(super) fn newest(open: bool) -> String {
    let which = if open { "where ended_at is null" } else { "" };
    format!(
        "select chains.*,
             (select count(*) from steps where chain_id = chains.id) as step_count,
             (select count(*) from steps where chain_id = chains.id and state in
                 ('finished', 'failed', 'denied', 'skipped', 'canceled', 'unknown')) as ended_count,
             -- What is held comes first, and what only waits for other steps last.
             (select json_build_object('stack', stack, 'reason', reason)
                 from steps where chain_id = chains.id and state not in
                 ('finished', 'failed', 'denied', 'skipped', 'canceled', 'unknown')
                 order by state in ('gating_plan', 'gating_apply') desc, state = 'waiting', ordinal
                 limit 1) as first_open
         from chains {which} order by began_at desc limit $1"
    )
}

/// One chain in full.
pub(crate) async fn page(pool: &PgPool, chain: ChainId) -> Result<Option<ChainPage>, sqlx::Error> {
    let row = sqlx::query(
        "select chains.*, 0::bigint as step_count, 0::bigint as ended_count,
             null::json as first_open
         from chains where id = $1",
    )
    .bind(chain.0)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let correlation: Uuid = row.try_get("correlation")?;
    let rows = sqlx::query(
        "select steps.*,
             (select reason from effects where effects.correlation = $2
                 and effects.key = steps.chain_id
                 and effects.open and effects.body->>'stack' = steps.stack
                 order by created_at desc limit 1) as call
         from steps where chain_id = $1 order by ordinal",
    )
    .bind(chain.0)
    .bind(correlation)
    .fetch_all(pool)
    .await?;
    let own = rows.iter().map(step).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let edges: Vec<PlannedEdge> = json(&row, "edges")?;
    let course: Course = json(&row, "course")?;
    let mut line = line(&row)?;
    let shape = Shape::new(own.iter().map(|step| &step.planned.stack), edges.iter());
    let waves = Waves::of(line.kind, &own, &shape).lines(&own, &course.rollout);
    let steps = rows.iter().zip(own).map(|(row, step)| step_page(row, step));
    let steps = steps.collect::<Result<Vec<_>, sqlx::Error>>()?;
    line.steps = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let ended = steps.iter().filter(|step| !step.is_open()).count();
    line.ended = i64::try_from(ended).unwrap_or(i64::MAX);
    Ok(Some(ChainPage {
        line,
        correlation,
        gate: GateId(row.try_get("gate")?),
        graph_version: row.try_get("graph_version")?,
        steps_in_order: steps,
        edges,
        paused: course.paused.as_ref().map(Said::reason),
        waves,
        left_out: None,
    }))
}

/// Chains in which a step of this stack has not ended, the oldest first.
pub(crate) async fn of_stack(
    pool: &PgPool,
    stack: &StackId,
    limit: i64,
) -> Result<Vec<ChainId>, sqlx::Error> {
    let chains: Vec<Uuid> = sqlx::query_scalar(
        "select chains.id from steps join chains on chains.id = steps.chain_id
         where steps.stack = $1 and (
             (chains.ended_at is null and steps.state not in
                 ('finished', 'failed', 'denied', 'skipped', 'canceled', 'unknown'))
             or (steps.state = 'unknown' and steps.kind = 'deploy'
                 and steps.course->>'released' is null))
         order by chains.began_at limit $2",
    )
    .bind(stack.as_str())
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(chains.into_iter().map(ChainId).collect())
}

/// A page of the chains with a step that may have waited for too long by now, of which people were not
/// told, by their ids: such as have not ended, or keep a stack though they have. While a chain waits for
/// its gate, that is told of its first step alone, which is looked for only if the chain is old enough.
pub(crate) async fn may_be_late(
    database: impl PgExecutor<'_>,
    late: &[Late],
    (now, after): (DateTime<Utc>, ChainId),
    limit: i64,
) -> Result<Vec<ChainId>, sqlx::Error> {
    let word = |code: Option<Code>| code.map(Code::as_str);
    let run = |late: &Late| late.run.as_ref().map(RunState::to_string);
    let before = |late: &Late| {
        let patience = TimeDelta::from_std(late.patience).ok();
        patience.and_then(|patience| now.checked_sub_signed(patience)).unwrap_or_default()
    };
    let chains: Vec<Uuid> = sqlx::query_scalar(
        "with known as (
             select id as chain_id from chains where ended_at is null and id > $1
             union
             select chain_id from steps where state = 'unknown' and kind = 'deploy'
                 and course->>'released' is null and chain_id > $1),
         late as (
             select * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                 as late (state, reason, run_state, told, before))
         select distinct chains.id from known
         join chains on chains.id = known.chain_id
         cross join lateral (
             select state, steps.reason->>'code' as code, since, kind, run_state, course, planned
                 from steps where chain_id = known.chain_id and state <> 'waiting'
                     and chains.state <> 'gating'
             union all
             (select state, chains.reason->>'code', since, kind, run_state, course, planned
                 from steps where chain_id = known.chain_id and state = 'waiting'
                     and chains.state = 'gating' and exists (
                         select from late where late.state = 'waiting'
                             and late.reason = chains.reason->>'code'
                             and late.before >= chains.began_at)
                 order by ordinal limit 1)) as steps
         join late on late.state = steps.state
         where (late.reason is null or late.reason = steps.code)
             and (late.run_state is null or late.run_state = steps.run_state)
             and (late.told is null or late.told is distinct from steps.course->>'reminded')
             and (steps.since <= late.before
                 or late.told = 'run_overdue' and steps.planned->>'labels' like '%stackly:timeout=%')
             and (steps.state <> 'unknown'
                 or steps.kind = 'deploy' and steps.course->>'released' is null)
         order by chains.id limit $7",
    )
    .bind(after.0)
    .bind(late.iter().map(|late| late.state.as_str()).collect::<Vec<_>>())
    .bind(late.iter().map(|late| word(late.reason)).collect::<Vec<_>>())
    .bind(late.iter().map(run).collect::<Vec<_>>())
    .bind(late.iter().map(|late| word(late.told)).collect::<Vec<_>>())
    .bind(late.iter().map(before).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(database)
    .await?;
    Ok(chains.into_iter().map(ChainId).collect())
}

/// Every transition of a chain and its steps, in order.
pub(crate) async fn history(pool: &PgPool, key: Uuid) -> Result<Vec<OperationLine>, sqlx::Error> {
    let rows = sqlx::query("select * from operations where chain_id = $1 order by position")
        .bind(key)
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(OperationLine {
                at: row.try_get("at")?,
                stack: row.try_get::<Option<String>, _>("stack")?.map(StackId::from),
                from: row.try_get("from_state")?,
                event: row.try_get("event")?,
                to: row.try_get("to_state")?,
                actor: row.try_get("actor")?,
                reason: json(row, "reason")?,
                cause: row.try_get("cause")?,
            })
        })
        .collect()
}

fn step_page(row: &PgRow, step: Step) -> Result<StepPage, sqlx::Error> {
    let call: Option<Json<Option<Reason>>> = row.try_get("call")?;
    let call = call.and_then(|Json(call)| call);
    Ok(StepPage {
        keeps_stack: step.keeps_stack(),
        summary: step.summary(),
        needed: Join::of(&step.planned.labels).needed(step.parents.len()),
        may_take: step.may_take(),
        why: step.planned.why,
        parents: step.parents.iter().map(ToString::to_string).collect(),
        since: step.since,
        gate: step.gate.map(|gate| gate.id),
        run_state: step.run.map(|run| run.state),
        call: call.as_ref().map(|reason| reason.text.clone()),
        call_reason: call,
        paused: step.course.paused.as_ref().map(Said::reason),
        reminded: step.course.reminded,
        wait: None,
    })
}

fn line(row: &PgRow) -> Result<ChainLine, sqlx::Error> {
    let state: ChainState = word(row, "state")?;
    let mut reason: Reason = json(row, "reason")?;
    let course: Course = json(row, "course")?;
    // Before it runs, that it is paused stands beside what it waits for.
    if let (ChainState::Gating | ChainState::Planning, Some(paused)) = (state, &course.paused) {
        reason.text = format!("{}; besides, it is {}", reason.text, paused.reason().text);
    }
    Ok(ChainLine {
        chain: ChainId(row.try_get("id")?),
        kind: word(row, "kind")?,
        action: course.action,
        state,
        reason,
        change: json(row, "change")?,
        steps: row.try_get("step_count")?,
        ended: row.try_get("ended_count")?,
        began_at: row.try_get("began_at")?,
        ended_at: row.try_get("ended_at")?,
        first_open: row.try_get::<Option<Json<OpenStep>>, _>("first_open")?.map(|Json(step)| step),
    })
}
