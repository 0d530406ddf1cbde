//! From an event to the trigger that follows from it, and where the time goes between.
//!
//! A line of stacks runs one after the other on an otherwise idle system. Runs last a moment, so
//! that a step ends by its webhook and not by the answer to its own trigger. The clock starts when
//! ingest has read the head of the webhook that says a run has finished, and stops when Spacelift
//! has accepted the trigger of the next stack.
//!
//! A policy speaks about every other line, so that its steps ask before their plans; the others
//! are cleared by the gate before their chain.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use contracts::{
    Envelope, Inbound,
    chain::ChainFinished,
    gate::{GateDecided, GateRequested, Moment},
    run::{RunReported, RunState},
};
use futures::StreamExt;
use serde::Serialize;
use simulator::{Control, JournalEvent, Pace};

use crate::{
    figures::{Latency, round},
    step_floor,
    store::Statement,
    system::{self, Ground, Setting, System, next},
    yardstick::{Fsync, fsync},
};

/// How long the apply of each run lasts.
const RUN_MS: u64 = 15;
/// How many events go through the floor beside each line, one after the other.
const FLOOR_EVENTS: u64 = 50;
/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many stacks stand in a line.
    #[arg(long, default_value_t = 50)]
    length: usize,
    /// How many lines run, one after the other.
    #[arg(long, default_value_t = 8)]
    lines: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { length: 50, lines: 8 }
    }
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    line_length: usize,
    /// No policy speaks about the steps.
    cleared: Hops,
    /// One does, and lets them pass.
    asked: Hops,
    /// The least that any such service must do between an event and a call, taken in between.
    floor: Latency,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// Hops of one kind.
#[derive(Debug, Serialize)]
struct Hops {
    /// From the webhook at ingest's door to the accepted trigger.
    door_to_trigger: Latency,
    /// From the event on the bus to the accepted trigger.
    bus_to_trigger: Latency,
    /// Its median in units of one fsync.
    bus_to_trigger_in_fsyncs: f64,
    /// Its median over that of the floor.
    bus_to_trigger_over_floor: f64,
    /// The same of the slowest hundredth.
    bus_to_trigger_over_floor_p99: f64,
    /// The way from the door in pieces.
    stages: Vec<Stage>,
}

/// A piece of the way.
#[derive(Debug, Serialize)]
struct Stage {
    name: &'static str,
    #[serde(flatten)]
    latency: Latency,
}

/// What hops are held against.
#[derive(Debug, Clone, Copy)]
struct Measures {
    /// Milliseconds of one fsync.
    flush: f64,
    floor: Latency,
}

/// What becomes of a webhook, in pieces: verified, read, committed, published; then the executor
/// ends the step, commits the intent for the next, calls, and Spacelift takes it.
const CLEARED: &[&str] = &["ingest", "executor"];
/// The same where the executor asks, and the policies answer in between.
const ASKED: &[&str] = &["ingest", "executor_ends_step", "policy", "executor_triggers"];

contracts::inbound! {
    /// What is watched.
    enum Watched {
        Reported(RunReported),
        Requested(GateRequested),
        Decided(GateDecided),
        Finished(ChainFinished),
    }
}

/// When each thing happened, by the stack it leads to.
#[derive(Debug, Default)]
struct Seen {
    door: HashMap<String, DateTime<Utc>>,
    reported: HashMap<String, DateTime<Utc>>,
    requested: HashMap<String, DateTime<Utc>>,
    decided: HashMap<String, DateTime<Utc>>,
    triggered: HashMap<String, DateTime<Utc>>,
    chains_finished: usize,
}

/// Measures.
pub(crate) async fn measure(options: Options, statements: bool) -> anyhow::Result<Report> {
    let ground = Ground::start(statements).await?;
    let account = system::lines(options.lines + 1, options.length);
    let pace = Pace { applying_ms: RUN_MS, ..Pace::zero() };
    let setting = Setting::new(account, pace, policy(options.lines));
    let system = System::whole(ground, setting).await?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watching = [
        tokio::spawn(watch_bus(system.bus.clone(), seen.clone())),
        tokio::spawn(watch_spacelift(system.simulator.control(), seen.clone())),
    ];
    // The first line warms connections, plans and caches, and does not count.
    run_line(&system, &seen, 0).await?;
    step_floor::run(&system, FLOOR_EVENTS, 1).await?;
    let mut floor = Vec::new();
    let mut yardstick = vec![fsync().await?];
    let mut ways: [Vec<Vec<DateTime<Utc>>>; 2] = [const { Vec::new() }; 2];
    for line in 1..=options.lines {
        run_line(&system, &seen, line).await?;
        let seen = std::mem::take(&mut *seen.lock().expect("no holder panics"));
        let places = 1..options.length;
        ways[line % 2].extend(
            places.filter_map(|place| seen.way(&format!("s{line}-{place}"), is_asked(line))),
        );
        if line % 4 == 0 {
            yardstick.push(fsync().await?);
        }
        floor.extend(step_floor::run(&system, FLOOR_EVENTS, 1).await?.times);
    }
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    let mut flushes: Vec<f64> = yardstick.iter().map(|fsync| fsync.p50_ms).collect();
    flushes.sort_by(f64::total_cmp);
    let flush = flushes[flushes.len() / 2].max(0.001);
    let measures = Measures { flush, floor: Latency::of(floor) };
    let [cleared, asked] = ways;
    let report = Report {
        line_length: options.length,
        cleared: Hops::of(&cleared, CLEARED, measures),
        asked: Hops::of(&asked, ASKED, measures),
        floor: measures.floor,
        fsync: yardstick,
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    };
    system.stop().await;
    Ok(report)
}

/// Whether the steps of a line ask before their plans.
fn is_asked(line: usize) -> bool {
    line % 2 == 1
}

/// A policy that speaks about every other line, and lets everything pass.
fn policy(lines: usize) -> String {
    let asked = (0..=lines).filter(|line| is_asked(*line)).map(|line| format!("\"s{line}-*\""));
    let stacks = asked.collect::<Vec<_>>().join(", ");
    format!(
        "policy \"always_open\" {{\n  match {{\n    stacks = [{stacks}]\n    \
         moment = [\"before_plan\"]\n  }}\n  schedule {{\n    allowed_hours = [\"0-24\"]\n  \
         }}\n}}\n"
    )
}

impl Hops {
    /// Of the times at the ends of these stages.
    fn of(
        ways: &[Vec<DateTime<Utc>>],
        stages: &'static [&'static str],
        measures: Measures,
    ) -> Self {
        let piece = |from: usize, to: usize| {
            Latency::of(ways.iter().map(|way| between(way[from], way[to])).collect())
        };
        let last = stages.len();
        let bus_to_trigger = piece(1, last);
        let stage = |(at, name): (usize, &&'static str)| Stage { name, latency: piece(at, at + 1) };
        Self {
            door_to_trigger: piece(0, last),
            bus_to_trigger_in_fsyncs: (bus_to_trigger.p50_ms / measures.flush).round(),
            bus_to_trigger_over_floor: over(bus_to_trigger.p50_ms, measures.floor.p50_ms),
            bus_to_trigger_over_floor_p99: over(bus_to_trigger.p99_ms, measures.floor.p99_ms),
            bus_to_trigger,
            stages: stages.iter().enumerate().map(stage).collect(),
        }
    }
}

/// Pushes to a line and waits until its chain has ended.
async fn run_line(system: &System, seen: &Mutex<Seen>, line: usize) -> anyhow::Result<()> {
    let finished = || seen.lock().expect("no holder panics").chains_finished;
    let before = finished();
    system.push(line).await?;
    let ended = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while finished() == before {
            ticks.tick().await;
        }
    };
    let late = || anyhow::anyhow!("line {line} did not end in time: {:#?}", system.complaints());
    tokio::time::timeout(PATIENCE, ended).await.map_err(|_| late())
}

impl Seen {
    /// The times of the hop that leads to a stack, if none is missing.
    fn way(&self, stack: &str, is_asked: bool) -> Option<Vec<DateTime<Utc>>> {
        let cleared = [&self.door, &self.reported, &self.triggered];
        let asked = [&self.door, &self.reported, &self.requested, &self.decided, &self.triggered];
        let points: &[&HashMap<_, _>] = if is_asked { &asked } else { &cleared };
        points.iter().map(|times| times.get(stack).copied()).collect()
    }

    fn note(&mut self, envelope: Envelope<Watched>, now: DateTime<Utc>) {
        match envelope.body {
            Watched::Reported(report) if report.state == RunState::Finished => {
                if let Some(next) = next(report.stack.as_str()) {
                    self.door.entry(next.clone()).or_insert(envelope.time);
                    self.reported.entry(next).or_insert(now);
                }
            }
            Watched::Requested(asked) if asked.moment == Moment::BeforePlan => {
                for about in asked.stacks {
                    self.requested.entry(about.stack.to_string()).or_insert(now);
                }
            }
            Watched::Decided(decided) if decided.moment == Moment::BeforePlan => {
                if let Some(stack) = decided.stack {
                    self.decided.entry(stack.to_string()).or_insert(now);
                }
            }
            Watched::Finished(_) => self.chains_finished += 1,
            _ => {}
        }
    }
}

async fn watch_bus(bus: bus::Bus, seen: Arc<Mutex<Seen>>) -> anyhow::Result<()> {
    let mut events = bus.tail(contracts::subject::EVENTS).await?;
    while let Some(envelope) = events.next().await {
        let now = Utc::now();
        if !Watched::TAKES.contains(&envelope.kind.as_str()) {
            continue;
        }
        if let Ok(envelope) = envelope.read::<Watched>() {
            seen.lock().expect("no holder panics").note(envelope, now);
        }
    }
    Ok(())
}

async fn watch_spacelift(spacelift: Control, seen: Arc<Mutex<Seen>>) -> anyhow::Result<()> {
    let mut last = 0;
    loop {
        let entry = spacelift
            .wait_for_entry(last, Duration::from_secs(600), |entry| {
                matches!(&entry.event, JournalEvent::Mutation(it) if it.name == "runTrigger" && it.accepted)
            })
            .await?;
        let now = Utc::now();
        last = entry.number;
        if let JournalEvent::Mutation(mutation) = entry.event {
            let stack = mutation.args["stack"].as_str().unwrap_or_default().to_owned();
            seen.lock().expect("no holder panics").triggered.entry(stack).or_insert(now);
        }
    }
}

fn over(value: f64, floor: f64) -> f64 {
    round(value / floor.max(0.001))
}

fn between(earlier: DateTime<Utc>, later: DateTime<Utc>) -> Duration {
    (later - earlier).to_std().unwrap_or_default()
}
