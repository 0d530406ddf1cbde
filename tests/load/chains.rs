//! Steps per second: many chains at once against a Spacelift whose runs take no time, and what
//! each process costs meanwhile.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use anyhow::Context;
use contracts::{
    Message,
    chain::{ChainFinished, ChainState},
    subject,
};
use futures::StreamExt;
use serde::Serialize;
use simulator::Pace;
use tokio::task::JoinSet;

use crate::{
    beside::{Driven, driven},
    figures::{Latency, Spread, round},
    processes::{Account, Memory, memory, shares},
    step_floor,
    store::Statement,
    system::{self, Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many events go through the floor before and after.
const FLOOR_EVENTS: u64 = 2_000;
/// What a step cannot do without.
const NECESSARY: [&str; 2] = ["runTrigger", "runConfirm"];
/// Another round is begun only if so much of the minute and a half is left.
const BUDGET: Duration = Duration::from_secs(50);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many chains.
    #[arg(long, default_value_t = 200)]
    chains: usize,
    /// How many stacks in each.
    #[arg(long, default_value_t = 10)]
    length: usize,
    /// How often.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many executors drive them, up to four.
    #[arg(long, default_value_t = 1)]
    executors: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { chains: 200, length: 10, rounds: 3, executors: 1 }
    }
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    chains: usize,
    executors: usize,
    steps: usize,
    steps_per_second: Spread,
    /// The least that any such service must do for a step, as many at once as there are chains.
    floor_steps_per_second: Spread,
    /// How many times as fast the floor is.
    floor_over_steps: f64,
    /// From the push to the end of its chain, all of them at once.
    chain: Latency,
    /// From the end of each run to the accepted trigger of the stack after it, in whole milliseconds.
    hop: Latency,
    /// Triggers that Spacelift took for each step: one, or something is wrong.
    triggers_per_step: f64,
    /// Requests to Spacelift a step, by what each asked first.
    api_calls_per_step: BTreeMap<String, f64>,
    /// Those of them that do not trigger or confirm.
    api_calls_beyond_the_necessary: f64,
    /// CPU milliseconds a step, by process.
    cpu_ms_per_step: BTreeMap<&'static str, f64>,
    /// Of all CPU time spent, in per cent.
    cpu_share: BTreeMap<&'static str, f64>,
    /// How many cores were at work.
    cores: f64,
    memory_before: BTreeMap<&'static str, Memory>,
    memory_after: BTreeMap<&'static str, Memory>,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// Measures.
pub(crate) async fn measure(options: Options, statements: bool) -> anyhow::Result<Report> {
    let started = Instant::now();
    let ground = Ground::start(statements).await?;
    let account = system::lines(options.chains, options.length);
    let setting = Setting::without_policies(account, Pace::zero());
    let mut system = System::whole(ground, setting).await?;
    system.want_executors(options.executors).await?;
    let processes = system.processes();
    let memory_before = memory(&processes);
    // A tenth of it warms connections, plans and caches, and does not count.
    run(&system, (options.chains / 10).max(1)).await?;
    let mut yardstick = vec![fsync().await?];
    let mut floor = vec![step_floor::run(&system, FLOOR_EVENTS, options.chains).await?.per_second];
    let spacelift = system.simulator.control();
    let warm = spacelift.journal(0).last().map_or(0, |entry| entry.number);
    let calls_before = spacelift.calls();
    let before = Account::now(&processes);
    let (mut rates, mut ends, mut wall) = (Vec::new(), Vec::new(), Duration::ZERO);
    for round in 0..options.rounds.max(1) {
        if round > 0 && started.elapsed() > BUDGET {
            break;
        }
        let (took, chains) = run(&system, options.chains).await?;
        rates.push((options.chains * options.length) as f64 / took.as_secs_f64());
        ends.extend(chains);
        wall += took;
    }
    let spent = Account::now(&processes).since(&before);
    let calls = calls_since(&system, &calls_before);
    let Driven { hops, triggers, .. } = driven(&spacelift.journal(warm), wall);
    yardstick.push(fsync().await?);
    floor.push(step_floor::run(&system, FLOOR_EVENTS, options.chains).await?.per_second);
    let (rates, floor) = (Spread::of(rates), Spread::of(floor));
    let steps = options.chains * options.length * rates.rounds;
    let per_step = |total: f64| round(total / steps as f64);
    let total: f64 = spent.values().sum();
    let beyond = calls.iter().filter(|(name, _)| !NECESSARY.contains(&name.as_str()));
    let beyond = beyond.map(|(_, count)| count).fold(0.0, |sum, count| sum + count);
    let report = Report {
        chains: options.chains,
        executors: options.executors,
        steps,
        steps_per_second: rates,
        floor_steps_per_second: floor,
        floor_over_steps: round(floor.median / rates.median.max(0.001)),
        chain: Latency::of(ends),
        hop: Latency::of(hops),
        triggers_per_step: per_step(triggers as f64),
        api_calls_beyond_the_necessary: per_step(beyond),
        api_calls_per_step: calls.iter().map(|(name, it)| (name.clone(), per_step(*it))).collect(),
        cpu_share: shares(&spent),
        cpu_ms_per_step: spent.iter().map(|(name, time)| (*name, per_step(*time))).collect(),
        cores: round(total / 1000.0 / wall.as_secs_f64()),
        memory_before,
        memory_after: memory(&processes),
        fsync: yardstick,
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    };
    system.stop().await;
    Ok(report)
}

/// How many requests Spacelift was asked since.
fn calls_since(system: &System, before: &BTreeMap<String, u64>) -> BTreeMap<String, f64> {
    let calls = system.simulator.control().calls().into_iter();
    let since = calls.map(|(name, count)| {
        let before = before.get(&name).copied().unwrap_or_default();
        (name, (count - before) as f64)
    });
    since.filter(|(_, count)| *count > 0.0).collect()
}

/// Pushes to the first so many lines at once; gives how long all of it took, and each chain.
async fn run(system: &System, chains: usize) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let mut events = system.bus.tail(&subject::events_of(ChainFinished::TYPE)).await?;
    system.bus.flush().await?;
    let began = Instant::now();
    let mut pushes = JoinSet::new();
    for chain in 0..chains {
        let (client, installation) = (system.client.clone(), system.installation.clone());
        pushes.spawn(async move {
            let commit = harness::github::commit();
            let path = format!("stacks/s{chain}-0/main.tf");
            let payload = harness::github::push(&commit, &[&path]);
            let (ingest, secret) = (&installation.ingest, &installation.github_secret);
            let delivered =
                harness::github::deliver(&client, ingest, secret, "push", &payload).await;
            let (status, answer) = delivered?;
            anyhow::ensure!(status == 202, "a push was answered {status}: {answer}");
            Ok(commit)
        });
    }
    let mut open = HashSet::new();
    while let Some(pushed) = pushes.join_next().await {
        open.insert(pushed??);
    }
    let mut ends = Vec::with_capacity(chains);
    let ended = async {
        while !open.is_empty() {
            let event = events.next().await.context("the broker is gone")?;
            let finished = ChainFinished::upgrade(event.version, event.body)?;
            let state = finished.state;
            anyhow::ensure!(state == ChainState::Finished, "a chain ended as {state}");
            if open.remove(finished.change.commit.as_str()) {
                ends.push(began.elapsed());
            }
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(ended) => ended?,
        Err(_) => anyhow::bail!("not all chains ended in time: {:#?}", system.complaints()),
    }
    Ok((began.elapsed(), ends))
}
