//! The long versions of what the chaos tests do in short: a report if all held, a failure if not.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::ensure;
use harness::{
    Pipeline,
    checker::{check, check_ends},
    deliveries::{self, Plan, Trial},
    kills,
    moments::Moments,
    storm::{self, Weather},
};
use serde::Serialize;

use crate::system::as_service;

/// How often an executor dies.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Kills {
    /// How often the executor dies.
    #[arg(long, default_value_t = 1000)]
    deaths: usize,
    /// What everything random is drawn from; at random if not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// How much is broken.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Storm {
    /// How many random graphs run at once.
    #[arg(long, default_value_t = 12)]
    graphs: usize,
    /// How many stacks the largest has.
    #[arg(long, default_value_t = 200)]
    stacks_max: usize,
    /// How many systems are put through it, one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// What everything random is drawn from; at random if not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// What is sent, and what is done meanwhile.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Deliveries {
    /// How many different deliveries there are; a tenth each gets lost, doubled and out of order.
    #[arg(long, default_value_t = 100_000)]
    count: usize,
    /// How many are sent each second; 0 for as many as are accepted.
    #[arg(long, default_value_t = 1_000)]
    per_second: u32,
    /// For how long NATS is gone.
    #[arg(long, default_value = "60s")]
    outage: humantime::Duration,
    /// How long each of the two runs may take.
    #[arg(long, default_value = "30m")]
    patience: humantime::Duration,
    /// What everything random is drawn from; at random if not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// What two runs had in common.
#[derive(Debug, Serialize)]
pub(crate) struct Same {
    seed: u64,
    /// What became of each delivery, what ingest told of it, and what the planner answered.
    outcomes: usize,
    events: usize,
    answers: usize,
    /// What was done in the second run.
    struck: deliveries::Struck,
}

/// What was survived.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Survived {
    seed: u64,
    /// What struck, and how often.
    struck: BTreeMap<&'static str, usize>,
    chains: usize,
    steps: usize,
    /// How the steps ended.
    steps_by_state: BTreeMap<String, usize>,
    triggers: usize,
}

impl Survived {
    fn count(&mut self, pipeline: &Pipeline, chains: &[executor::ChainPage]) {
        self.chains += chains.len();
        for step in chains.iter().flat_map(|chain| &chain.steps_in_order) {
            self.steps += 1;
            *self.steps_by_state.entry(step.summary.state.to_string()).or_default() += 1;
        }
        let journal = pipeline.spacelift.journal(0);
        self.triggers += journal.iter().filter(|entry| is_trigger(entry)).count();
    }
}

fn is_trigger(entry: &simulator::JournalEntry) -> bool {
    matches!(&entry.event, simulator::JournalEvent::Mutation(it) if it.name == "runTrigger" && it.accepted)
}

/// This program as a service, and the folder that it is in.
fn program() -> anyhow::Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let program = as_service(&folder)?;
    Ok((folder, program))
}

/// Lets the executor die, and holds Spacelift's journal against what must never happen.
pub(crate) async fn kills(options: Kills) -> anyhow::Result<Survived> {
    let (_folder, program) = program()?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let mut pipeline = Pipeline::with(kills::setup(program)).await;
    let mut moments = Moments::seeded(&pipeline.spacelift, seed);
    let killed = kills::run(&mut pipeline, options.deaths, &mut moments).await;
    let journal = pipeline.spacelift.journal(0);
    let mut violations = check(&journal, &killed.chains);
    violations.extend(check_ends(&journal, &killed.chains));
    ensure!(violations.is_empty(), "with seed {seed}: {violations:#?}");
    let mut survived = Survived { seed, struck: killed.deaths, ..Survived::default() };
    survived.count(&pipeline, &killed.chains);
    pipeline.stop().await;
    Ok(survived)
}

/// Drives random graphs through everything that can go wrong.
pub(crate) async fn storm(options: Storm) -> anyhow::Result<Survived> {
    let (_folder, program) = program()?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let mut survived = Survived { seed, ..Survived::default() };
    for round in 0..options.rounds {
        let weather = Weather {
            graphs: options.graphs,
            stacks_max: options.stacks_max,
            seed: seed.wrapping_add(round),
            patience: Duration::from_secs(1200),
        };
        let mut pipeline = Pipeline::with(storm::setup(program.clone(), &weather)).await;
        let weathered = storm::run(&mut pipeline, &weather).await;
        let violations = &weathered.violations;
        ensure!(violations.is_empty(), "with seed {}: {violations:#?}", weather.seed);
        for (name, times) in weathered.disasters {
            *survived.struck.entry(name).or_default() += times;
        }
        survived.count(&pipeline, &weathered.chains);
        pipeline.stop().await;
    }
    Ok(survived)
}

/// Sends the same deliveries twice, once with nothing wrong, and compares what was decided.
pub(crate) async fn deliveries(options: Deliveries) -> anyhow::Result<Same> {
    let (_folder, program) = program()?;
    let seed = options.seed.unwrap_or_else(rand::random);
    let trial = Trial {
        plan: Plan { seed, count: options.count, per_second: options.per_second, stormy: false },
        program,
        durable: true,
        outage: options.outage.into(),
        patience: options.patience.into(),
    };
    let clean = deliveries::clean(&trial).await?;
    let (disturbed, struck) = deliveries::disturbed(&trial).await?;
    let differences = clean.differences(&disturbed);
    ensure!(differences.is_empty(), "with seed {seed}: {differences:#?}");
    let (outcomes, events) = (clean.outcomes.len(), clean.told.len());
    Ok(Same { seed, outcomes, events, answers: clean.answered.len(), struck })
}
