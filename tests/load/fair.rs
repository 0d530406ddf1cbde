//! Whether a small tenant waits longer beside a big one: two spaces, one of which pushes a hundred
//! times as much, under a limit of runs at once that the big one uses up by itself.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use harness::accounts;
use serde::Serialize;
use simulator::{Account, Control, JournalEntry, JournalEvent, Pace, RunState, SpaceSeed};
use tokio::sync::watch;

use crate::{
    figures::{Latency, Spread, round},
    store::Statement,
    system::{Ground, Setting, System},
    yardstick::{Fsync, fsync},
};

/// The tenants: the names of their spaces, and what their stacks are called.
const SMALL: &str = "small";
const BIG: &str = "big";
/// How many stacks the small one has; it pushes to them in turn.
const STACKS: usize = 4;
/// How many the big one has for each step that waits, so that none of them is waited for itself.
const STACKS_OF_THE_BIG: usize = 3;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often whoever feeds looks.
const LOOK: Duration = Duration::from_millis(2);

/// How it is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How often the big tenant pushes for each push of the small one; as many of its runs wait at
    /// any time.
    #[arg(long, default_value_t = 100)]
    ratio: usize,
    /// How often the small tenant pushes: alone, and then beside the big one.
    #[arg(long, default_value_t = 100)]
    samples: usize,
    /// How many runs may be at once.
    #[arg(long, default_value_t = 20)]
    places: usize,
    /// How many of them are kept free for spaces that have no run.
    #[arg(long, default_value_t = 1)]
    kept_free: usize,
    /// How many milliseconds a run takes; those of the big tenant in the mean.
    #[arg(long, default_value_t = 200)]
    run_ms: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    places: usize,
    kept_free: usize,
    run_ms: u64,
    /// From a push of the small tenant to its accepted trigger, with nobody else there.
    alone: Latency,
    /// The same beside the big one.
    beside: Latency,
    /// The 95th percentile beside the big one, in units of that alone. The mark is 2.
    p95_beside_per_alone: f64,
    /// How often the big one pushed for each push of the small one.
    pushes_of_the_big_for_one: f64,
    /// How many steps of the big one waited whenever the small one pushed.
    waiting_of_the_big: Spread,
    /// How many runs of the big one began each second.
    runs_of_the_big_per_second: f64,
    fsync: Vec<Fsync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<String>,
}

/// What Spacelift was seen to do.
struct Seen {
    /// How many runs of the big tenant began.
    begun: AtomicUsize,
    /// How many of the small one's began, and when the last did.
    triggered: watch::Sender<(usize, Instant)>,
    /// How many of the small one's ended.
    ended: watch::Sender<usize>,
}

/// Measures.
pub(crate) async fn measure(options: Options, statements: bool) -> anyhow::Result<Report> {
    let ground = Ground::start(statements).await?;
    let pace = Pace { applying_ms: options.run_ms, ..Pace::zero() };
    let limits = [
        ("EXECUTOR__LIMITS__ACCOUNT", options.places.to_string()),
        ("EXECUTOR__LIMITS__KEPT_FREE", options.kept_free.to_string()),
    ];
    let setting = Setting::without_policies(account(options.ratio), pace);
    let setting = limits.into_iter().fold(setting, Setting::with);
    let system = System::whole(ground, setting).await?;
    differ(&system, &options)?;
    let seen = Seen {
        begun: AtomicUsize::new(0),
        triggered: watch::channel((0, Instant::now())).0,
        ended: watch::channel(0).0,
    };
    let report = tokio::select! {
        watched = watch_spacelift(system.simulator.control(), &seen) => {
            watched.and_then(|()| anyhow::bail!("Spacelift is gone"))
        }
        report = compare(&system, &options, &seen) => report,
    };
    let report = report.with_context(|| format!("{:#?}", system.complaints()))?;
    system.stop().await;
    Ok(report)
}

fn account(ratio: usize) -> Account {
    let small = accounts::lines_named(SMALL, STACKS, 1);
    let mut all = accounts::lines_named(BIG, ratio * STACKS_OF_THE_BIG, 1);
    all.stacks.iter_mut().for_each(|stack| stack.space = BIG.into());
    all.stacks.extend(small.stacks.into_iter().map(|mut stack| {
        stack.space = SMALL.into();
        stack
    }));
    let space = |id: &str| SpaceSeed { id: id.into(), ..SpaceSeed::default() };
    all.spaces.extend([space(SMALL), space(BIG)]);
    all
}

/// Lets the runs of the big tenant take between half and one and a half times as long, each stack its
/// own time: runs of one length would all end at once, for ever, which none do in earnest.
fn differ(system: &System, options: &Options) -> anyhow::Result<()> {
    let control = system.simulator.control();
    let stacks = options.ratio * STACKS_OF_THE_BIG;
    for number in 0..stacks {
        // Neighbours, which are pushed to one after the other, differ most.
        let share = (number * 37 % 101) as u64;
        let applying_ms = options.run_ms / 2 + options.run_ms * share / 100;
        control.set_pace(&big(number), Pace { applying_ms, ..Pace::zero() })?;
    }
    Ok(())
}

/// A stack of the big tenant.
fn big(number: usize) -> String {
    format!("{BIG}{number}-0")
}

async fn compare(system: &System, options: &Options, seen: &Seen) -> anyhow::Result<Report> {
    // The first warm connections, plans and caches, and do not count.
    for number in 0..STACKS {
        wait(system, seen, number).await?;
    }
    let mut yardstick = vec![fsync().await?];
    let mut alone = Vec::with_capacity(options.samples);
    for number in 0..options.samples {
        alone.push(wait(system, seen, number).await?);
    }
    let pushed = AtomicUsize::new(0);
    let crowd = async {
        feed(system, options.ratio, seen, &pushed).await.context("the pushes of the big tenant")
    };
    let (beside, waiting, rate) = tokio::select! {
        fed = crowd => fed.and_then(|()| anyhow::bail!("the big tenant stopped pushing"))?,
        seen = amid(system, options, seen, &pushed) => seen?,
    };
    yardstick.push(fsync().await?);
    let (alone, beside) = (Latency::of(alone), Latency::of(beside));
    Ok(Report {
        places: options.places,
        kept_free: options.kept_free,
        run_ms: options.run_ms,
        alone,
        beside,
        p95_beside_per_alone: round(beside.p95_ms / alone.p95_ms.max(0.001)),
        pushes_of_the_big_for_one: round(
            pushed.load(Ordering::Relaxed) as f64 / options.samples.max(1) as f64,
        ),
        waiting_of_the_big: Spread::of(waiting),
        runs_of_the_big_per_second: round(rate),
        fsync: yardstick,
        statements: system.ground.statements().await?,
        complaints: system.complaints(),
    })
}

/// The waits of the small tenant amid the big one's, how many of the latter waited each time, and how
/// many began each second.
async fn amid(
    system: &System,
    options: &Options,
    seen: &Seen,
    pushed: &AtomicUsize,
) -> anyhow::Result<(Vec<Duration>, Vec<f64>, f64)> {
    let waiting =
        || pushed.load(Ordering::Relaxed).saturating_sub(seen.begun.load(Ordering::Relaxed));
    let (began, before) = (Instant::now(), seen.begun.load(Ordering::Relaxed));
    let (mut waits, mut crowds) = (Vec::new(), Vec::new());
    for number in 0..options.samples {
        let is_due = || {
            pushed.load(Ordering::Relaxed) >= options.ratio * (number + 1)
                && waiting() >= options.ratio / 2
        };
        let mut ticks = tokio::time::interval(LOOK);
        let due = async {
            while !is_due() {
                ticks.tick().await;
            }
        };
        let late = "the big tenant to have pushed enough";
        tokio::time::timeout(PATIENCE, due).await.context(late)?;
        crowds.push(waiting() as f64);
        waits.push(wait(system, seen, number).await?);
    }
    let begun = seen.begun.load(Ordering::Relaxed) - before;
    Ok((waits, crowds, begun as f64 / began.elapsed().as_secs_f64()))
}

/// Pushes to the big tenant's stacks, so that so many of their runs wait at any time.
async fn feed(
    system: &System,
    ratio: usize,
    seen: &Seen,
    pushed: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        let number = pushed.load(Ordering::Relaxed);
        if number - seen.begun.load(Ordering::Relaxed).min(number) >= ratio {
            ticks.tick().await;
            continue;
        }
        system.push_to(&big(number % (ratio * STACKS_OF_THE_BIG))).await?;
        pushed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Pushes to a stack of the small tenant; gives how long its run took to begin, once it has ended.
async fn wait(system: &System, seen: &Seen, number: usize) -> anyhow::Result<Duration> {
    let (mut triggered, mut ended) = (seen.triggered.subscribe(), seen.ended.subscribe());
    let (triggers, ends) = (triggered.borrow_and_update().0, *ended.borrow_and_update());
    let began = Instant::now();
    system.push_to(&format!("{SMALL}{}-0", number % STACKS)).await?;
    let run = async {
        let at = triggered.wait_for(|(count, _)| *count > triggers).await?.1;
        ended.wait_for(|count| *count > ends).await?;
        anyhow::Ok(at.saturating_duration_since(began))
    };
    tokio::time::timeout(PATIENCE, run).await.context("a run of the small tenant")?
}

/// Notes what Spacelift takes and ends.
async fn watch_spacelift(spacelift: Control, seen: &Seen) -> anyhow::Result<()> {
    let mut last = 0;
    loop {
        let entry = spacelift
            .wait_for_entry(last, Duration::from_secs(600), |entry| note(seen, entry))
            .await?;
        last = entry.number;
    }
}

/// Notes an entry; gives whether it is one of the small tenant's.
fn note(seen: &Seen, entry: &JournalEntry) -> bool {
    match &entry.event {
        JournalEvent::Mutation(it) if it.name == "runTrigger" && it.accepted => {
            if !it.args["stack"].as_str().unwrap_or_default().starts_with(SMALL) {
                seen.begun.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            seen.triggered.send_modify(|(count, at)| (*count, *at) = (*count + 1, Instant::now()));
            true
        }
        JournalEvent::Transition(it)
            if it.to == RunState::Finished && it.stack.starts_with(SMALL) =>
        {
            seen.ended.send_modify(|count| *count += 1);
            true
        }
        _ => false,
    }
}
