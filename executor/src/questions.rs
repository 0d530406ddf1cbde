//! What people ask: which chains are there, and how does one stand?

use std::time::Duration;

use bus::{Bus, Problem, read};
use chrono::{DateTime, Utc};
use contracts::{
    Action, ChainId, Code, GateId, Reason, StackId,
    chain::{ChainKind, ChainState, PlannedEdge},
    change::Change,
    phrase::count,
    plain,
    run::RunState,
    step::{StepState, StepSummary},
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    config::Reminders,
    hold::name_holds,
    lock::{self, LockLine},
    store,
    waves::WaveLine,
    why::{Wait, why},
};

/// The most chains listed at once.
const LIST_MAX: i64 = 500;
/// The most chains looked through for one stack.
const WHY_MAX: i64 = 20;

/// A chain in one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChainLine {
    /// Its id.
    pub chain: ChainId,
    /// Plan and apply, or plan only.
    pub kind: ChainKind,
    /// What it does to its stacks.
    #[serde(default)]
    pub action: Action,
    /// How it stands.
    pub state: ChainState,
    /// Why.
    pub reason: Reason,
    /// What set it off.
    pub change: Change,
    /// How many steps it has.
    pub steps: i64,
    /// How many of them have ended.
    pub ended: i64,
    /// When it was planned.
    pub began_at: DateTime<Utc>,
    /// When its last step ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Of the steps that have not ended, the one to look at first; only in a list of chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_open: Option<OpenStep>,
}

/// Why a step has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStep {
    /// Which.
    pub stack: StackId,
    /// Why.
    pub reason: Reason,
}

/// A chain in full.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChainPage {
    /// The chain in one line.
    #[serde(flatten)]
    pub line: ChainLine,
    /// The story it belongs to, for `trace`.
    pub correlation: Uuid,
    /// The gate before it.
    pub gate: GateId,
    /// The version of the graph it was planned with.
    pub graph_version: i64,
    /// Its steps, parents before children.
    pub steps_in_order: Vec<StepPage>,
    /// The order among them.
    pub edges: Vec<PlannedEdge>,
    /// Who paused it, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Reason>,
    /// Its waves, in order; none if no step waits for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveLine>,
    /// Why its steps are left out, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Reason>,
}

/// A step in full.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepPage {
    /// The step in one line.
    #[serde(flatten)]
    pub summary: StepSummary,
    /// Why it is part of the chain.
    pub why: Reason,
    /// What must be done before it.
    pub parents: Vec<String>,
    /// How many of them must have ended well.
    #[serde(default)]
    pub needed: usize,
    /// How long its run may take before people are told; as configured for all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub may_take: Option<Duration>,
    /// Since when it is in its state.
    pub since: DateTime<Utc>,
    /// The gate it was last asked about.
    pub gate: Option<GateId>,
    /// How its run stands, as last heard.
    #[serde(default)]
    pub run_state: Option<RunState>,
    /// Why its call to Spacelift is not through, if one is open.
    pub call: Option<String>,
    /// The same with its code.
    #[serde(default)]
    pub call_reason: Option<Reason>,
    /// It has ended, nobody knows how, and it keeps its stack until a person says that they looked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_stack: bool,
    /// Who paused it, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Reason>,
    /// What people were reminded of since it is in its state.
    #[serde(default)]
    pub reminded: Option<Code>,
    /// What it waits for, and what can be done about it; absent once it has ended.
    #[serde(default)]
    pub wait: Option<Wait>,
}

/// Why a step waits, as an answer of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitLine {
    /// The chain.
    pub chain: ChainId,
    /// The step.
    pub stack: StackId,
    /// How it stands.
    pub state: StepState,
    /// What it waits for.
    #[serde(flatten)]
    pub wait: Wait,
}

/// One transition of a chain or of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationLine {
    /// When.
    pub at: DateTime<Utc>,
    /// The step; absent for the chain itself.
    pub stack: Option<StackId>,
    /// The state left.
    pub from: String,
    /// What happened, in the word of the table of transitions (`docs/STATES.md`).
    pub event: String,
    /// The state entered.
    pub to: String,
    /// Who set it off: a service, or `person:<name>`.
    pub actor: String,
    /// Why.
    pub reason: Reason,
    /// The event, result or order that caused it, for `trace`.
    pub cause: Uuid,
}

/// Ingest asks it, too, and a newer one may narrow it by more: it looks at what it is answered.
#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    open: bool,
    limit: Option<i64>,
}

/// Ingest asks it, too, and a newer one may tell more.
#[derive(Deserialize)]
struct ShowQuery {
    chain: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocksQuery {
    stack: Option<StackId>,
}

/// The lock on a stack, and everything that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockPage {
    /// How it stands; absent if nobody ever locked the stack through us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockLine>,
    /// Every transition of it.
    pub history: Vec<OperationLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyQuery {
    chain: Option<String>,
    stack: Option<StackId>,
}

/// The newest chains.
pub(crate) async fn chains(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let query: ListQuery = read(body)?;
    let limit = query.limit.unwrap_or(50).clamp(1, LIST_MAX);
    let lines = store::lines(&pool, query.open, limit).await.map_err(unavailable)?;
    Ok(plain(&lines))
}

/// The stacks that are locked through us; of one stack, its lock with what happened to it.
pub(crate) async fn locks(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let LocksQuery { stack } = read(body)?;
    let locks = store::locks(&pool, stack.as_ref()).await.map_err(unavailable)?;
    let Some(stack) = stack else { return Ok(plain(&locks)) };
    let history = store::history(&pool, lock::key(&stack)).await.map_err(unavailable)?;
    Ok(plain(&LockPage { lock: locks.into_iter().next(), history }))
}

/// Answers about chains in full. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages {
    /// Where chains are kept.
    pub(crate) pool: PgPool,
    /// How long something may wait.
    pub(crate) reminders: Reminders,
    /// Who is asked what holds a run up.
    pub(crate) spacelift: spacelift::Client,
    /// What answers go over.
    pub(crate) bus: Bus,
}

impl Pages {
    /// One chain, by its id.
    pub(crate) async fn chain(self, body: Value) -> Result<Value, Problem> {
        let query: ShowQuery = read(body)?;
        self.told(query.chain()?).await
    }

    /// A chain as an answer: without its steps where nats-server would not take it with them, because
    /// most who ask, and all who gave an order, need its head alone.
    pub(crate) async fn told(&self, chain: ChainId) -> Result<Value, Problem> {
        let mut page = self.page(chain).await?;
        let whole = plain(&page);
        if whole.to_string().len() <= self.bus.body_max() {
            return Ok(whole);
        }
        page.leave_out_steps();
        Ok(plain(&page))
    }

    /// Every transition of one chain, in order.
    pub(crate) async fn history(self, body: Value) -> Result<Value, Problem> {
        let query: ShowQuery = read(body)?;
        let chain = query.chain()?;
        self.page(chain).await?;
        Ok(plain(&store::history(&self.pool, chain.0).await.map_err(unavailable)?))
    }

    /// Why the open steps of a chain, or of a stack, wait.
    pub(crate) async fn why(self, body: Value) -> Result<Value, Problem> {
        let query: WhyQuery = read(body)?;
        let chains = match (&query.chain, &query.stack) {
            (Some(chain), _) => vec![ShowQuery { chain: chain.clone() }.chain()?],
            (None, Some(stack)) => {
                store::of_stack(&self.pool, stack, WHY_MAX).await.map_err(unavailable)?
            }
            (None, None) => {
                return Err(Problem::malformed("give a `chain` or a `stack`"));
            }
        };
        let is_wanted = |step: &StepPage| {
            query.stack.as_ref().is_none_or(|wanted| *wanted == step.summary.stack)
        };
        let mut pages = Vec::new();
        for chain in chains {
            pages.push(self.page(chain).await?);
        }
        // Whoever asks does not wait for one after the other.
        join_all(pages.iter_mut().map(|page| name_holds(&self, page, is_wanted))).await;
        let lines = pages.into_iter().flat_map(|page| {
            let chain = page.line.chain;
            let wanted = page.steps_in_order.into_iter().filter(is_wanted);
            wanted.filter_map(move |step| {
                let StepSummary { stack, state, .. } = step.summary;
                step.wait.map(|wait| WaitLine { chain, stack, state, wait })
            })
        });
        Ok(plain(&lines.collect::<Vec<_>>()))
    }

    /// A chain in full, or that there is none.
    pub(crate) async fn page(&self, chain: ChainId) -> Result<ChainPage, Problem> {
        let found = store::page(&self.pool, chain).await.map_err(unavailable)?;
        let mut page = found.ok_or_else(|| {
            let text = format!("there is no {chain}; `stackly chains` lists what there is");
            Problem::not_found(text)
        })?;
        page.explain(&self.reminders, Utc::now());
        Ok(page)
    }
}

impl ChainPage {
    /// Whether the chain has a step of this stack.
    pub(crate) fn has(&self, stack: &StackId) -> bool {
        self.steps_in_order.iter().any(|step| step.summary.stack == *stack)
    }

    fn leave_out_steps(&mut self) {
        let text = format!(
            "nats-server does not take the answer with {}; set `max_payload: 8MB` in its configuration",
            count(self.steps_in_order.len(), "step")
        );
        self.left_out = Some(Reason::new(Code::AnswerTooLarge, text));
        self.steps_in_order.clear();
        self.edges.clear();
    }

    /// Says of every step what it waits for.
    pub(crate) fn explain(&mut self, reminders: &Reminders, now: DateTime<Utc>) {
        let waits: Vec<Option<Wait>> =
            self.steps_in_order.iter().map(|step| why(self, step, reminders, now)).collect();
        for (step, wait) in self.steps_in_order.iter_mut().zip(waits) {
            step.wait = wait;
        }
    }
}

impl ShowQuery {
    fn chain(&self) -> Result<ChainId, Problem> {
        self.chain
            .parse()
            .map_err(|error: contracts::id::IdError| Problem::malformed(error.to_string()))
    }
}

pub(crate) fn unavailable(error: sqlx::Error) -> Problem {
    Problem::unavailable(format!("the executor's database did not answer: {error}"))
}

impl StepPage {
    /// Whether the step still waits for something.
    pub fn is_open(&self) -> bool {
        !StepState::is_terminal(self.summary.state)
    }
}
