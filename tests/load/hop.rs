//! From an event to the trigger that follows from it, and where the time goes between.
//!
//! A line of stacks runs one after the other on an otherwise idle system. Runs last a moment, so
//! that a step ends by its webhook and not by the answer to its own trigger. The clock starts when
//! ingest has read the head of the webhook that says a run has finished, and stops when Spacelift
//! has accepted the trigger of the next stack.

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
    figures::Latency,
    store::Statement,
    system::{self, Ground, System},
    yardstick::{Fsync, fsync},
};

/// How long the apply of each run lasts.
const RUN_MS: u64 = 15;
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
    hops: usize,
    line_length: usize,
    /// From the webhook at ingest's door to the accepted trigger.
    door_to_trigger: Latency,
    /// From the event on the bus to the accepted trigger.
    bus_to_trigger: Latency,
    /// The medians in units of one fsync.
    door_to_trigger_in_fsyncs: f64,
    bus_to_trigger_in_fsyncs: f64,
    stages: Stages,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// The way in pieces.
#[derive(Debug, Serialize)]
struct Stages {
    /// Ingest: verify, read, commit, publish.
    ingest: Latency,
    /// The executor ends a step, commits, and asks about the next.
    executor_ends_step: Latency,
    /// The policies answer, committed.
    policy: Latency,
    /// The executor commits the intent, calls, and Spacelift takes it.
    executor_triggers: Latency,
}

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
    let system = System::whole(ground, account, pace).await?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watching = [
        tokio::spawn(watch_bus(system.bus.clone(), seen.clone())),
        tokio::spawn(watch_spacelift(system.simulator.control(), seen.clone())),
    ];
    // The first line warms connections, plans and caches, and does not count.
    run_line(&system, &seen, 0).await?;
    let mut yardstick = vec![fsync().await?];
    let mut stages = [const { Vec::new() }; 4];
    let (mut doors, mut buses) = (Vec::new(), Vec::new());
    for line in 1..=options.lines {
        run_line(&system, &seen, line).await?;
        let seen = std::mem::take(&mut *seen.lock().expect("no holder panics"));
        for place in 1..options.length {
            let times = seen.hop(&format!("s{line}-{place}"));
            let Some([door, reported, requested, decided, triggered]) = times else { continue };
            doors.push(between(door, triggered));
            buses.push(between(reported, triggered));
            let points = [door, reported, requested, decided, triggered];
            for (stage, pair) in stages.iter_mut().zip(points.windows(2)) {
                stage.push(between(pair[0], pair[1]));
            }
        }
        if line % 4 == 0 {
            yardstick.push(fsync().await?);
        }
    }
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    let mut flushes: Vec<f64> = yardstick.iter().map(|fsync| fsync.p50_ms).collect();
    flushes.sort_by(f64::total_cmp);
    let flush = flushes[flushes.len() / 2].max(0.001);
    let [ingest, ends, policy, triggers] = stages.map(Latency::of);
    let (door_to_trigger, bus_to_trigger) = (Latency::of(doors), Latency::of(buses));
    let report = Report {
        hops: door_to_trigger.count,
        line_length: options.length,
        door_to_trigger_in_fsyncs: (door_to_trigger.p50_ms / flush).round(),
        bus_to_trigger_in_fsyncs: (bus_to_trigger.p50_ms / flush).round(),
        door_to_trigger,
        bus_to_trigger,
        stages: Stages { ingest, executor_ends_step: ends, policy, executor_triggers: triggers },
        fsync: yardstick,
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    };
    system.stop().await;
    Ok(report)
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
    fn hop(&self, stack: &str) -> Option<[DateTime<Utc>; 5]> {
        Some([
            *self.door.get(stack)?,
            *self.reported.get(stack)?,
            *self.requested.get(stack)?,
            *self.decided.get(stack)?,
            *self.triggered.get(stack)?,
        ])
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
                    self.requested.entry(about.stack.0).or_insert(now);
                }
            }
            Watched::Decided(decided) if decided.moment == Moment::BeforePlan => {
                if let Some(stack) = decided.stack {
                    self.decided.entry(stack.0).or_insert(now);
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

/// The stack after this one in its line.
fn next(stack: &str) -> Option<String> {
    let (line, place) = stack.rsplit_once('-')?;
    let place: usize = place.parse().ok()?;
    Some(format!("{line}-{}", place + 1))
}

fn between(earlier: DateTime<Utc>, later: DateTime<Utc>) -> Duration {
    (later - earlier).to_std().unwrap_or_default()
}
