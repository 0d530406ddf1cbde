//! How soon work goes on after an executor is killed: with nobody else there and a new process
//! started at once, and with another executor alive.
//!
//! Lines of stacks run side by side with the leases and time-outs of production. Mid-way one
//! executor gets SIGKILL. The clock starts then, and stops for each line when Spacelift accepts its
//! next trigger: what the dead one had begun comes last.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;
use simulator::{JournalEntry, JournalEvent, Pace, RunState};

use crate::{
    figures::Latency,
    system::{self, Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

/// How long the lines may take to go on, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many lines run side by side.
    #[arg(long, default_value_t = 20)]
    lines: usize,
    /// How many stacks stand in each.
    #[arg(long, default_value_t = 40)]
    length: usize,
    /// How often an executor is killed in each setting.
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// How long the apply of each run lasts.
    #[arg(long, default_value_t = 15)]
    run_ms: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    lines: usize,
    kills: usize,
    /// Nobody else was there; a new process was started at once.
    new_process: Recovery,
    /// Another executor was alive.
    another_alive: Recovery,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// How soon work went on.
#[derive(Debug, Serialize)]
struct Recovery {
    /// From the kill to the next accepted trigger of any line.
    next_effect: Latency,
    /// From the kill to the next accepted trigger of each line.
    each_line: Latency,
    /// From the kill until every line had gone on.
    all_lines: Latency,
}

/// What was seen of one kill.
struct Seen(Vec<Duration>);

/// Measures.
pub(crate) async fn measure(options: Options) -> anyhow::Result<Report> {
    let ground = Ground::start(false).await?;
    let account = system::lines(options.lines, options.length);
    let pace = Pace { applying_ms: options.run_ms, ..Pace::zero() };
    let mut system = System::whole(ground, Setting::without_policies(account, pace)).await?;
    let mut yardstick = vec![fsync().await?];
    let mut alone = Vec::new();
    for _ in 0..options.kills {
        alone.push(kill(&mut system, &options, true).await?);
    }
    system.want_executors(2).await?;
    let mut beside = Vec::new();
    for _ in 0..options.kills {
        beside.push(kill(&mut system, &options, false).await?);
        system.start_again("executor");
    }
    yardstick.push(fsync().await?);
    let report = Report {
        lines: options.lines,
        kills: options.kills,
        new_process: Recovery::of(&alone),
        another_alive: Recovery::of(&beside),
        fsync: yardstick,
        complaints: system.complaints(),
    };
    system.stop().await;
    Ok(report)
}

/// Kills the first executor mid-way, watches how the lines go on, and waits for their ends.
async fn kill(system: &mut System, options: &Options, again: bool) -> anyhow::Result<Seen> {
    let spacelift = system.simulator.control();
    let began = spacelift.journal(0).last().map_or(0, |entry| entry.number);
    for line in 0..options.lines {
        system.push(line).await?;
    }
    let half = options.lines * options.length / 2;
    let mut triggers = 0;
    let midway = |entry: &JournalEntry| {
        triggers += usize::from(triggered(entry).is_some());
        triggers == half
    };
    spacelift.wait_for_entry(began, PATIENCE, midway).await.context("half of the steps")?;
    system.kill("executor").await;
    let killed = Instant::now();
    let journal = spacelift.journal(began);
    let last = journal.last().map_or(began, |entry| entry.number);
    if again {
        system.start_again("executor");
    }
    let mut open: BTreeSet<String> = (0..options.lines).map(|line| format!("s{line}")).collect();
    for (line, place) in journal.iter().filter_map(triggered) {
        if place + 1 == options.length {
            open.remove(&line);
        }
    }
    let mut times = BTreeMap::new();
    let going_on = |entry: &JournalEntry| {
        if let Some((line, _)) = triggered(entry)
            && open.remove(&line)
        {
            times.insert(line, killed.elapsed());
        }
        open.is_empty()
    };
    spacelift.wait_for_entry(last, PATIENCE, going_on).await.context("all lines to go on")?;
    let mut ends = 0;
    let all_ended = |entry: &JournalEntry| {
        let ended =
            matches!(&entry.event, JournalEvent::Transition(it) if it.to == RunState::Finished);
        ends += usize::from(ended);
        ends == options.lines * options.length
    };
    spacelift.wait_for_entry(began, PATIENCE, all_ended).await.context("all runs to end")?;
    Ok(Seen(times.into_values().collect()))
}

/// The line and the place in it that were triggered with this entry.
fn triggered(entry: &JournalEntry) -> Option<(String, usize)> {
    let JournalEvent::Mutation(mutation) = &entry.event else { return None };
    let accepted = mutation.name == "runTrigger" && mutation.accepted;
    let stack = mutation.args["stack"].as_str().filter(|_| accepted)?;
    let (line, place) = stack.rsplit_once('-')?;
    Some((line.to_owned(), place.parse().ok()?))
}

impl Recovery {
    fn of(seen: &[Seen]) -> Self {
        let each =
            |of: fn(&Seen) -> Option<Duration>| Latency::of(seen.iter().filter_map(of).collect());
        Self {
            next_effect: each(|it| it.0.iter().min().copied()),
            each_line: Latency::of(seen.iter().flat_map(|it| it.0.iter().copied()).collect()),
            all_lines: each(|it| it.0.iter().max().copied()),
        }
    }
}
