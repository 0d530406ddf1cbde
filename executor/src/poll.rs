//! Polling: what the webhooks have not told. Either alone is enough.

mod locks;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ChainId, Envelope, Message, RunId, StackId, chain::ChainWithdrawn};
use futures::future::join_all;
use spacelift::{Client, Error, RunFacts};
use store::Engine;
use uuid::Uuid;

use crate::{
    CARD,
    config::Runs,
    decider::ChainDecider,
    input::{Found, Input, Polled, Seen, Superseded},
    store::{InFlight, in_flight, nothing_new, queued_on_free_stacks, superseded, withdrawn},
};

/// The most runs asked for in one round.
const ROUND_MAX: i64 = 400;

/// Asks about runs.
pub(crate) struct Poller {
    engine: Engine<ChainDecider>,
    spacelift: Client,
    silence: Duration,
    /// How long a lock of ours is not looked at again.
    lock_rest: Duration,
    /// When the process was missed because of which runs were asked about last.
    answered_for: Mutex<Option<DateTime<Utc>>>,
}

impl Poller {
    /// A poller that asks about a run of which nothing was heard for a while.
    pub(crate) fn new(engine: Engine<ChainDecider>, spacelift: Client, runs: &Runs) -> Self {
        let (silence, lock_rest) = (runs.silence, runs.held_retry);
        Self { engine, spacelift, silence, lock_rest, answered_for: Mutex::default() }
    }

    /// Looks after what was to go on by itself, and asks about runs nothing was heard of for a while,
    /// or since another process was gone. The former needs no answer of Spacelift's, so it is done
    /// also where there is none.
    pub(crate) async fn poll(&self) -> anyhow::Result<()> {
        let pushed = self.push_on().await;
        // Calls rest: there is nothing to be heard before the next one is tried.
        if self.spacelift.rest().is_some_and(|rest| rest.until > Utc::now()) {
            return pushed;
        }
        let asked = self.ask_silent().await;
        let looked = self.look_at_locks().await;
        pushed.and(asked).and(looked)
    }

    /// Chains that give way to newer ones, those that were called off before they came, and those that
    /// were to be woken when their stack or their place became free, and were not.
    async fn push_on(&self) -> anyhow::Result<()> {
        let engine = &self.engine;
        let pool = &engine.decider().pool;
        let queue = &engine.decider().queue;
        let mut waiting = queued_on_free_stacks(pool).await?;
        waiting.extend(queue.next(&mut *pool.acquire().await?).await?);
        if !waiting.is_empty() {
            engine.nudge(&waiting).await?;
        }
        // One that cannot be decided keeps no other.
        let giving = superseded(pool).await?.into_iter().map(|(chain, correlation, by)| {
            engine.submit(giving_way(ChainId(chain), correlation, ChainId(by)))
        });
        let called_off =
            withdrawn(pool).await?.into_iter().map(|(it, story)| engine.submit(off(it, story)));
        for result in join_all(giving).await.into_iter().chain(join_all(called_off).await) {
            result?;
        }
        Ok(())
    }

    /// Asks about silent runs, and decides what it hears.
    async fn ask_silent(&self) -> anyhow::Result<()> {
        let Self { engine, spacelift, .. } = self;
        let pool = &engine.decider().pool;
        let now = Utc::now();
        let silent_since = now - TimeDelta::from_std(self.silence)?;
        let before = engine.missed_at().map_or(silent_since, |missed| missed.max(silent_since));
        let silent = in_flight(pool, before, ROUND_MAX).await?;
        if silent.is_empty() {
            return Ok(());
        }
        let (quiet, told) = ask(spacelift, silent).await?;
        nothing_new(pool, &quiet, now).await?;
        let told =
            told.into_iter().map(|(step, found)| engine.submit(submission(step, now, found)));
        for result in join_all(told).await {
            result?;
        }
        Ok(())
    }

    /// Asks at once when another process is found gone: what was told to it may be lost on us for as
    /// long as the broker waits for its answer.
    pub(crate) async fn poll_after_a_death(&self) -> anyhow::Result<()> {
        let missed_at = self.engine.missed_at();
        if missed_at == *self.answered_for.lock().expect("no holder panics") {
            return Ok(());
        }
        self.poll().await?;
        *self.answered_for.lock().expect("no holder panics") = missed_at;
        Ok(())
    }
}

/// Splits the steps into those whose run stands as it is known, and those with news. One of which
/// Spacelift will say nothing is asked about again when its turn has come, and holds up nobody; one
/// that was not asked about is neither, and comes first the next time.
async fn ask(
    spacelift: &Client,
    silent: Vec<InFlight>,
) -> Result<(Vec<InFlight>, Vec<(InFlight, Found)>), Error> {
    let ids: Vec<(StackId, RunId)> =
        silent.iter().map(|step| (step.stack.clone(), step.run.clone())).collect();
    let runs = spacelift.runs(&ids).await?;
    let (mut quiet, mut told) = (Vec::new(), Vec::new());
    let mut stacks: HashMap<StackId, bool> = HashMap::new();
    for (step, shows) in silent.into_iter().zip(runs) {
        let Some(shows) = shows else { continue };
        let found = match shows {
            Ok(None) if step.is_unknown => None,
            Ok(Some(facts)) if is_known(&step, &facts) => None,
            Ok(Some(facts)) => Some(Found::Run(Seen::from(facts))),
            Ok(None) => missing(spacelift, &step, &mut stacks).await,
            Err(error) => {
                let (stack, run) = (&step.stack, &step.run);
                tracing::warn!(%error, stack.id = %stack, run.id = %run, "cannot ask about a run");
                None
            }
        };
        match found {
            Some(found) => told.push((step, found)),
            None => quiet.push(step),
        }
    }
    Ok((quiet, told))
}

/// Whether the stack of a run that is not there is, as far as Spacelift says.
async fn missing(
    spacelift: &Client,
    step: &InFlight,
    stacks: &mut HashMap<StackId, bool>,
) -> Option<Found> {
    let exists = match stacks.get(&step.stack) {
        Some(exists) => *exists,
        None => match stack_exists(spacelift, &step.stack).await {
            Ok(exists) => *stacks.entry(step.stack.clone()).or_insert(exists),
            Err(error) => {
                tracing::warn!(%error, stack.id = %step.stack, "cannot ask about a stack");
                return None;
            }
        },
    };
    Some(if exists { Found::NoRun } else { Found::NoStack })
}

/// Most answers are that nothing has happened; those are not worth a decision each.
fn is_known(step: &InFlight, facts: &RunFacts) -> bool {
    (step.is_unknown || facts.state_version <= step.version)
        && !facts.finished
        && !step.plan_is_missing
        && step.misses == 0
}

async fn stack_exists(spacelift: &Client, stack: &StackId) -> Result<bool, Error> {
    match spacelift.recent_runs(stack, Utc::now()).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn giving_way(chain: ChainId, correlation: Uuid, by: ChainId) -> Envelope<Input> {
    let body = Input::Superseded(Superseded { chain, by });
    about(chain, &format!("superseded/{by}"), "chain.superseded", correlation, body)
}

/// It was told before the chain had come.
fn off(withdrawn: ChainWithdrawn, correlation: Uuid) -> Envelope<Input> {
    let (chain, body) = (withdrawn.chain, Input::Withdrawn(withdrawn));
    about(chain, "withdrawn", ChainWithdrawn::TYPE, correlation, body)
}

/// What is found out about a chain, once for each name.
fn about(
    chain: ChainId,
    name: &str,
    kind: &str,
    correlation: Uuid,
    body: Input,
) -> Envelope<Input> {
    let (id, named) = (Uuid::new_v5(&chain.0, name.as_bytes()), (kind, chain.to_string()));
    Envelope::first(CARD.consumer, id, named, Utc::now(), body).within(correlation, None)
}

fn submission(step: InFlight, asked_at: DateTime<Utc>, found: Found) -> Envelope<Input> {
    let now = Utc::now();
    // Asked again, it is another observation, even of the same state.
    let name = format!("polled/{}/{}", step.run, now.timestamp_micros());
    let InFlight { chain, stack, run, correlation, trace, .. } = step;
    let (id, named) = (Uuid::new_v5(&chain, name.as_bytes()), ("run.polled", stack.to_string()));
    let body = Input::Polled(Polled { chain: ChainId(chain), stack, run, asked_at, found });
    Envelope::first(CARD.consumer, id, named, now, body).within(correlation, trace)
}
