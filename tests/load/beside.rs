//! The same chains driven by ours and by others, in one run, one after the other, on the same
//! machine against the same simulator: the others are programs in `peers/`, with a manifest of
//! their own, built and fetched only for this.
//!
//! What is timed is read from the simulator's journal, which is the same for all: from the first
//! order to the end of the last run, and for each hop from the end of a run to the accepted trigger
//! of the stack after it, in whole milliseconds.

mod build;
mod contestant;
mod dbos;
mod fetch;
mod journal;
mod restate;

pub(crate) use build::{answer_of, run_to_end};
pub(crate) use journal::{Driven, driven};

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};
use simulator::Pace;

use crate::{
    beside::contestant::Contestant,
    figures::{Latency, Spread, round},
    processes::{Account, Memory, memory},
    system,
    yardstick::{Fsync, fsync},
};

/// How long work may go on after the last run has ended.
const SETTLE: Duration = Duration::from_secs(1);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many chains run at once.
    #[arg(long, default_value_t = 200)]
    chains: usize,
    /// How many stacks in each.
    #[arg(long, default_value_t = 10)]
    length: usize,
    /// How often all chains run at once.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many chains then run one after the other, each alone.
    #[arg(long, default_value_t = 20)]
    alone: usize,
    /// How long the apply of each run lasts. At zero a run has ended when its trigger is answered,
    /// and nobody waits for anything.
    #[arg(long, default_value_t = 15)]
    run_ms: u64,
    /// Who runs, and in which order.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "stackly,dbos,restate")]
    beside: Vec<Who>,
    /// Where peers are built and their servers kept; a folder in the cache if not given.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Build peers without optimising, to try the program out: what they then do in a second says
    /// nothing.
    #[arg(long)]
    unoptimised: bool,
}

/// Who can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Who {
    /// Ours.
    Stackly,
    /// DBOS workflows in Rust, on Postgres.
    Dbos,
    /// Restate workflows in Rust, on a Restate server.
    Restate,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Stackly => "stackly",
            Self::Dbos => "dbos",
            Self::Restate => "restate",
        }
    }
}

/// What came out for one of them.
#[derive(Debug, Serialize)]
struct Figures {
    steps: usize,
    steps_per_second: Spread,
    /// From the end of a run to the trigger after it, while all chains run.
    hop_together: Latency,
    /// The same while one chain runs alone.
    hop_alone: Latency,
    /// Triggers that Spacelift took for each step: one, or something is wrong.
    triggers_per_step: f64,
    /// CPU milliseconds a step, by process, while all chains run.
    cpu_ms_per_step: BTreeMap<&'static str, f64>,
    /// Their sum without the simulator and driver, which are the same for all.
    cpu_ms_per_step_in_all: f64,
    memory_after: BTreeMap<&'static str, Memory>,
    fsync: Vec<Fsync>,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    chains: usize,
    length: usize,
    run_ms: u64,
    #[serde(flatten)]
    contestants: BTreeMap<&'static str, Value>,
    /// Ours in units of each peer's.
    ratios: BTreeMap<&'static str, Value>,
}

/// Where peers are kept unless another place is given.
pub(crate) fn folder() -> PathBuf {
    embedded::cache_folder().join("peers")
}

/// Measures.
pub(crate) async fn measure(options: Options) -> anyhow::Result<Report> {
    let mut found = BTreeMap::new();
    let mut contestants = BTreeMap::new();
    for who in &options.beside {
        // Who cannot be had is left out of the comparison, and it says so.
        let told =
            match Contestant::prepare(*who, options.peers.as_deref(), !options.unoptimised).await {
                Ok(program) => {
                    let figures = run(*who, program, &options).await?;
                    let told = serde_json::to_value(&figures)?;
                    found.insert(*who, figures);
                    told
                }
                Err(error) => {
                    json!({ "skipped": format!("{} was not measured: {error:#}", who.name()) })
                }
            };
        contestants.insert(who.name(), told);
    }
    let peers = found.iter().filter(|(who, _)| **who != Who::Stackly);
    let ratios = match found.get(&Who::Stackly) {
        Some(ours) => peers.map(|(who, theirs)| (who.name(), ratio(ours, theirs))).collect(),
        None => BTreeMap::new(),
    };
    let Options { chains, length, run_ms, .. } = options;
    Ok(Report { chains, length, run_ms, contestants, ratios })
}

/// Runs all chains at once, a few times, then some alone.
async fn run(who: Who, program: contestant::Program, options: &Options) -> anyhow::Result<Figures> {
    let pace = Pace { applying_ms: options.run_ms, ..Pace::zero() };
    let lines = options.chains.max(options.alone);
    let account = system::lines(lines, options.length);
    let contestant = Contestant::start(who, program, account, pace).await?;
    // A tenth of it warms connections, plans and caches, and does not count.
    journal::drive(&contestant, (0..(options.chains / 10).max(1)).collect(), options.length)
        .await?;
    let mut yardstick = vec![fsync().await?];
    let processes = contestant.processes();
    let before = Account::now(&processes);
    let mut together = Vec::new();
    for _ in 0..options.rounds.max(1) {
        let all = (0..options.chains).collect();
        together.push(journal::drive(&contestant, all, options.length).await?);
    }
    settle().await;
    let spent = Account::now(&processes).since(&before);
    let memory_after = memory(&processes);
    let mut alone = Vec::new();
    for line in 0..options.alone {
        alone.push(journal::drive(&contestant, vec![line], options.length).await?);
    }
    yardstick.push(fsync().await?);
    contestant.stop().await;
    let of_a_round = options.chains * options.length;
    let steps = of_a_round * together.len();
    let triggers: usize = together.iter().map(|driven| driven.triggers).sum();
    let cpu = spent.iter().map(|(name, time)| (*name, round(time / steps as f64)));
    let own = spent.iter().filter(|(name, _)| **name != system::SIMULATOR);
    let rates = together.iter().map(|driven| of_a_round as f64 / driven.took.as_secs_f64());
    Ok(Figures {
        steps,
        steps_per_second: Spread::of(rates),
        triggers_per_step: round(triggers as f64 / steps as f64),
        hop_together: hops(&together),
        hop_alone: hops(&alone),
        cpu_ms_per_step: cpu.collect(),
        cpu_ms_per_step_in_all: round(own.map(|(_, time)| time).sum::<f64>() / steps as f64),
        memory_after,
        fsync: yardstick,
    })
}

/// The last records and notices are part of the work, and come after the last run.
async fn settle() {
    let mut ticks = tokio::time::interval(SETTLE);
    ticks.tick().await;
    ticks.tick().await;
}

fn hops(driven: &[Driven]) -> Latency {
    Latency::of(driven.iter().flat_map(|driven| driven.hops.iter().copied()).collect())
}

/// Ours in units of theirs.
fn ratio(ours: &Figures, theirs: &Figures) -> Value {
    let of = |ours: f64, theirs: f64| round(ours / theirs.max(0.001));
    json!({
        "steps_per_second": of(ours.steps_per_second.median, theirs.steps_per_second.median),
        "hop_together_p50": of(ours.hop_together.p50_ms, theirs.hop_together.p50_ms),
        "hop_together_p99": of(ours.hop_together.p99_ms, theirs.hop_together.p99_ms),
        "hop_alone_p50": of(ours.hop_alone.p50_ms, theirs.hop_alone.p50_ms),
        "hop_alone_p99": of(ours.hop_alone.p99_ms, theirs.hop_alone.p99_ms),
        "cpu_ms_per_step": of(ours.cpu_ms_per_step_in_all, theirs.cpu_ms_per_step_in_all),
    })
}
