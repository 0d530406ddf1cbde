//! Polling: what the webhooks have not told. Either alone is enough.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ChainId, Envelope, RunId, StackId};
use spacelift::{Client, Error, RunFacts};
use store::Engine;
use uuid::Uuid;

use crate::{
    ChainDecider,
    input::{Found, Input, Polled, Seen, Superseded},
    store::{InFlight, in_flight, nothing_new, queued_on_free_stacks, superseded},
};

/// The most runs asked for in one round.
const ROUND_MAX: i64 = 400;

/// Asks about runs.
pub(crate) struct Poller {
    engine: Engine<ChainDecider>,
    spacelift: Client,
    silence: Duration,
    /// When the process was missed because of which runs were asked about last.
    answered_for: Mutex<Option<DateTime<Utc>>>,
}

impl Poller {
    /// A poller that asks about a run of which nothing was heard for `silence`.
    pub(crate) fn new(engine: Engine<ChainDecider>, spacelift: Client, silence: Duration) -> Self {
        Self { engine, spacelift, silence, answered_for: Mutex::default() }
    }

    /// Asks about runs nothing was heard of for a while, or since another process was gone, and
    /// decides what it hears.
    pub(crate) async fn poll(&self) -> anyhow::Result<()> {
        let Self { engine, spacelift, .. } = self;
        let pool = &engine.decider().pool;
        let now = Utc::now();
        let silent_since = now - TimeDelta::from_std(self.silence)?;
        let before = engine.missed_at().map_or(silent_since, |missed| missed.max(silent_since));
        let silent = in_flight(pool, before, ROUND_MAX).await?;
        // Calls rest: there is nothing to be heard before the next one is tried.
        let rests = spacelift.rest().is_some_and(|rest| rest.until > now);
        if !silent.is_empty() && !rests {
            let (quiet, told) = ask(spacelift, silent).await?;
            nothing_new(pool, &quiet, now).await?;
            let told = told.into_iter().map(|(step, found)| engine.submit(submission(step, found)));
            for result in futures::future::join_all(told).await {
                result?;
            }
        }
        for (chain, correlation, by) in superseded(pool).await? {
            engine.submit(giving_way(ChainId(chain), correlation, ChainId(by))).await?;
        }
        // A chain that was to be woken when its stack or its place became free, and was not.
        let mut waiting = queued_on_free_stacks(pool).await?;
        let queue = &engine.decider().queue;
        waiting.extend(queue.next(&mut *pool.acquire().await?).await?);
        if !waiting.is_empty() {
            engine.nudge(&waiting).await?;
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

/// Splits the steps into those whose run stands as it is known, and those with news.
async fn ask(
    spacelift: &Client,
    silent: Vec<InFlight>,
) -> Result<(Vec<InFlight>, Vec<(InFlight, Found)>), Error> {
    let ids: Vec<(StackId, RunId)> =
        silent.iter().map(|step| (step.stack.clone(), step.run.clone())).collect();
    let runs = spacelift.runs(&ids).await?;
    let (mut quiet, mut told) = (Vec::new(), Vec::new());
    let mut stacks: HashMap<StackId, bool> = HashMap::new();
    for (step, facts) in silent.into_iter().zip(runs) {
        match facts {
            Some(facts) if is_known(&step, &facts) => quiet.push(step),
            Some(facts) => told.push((step, Found::Run(Seen::from(facts)))),
            None => {
                let exists = match stacks.get(&step.stack) {
                    Some(exists) => *exists,
                    None => stack_exists(spacelift, &step.stack).await?,
                };
                stacks.insert(step.stack.clone(), exists);
                told.push((step, if exists { Found::NoRun } else { Found::NoStack }));
            }
        }
    }
    Ok((quiet, told))
}

/// Most answers are that nothing has happened; those are not worth a decision each.
fn is_known(step: &InFlight, facts: &RunFacts) -> bool {
    facts.state_version <= step.version
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
    Envelope {
        id: Uuid::new_v5(&chain.0, format!("superseded/{by}").as_bytes()),
        kind: "chain.superseded".to_owned(),
        version: 1,
        key: chain.to_string(),
        source: "/stackly/executor".to_owned(),
        time: Utc::now(),
        correlation,
        causation: None,
        trace: None,
        body: Input::Superseded(Superseded { chain, by }),
    }
}

fn submission(step: InFlight, found: Found) -> Envelope<Input> {
    let now = Utc::now();
    // Asked again, it is another observation, even of the same state.
    let name = format!("polled/{}/{}", step.run, now.timestamp_micros());
    Envelope {
        id: Uuid::new_v5(&step.chain, name.as_bytes()),
        kind: "run.polled".to_owned(),
        version: 1,
        key: step.stack.to_string(),
        source: "/stackly/executor".to_owned(),
        time: now,
        correlation: step.correlation,
        causation: None,
        trace: step.trace,
        body: Input::Polled(Polled {
            chain: ChainId(step.chain),
            stack: step.stack,
            run: step.run,
            found,
        }),
    }
}
