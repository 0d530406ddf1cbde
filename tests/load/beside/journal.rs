//! Driving chains, and reading from the simulator's journal how long everything took.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use simulator::{JournalEntry, JournalEvent, RunState};

use crate::{beside::contestant::Contestant, system::next};

/// How long all chains of one round may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// What was seen while chains ran.
pub(crate) struct Driven {
    /// From the first order to the end of the last run.
    pub(crate) took: Duration,
    /// From the end of each run to the trigger of the stack after it.
    pub(crate) hops: Vec<Duration>,
    /// How many triggers were accepted.
    pub(crate) triggers: usize,
}

/// Orders chains all at once, and waits until the last run of the last has ended.
pub(crate) async fn drive(
    contestant: &Contestant,
    lines: Vec<usize>,
    length: usize,
) -> anyhow::Result<Driven> {
    let spacelift = contestant.simulator().control();
    let before = spacelift.journal(0).last().map_or(0, |entry| entry.number);
    let steps = lines.len() * length;
    let began = Instant::now();
    let ordering = try_join_all(lines.iter().map(|line| contestant.order(*line, length)));
    let mut ended = 0;
    let waiting = spacelift.wait_for_entry(before, PATIENCE, |entry| {
        ended += usize::from(finished(entry).is_some());
        ended == steps
    });
    let waiting = async { waiting.await.context("not all runs ended in time") };
    tokio::try_join!(ordering, waiting)?;
    let took = began.elapsed();
    let driven = driven(&spacelift.journal(before), took);
    ensure!(
        driven.hops.len() == lines.len() * (length - 1),
        "{} hops were seen among {steps} steps",
        driven.hops.len()
    );
    Ok(driven)
}

/// The stack whose run ended well with this entry.
fn finished(entry: &JournalEntry) -> Option<&str> {
    match &entry.event {
        JournalEvent::Transition(it) if it.to == RunState::Finished => Some(&it.stack),
        _ => None,
    }
}

/// Reads what happened in so long.
pub(crate) fn driven(journal: &[JournalEntry], took: Duration) -> Driven {
    let mut ends: HashMap<String, i64> = HashMap::new();
    let (mut hops, mut triggers) = (Vec::new(), 0);
    for entry in journal {
        if let Some(next) = finished(entry).and_then(next) {
            ends.insert(next, entry.at_ms);
        }
        let JournalEvent::Mutation(mutation) = &entry.event else { continue };
        if mutation.name != "runTrigger" || !mutation.accepted {
            continue;
        }
        triggers += 1;
        let stack = mutation.args["stack"].as_str().unwrap_or_default();
        if let Some(end) = ends.remove(stack) {
            hops.push(Duration::from_millis((entry.at_ms - end).try_into().unwrap_or(0)));
        }
    }
    Driven { took, hops, triggers }
}
