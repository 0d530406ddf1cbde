//! What waiting costs: thousands of chains that wait for a person at a gate, and a thousand whose
//! runs take hours, with nothing to do for any of them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use contracts::{
    Message,
    gate::{GateDecided, Outcome},
    subject,
};
use futures::{StreamExt, TryStreamExt, stream};
use harness::accounts;
use serde::Serialize;
use simulator::{JournalEvent, Pace};

use crate::{
    figures::round,
    processes::{Account, Memory, memory},
    system::{Ground, Setting, System},
};

/// How long the apply of each run lasts: longer than anybody looks.
const HOURS_MS: u64 = 8 * 3_600_000;
/// How many pushes are under way at once.
const PUSHES: usize = 32;
/// How long all chains may take to be where they wait.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long the system is left alone before it is looked at.
const SETTLE: Duration = Duration::from_secs(20);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many chains wait at gates.
    #[arg(long, default_value_t = 10_000)]
    waiting: usize,
    /// How many chains run at once.
    #[arg(long, default_value_t = 1_000)]
    running: usize,
    /// How many stacks are in each.
    #[arg(long, default_value_t = 1)]
    length: usize,
    /// For how many seconds it is looked at.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    waiting: usize,
    running: usize,
    /// While there was no chain at all.
    before: Rest,
    /// With all of them.
    with_all: Rest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// What a while of rest costs.
#[derive(Debug, Serialize)]
pub(crate) struct Rest {
    /// Of one core, in per cent.
    cpu_percent: BTreeMap<&'static str, f64>,
    memory: BTreeMap<&'static str, Memory>,
    /// Requests to Spacelift a second, by what each asked first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    api_calls_per_second: BTreeMap<String, f64>,
}

/// Measures.
pub(crate) async fn measure(options: Options) -> anyhow::Result<Report> {
    let mut account = accounts::lines_named("s", options.running, options.length);
    for stack in &mut account.stacks {
        stack.behaviour.pace = Some(Pace { applying_ms: HOURS_MS, ..Pace::zero() });
    }
    let waiting = accounts::lines_named("w", options.waiting, options.length);
    account.stacks.extend(waiting.stacks);
    let ground = Ground::start(false).await?;
    let setting = Setting::new(account, Pace::zero(), POLICY.to_owned());
    let system = System::whole(ground, setting).await?;
    let before = rest(&system, options.seconds).await;
    fill(&system, &options).await?;
    let with_all = rest(&system, options.seconds).await;
    let report = Report {
        waiting: options.waiting,
        running: options.running,
        before,
        with_all,
        complaints: system.complaints(),
    };
    system.stop().await;
    Ok(report)
}

const POLICY: &str = r#"
policy "hold" {
  match {
    stacks = ["w*"]
    moment = ["before_plan"]
  }
  approval { min_approvers = 1 }
}
"#;

/// Pushes to every line, and waits until each chain is where it waits.
async fn fill(system: &System, options: &Options) -> anyhow::Result<()> {
    let held = Arc::new(AtomicUsize::new(0));
    let mut gates = system.bus.tail(&subject::events_of(GateDecided::TYPE)).await?;
    system.bus.flush().await?;
    let counted = held.clone();
    let watching = tokio::spawn(async move {
        let mut seen = HashSet::new();
        while let Some(event) = gates.next().await {
            let decided = GateDecided::upgrade(event.version, event.body);
            let holds = |it: &GateDecided| matches!(it.outcome, Outcome::HoldForApprovals { .. });
            if let Ok(decided) = decided
                && holds(&decided)
                && seen.insert(decided.gate)
            {
                counted.store(seen.len(), Relaxed);
            }
        }
    });
    let lines = (0..options.running).map(|line| format!("s{line}"));
    let lines = lines.chain((0..options.waiting).map(|line| format!("w{line}")));
    let pushes = stream::iter(
        lines.map(|line| async move { system.push_to(&format!("{line}-0")).await.map(drop) }),
    );
    pushes.buffer_unordered(PUSHES).try_collect::<()>().await?;
    let filled = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while held.load(Relaxed) < options.waiting || triggers(system) < options.running {
            ticks.tick().await;
        }
    };
    let late = || format!("{} wait and {} run", held.load(Relaxed), triggers(system));
    tokio::time::timeout(PATIENCE, filled).await.with_context(late)?;
    watching.abort();
    ensure!(triggers(system) == options.running, "what is to wait at its gate ran");
    Ok(())
}

fn triggers(system: &System) -> usize {
    let journal = system.simulator.control().journal(0);
    let triggered = |event: &JournalEvent| matches!(event, JournalEvent::Mutation(it) if it.name == "runTrigger" && it.accepted);
    journal.iter().filter(|entry| triggered(&entry.event)).count()
}

/// Leaves the system alone, then looks at it for a while.
pub(crate) async fn rest(system: &System, seconds: u64) -> Rest {
    over(SETTLE).await;
    let processes = system.processes();
    let calls_before = system.simulator.control().calls();
    let before = Account::now(&processes);
    over(Duration::from_secs(seconds)).await;
    let spent = Account::now(&processes).since(&before);
    let percent = |milliseconds: f64| round(milliseconds / (seconds as f64 * 10.0));
    let calls = system.simulator.control().calls().into_iter().map(|(name, count)| {
        let since = count - calls_before.get(&name).copied().unwrap_or_default();
        (name, round(since as f64 / seconds as f64))
    });
    Rest {
        cpu_percent: spent.iter().map(|(name, time)| (*name, percent(*time))).collect(),
        memory: memory(&processes),
        api_calls_per_second: calls.filter(|(_, rate)| *rate > 0.0).collect(),
    }
}

/// Time itself is what is measured here.
async fn over(duration: Duration) {
    let mut ticks = tokio::time::interval(duration);
    ticks.tick().await;
    ticks.tick().await;
}
