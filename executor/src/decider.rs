//! What happens to a chain, to the lock on a stack, and to what is told before its chain comes.

mod kept;

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{ChainId, Envelope, chain::ChainWithdrawn, run::RunReported};
use sqlx::{PgConnection, PgPool};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use crate::{
    chain::Chain,
    decide::{self, decide},
    input::Input,
    limits::Limits,
    lock::{self, Lock},
    retry::Retries,
    store::{self as tables, CodeBack, Owners, Queue},
    waves::Rules,
};

pub(crate) use kept::{ChainCache, NOT_CACHED};

/// Decides about chains.
#[derive(Debug, Clone)]
pub(crate) struct ChainDecider {
    /// The executor's schema.
    pub(crate) pool: PgPool,
    /// How many runs may be at once, and who waits for that.
    pub(crate) queue: Arc<Queue>,
    /// What must be so between waves.
    pub(crate) rules: Arc<Rules>,
    /// How often steps are tried again.
    pub(crate) retries: Arc<Retries>,
    kept: Arc<ChainCache>,
}

impl ChainDecider {
    /// Decides about the chains in the executor's schema.
    pub(crate) fn new(pool: PgPool, limits: Limits, rules: Rules, retries: Retries) -> Self {
        Self {
            pool,
            queue: Arc::new(Queue::new(limits)),
            rules: Arc::new(rules),
            retries: Arc::new(retries),
            kept: Arc::default(),
        }
    }
}

/// What is kept under one key: a chain; or of a stack its lock, and that its code came back.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) chain: Option<Chain>,
    pub(crate) lock: Option<Lock>,
    /// Written and never read with the others: the chains it concerns are given it.
    pub(crate) code_back: Option<CodeBack>,
    /// A chain that has not come yet was called off: the same.
    pub(crate) withdrawn: Option<(ChainWithdrawn, DateTime<Utc>)>,
}

impl From<Chain> for State {
    fn from(chain: Chain) -> Self {
        Self { chain: Some(chain), ..Self::default() }
    }
}

impl From<Lock> for State {
    fn from(lock: Lock) -> Self {
        Self { lock: Some(lock), ..Self::default() }
    }
}

impl Decider for ChainDecider {
    type Input = Input;
    type State = State;

    async fn keys(
        &self,
        connection: &mut PgConnection,
        inputs: &[&Input],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let reports: Vec<&RunReported> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Reported(report) => Some(report),
                _ => None,
            })
            .collect();
        let known = self.kept.followers(reports.iter().map(|report| &report.run));
        let owners = Owners::read(connection, &reports, known).await?;
        Ok(inputs
            .iter()
            .map(|input| match input {
                Input::Planned(planned) => Some(planned.chain.0),
                Input::Decided(decided) => Some(decided.chain.0),
                Input::Reported(report) => owners.of(report),
                Input::Reassociated(event) => Some(lock::key(&event.stack)),
                Input::Withdrawn(withdrawn) => Some(withdrawn.chain.0),
                Input::Polled(polled) => Some(polled.chain.0),
                Input::Concluded(concluded) => Some(concluded.chain.0),
                Input::Checked(checked) => Some(checked.chain.0),
                Input::Answered(answered) => Some(answered.chain.0),
                Input::Ordered(order) => Some(order.chain.0),
                Input::Overdue(overdue) => Some(overdue.chain.0),
                Input::Superseded(superseded) => Some(superseded.chain.0),
                Input::Lock(input) => Some(lock::key(&input.stack)),
                Input::Woken(chain) => Some(chain.0),
            })
            .collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, State>, sqlx::Error> {
        tables::load(connection, (&self.queue, &self.kept), keys, now).await
    }

    fn decide(
        &self,
        state: &mut State,
        input: &Envelope<Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        if let Some(chain) = &mut state.chain {
            (chain.rules, chain.retries) = (self.rules.clone(), self.retries.clone());
        }
        decide(state, input, now)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &State)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        tables::save(connection, &self.queue, states).await
    }

    fn committed(&self, states: Vec<(Uuid, State, bool)>) {
        for (key, state, is_written) in states {
            if let Some(chain) = state.chain {
                self.kept.keep(key, chain, is_written);
            }
        }
    }

    fn wake_at(&self, state: &State) -> Option<DateTime<Utc>> {
        state.chain.as_ref().and_then(decide::wake_at)
    }

    fn wake(&self, key: Uuid) -> Option<Input> {
        Some(Input::Woken(ChainId(key)))
    }
}
