//! How late gates are woken when very many wait for the same second: a freeze ends, and each of them
//! is to be decided anew.
//!
//! The policy service runs as a process, with its broker and its database, and nothing else. What is
//! late is told by whoever waits: the pass of a gate as a subscriber hears of it, after the end of
//! the freeze.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::{
    ChainId, Envelope, GateId, Message, Outgoing,
    envelope::Cause,
    gate::{GateDecided, GateRequested, Moment, Outcome},
    subject,
};
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, interval_at};
use uuid::Uuid;

use crate::{
    figures::{Latency, round},
    policy,
    processes::Account,
    store::Statement,
    system::{self, Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

/// How long the last gate may be late before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many questions are handed to the broker before their receipts are awaited.
const AT_ONCE: usize = 500;

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many gates wait for the same second.
    #[arg(long, default_value_t = 10_000)]
    gates: usize,
    /// How many seconds there are at least to bring them all to where they wait.
    #[arg(long, default_value_t = 60)]
    lead: i64,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    gates: usize,
    /// From the end of the freeze until a subscriber hears that a gate passes.
    late: Latency,
    /// Gates that passed before the freeze ended.
    early: usize,
    /// CPU milliseconds each gate cost from there on, by process.
    cpu_ms_per_gate: BTreeMap<&'static str, f64>,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// Measures.
pub(crate) async fn measure(options: Options, statements: bool) -> anyhow::Result<Report> {
    let yardstick = vec![fsync().await?];
    let ground = Ground::start(statements).await?;
    let lead = TimeDelta::try_seconds(options.lead).context("--lead is too long")?;
    let minute = TimeDelta::minutes(1);
    let end = (Utc::now() + lead + minute).duration_trunc(minute)?;
    let mut setting = Setting::without_policies(system::lines(1, 1), simulator::Pace::zero());
    setting.policies = freeze(end);
    let system = System::start(ground, setting, &["policy"]).await?;
    let mut heard = system.bus.tail(&subject::events_of(GateDecided::TYPE)).await?;
    system.bus.flush().await?;
    ask(&system, 0..options.gates).await?;
    hold(&mut heard, options.gates, end).await?;
    let left = (end - Utc::now()).to_std().unwrap_or_default();
    interval_at(Instant::now() + left, PATIENCE).tick().await;
    let processes = system.processes();
    let before = Account::now(&processes);
    let passed = tokio::time::timeout(PATIENCE, pass(&mut heard, options.gates)).await;
    let passed =
        passed.with_context(|| format!("not all passed: {:#?}", system.complaints()))??;
    let spent = Account::now(&processes).since(&before).into_iter();
    let late = |at: &DateTime<Utc>| (*at - end).to_std().unwrap_or_default();
    let report = Report {
        gates: options.gates,
        late: Latency::of(passed.values().map(late).collect()),
        early: passed.values().filter(|at| **at < end).count(),
        cpu_ms_per_gate: spent
            .map(|(name, time)| (name, round(time / options.gates as f64)))
            .collect(),
        fsync: [yardstick, vec![fsync().await?]].concat(),
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    };
    drop(heard);
    system.stop().await;
    Ok(report)
}

fn freeze(end: DateTime<Utc>) -> String {
    format!(
        "freeze \"load\" {{\n  start    = \"2026-01-01\"\n  end      = \"{}\"\n  \
         timezone = \"UTC\"\n  reason   = \"all of them wait for its end\"\n}}\n",
        end.format("%Y-%m-%d %H:%M")
    )
}

/// Asks the gates of these numbers, each of a chain of its own.
pub(crate) async fn ask(system: &System, numbers: Range<usize>) -> anyhow::Result<()> {
    let requests: Vec<Envelope> = numbers.map(|number| asked(number as u128)).collect();
    for some in requests.chunks(AT_ONCE) {
        let sent = system.bus.send(some).await;
        system.bus.stored(sent).await?;
    }
    Ok(())
}

fn asked(number: u128) -> Envelope {
    let (gate, chain) = (Uuid::from_u128((1 << 64) | number), Uuid::from_u128((2 << 64) | number));
    let request = GateRequested {
        gate: GateId(gate),
        chain: ChainId(chain),
        moment: Moment::BeforePlan,
        ..policy::request(number)
    };
    let cause =
        Cause { id: chain, correlation: chain, trace: None, consumer: "load", now: Utc::now() };
    Outgoing::new(&request).answer(&cause, 0)
}

/// Waits until all wait.
async fn hold(
    heard: &mut (impl Stream<Item = Envelope> + Unpin),
    gates: usize,
    end: DateTime<Utc>,
) -> anyhow::Result<()> {
    let mut held = HashSet::new();
    while held.len() < gates {
        let left = (end - Utc::now()).to_std().unwrap_or_default();
        let Ok(event) = tokio::time::timeout(left, heard.next()).await else {
            bail!("the freeze ended when {} of {gates} gates waited: --lead longer", held.len());
        };
        let decided = read(event)?;
        ensure!(matches!(decided.outcome, Outcome::HoldUntil { .. }), "a gate does not wait");
        held.insert(decided.gate);
    }
    Ok(())
}

/// When each passes.
async fn pass(
    heard: &mut (impl Stream<Item = Envelope> + Unpin),
    gates: usize,
) -> anyhow::Result<HashMap<GateId, DateTime<Utc>>> {
    let mut passed = HashMap::with_capacity(gates);
    while passed.len() < gates {
        let event = heard.next().await;
        let now = Utc::now();
        let decided = read(event)?;
        if decided.outcome == Outcome::Pass {
            passed.entry(decided.gate).or_insert(now);
        }
    }
    Ok(passed)
}

fn read(event: Option<Envelope>) -> anyhow::Result<GateDecided> {
    let event = event.context("the broker is gone")?;
    Ok(GateDecided::upgrade(event.version, event.body)?)
}
