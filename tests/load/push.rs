//! From a push to its chain, in a monorepo that is mirrored: told over the bus, fetched, compared,
//! read, planned, committed, and told again.
//!
//! Beside it, in the same run, the floor: what the `git` program takes to fetch the same commit into
//! a bare repository and to name the files that differ. After it, if asked for, other tools for
//! monorepos over a repository of the same shape.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bus::Bus;
use chrono::Utc;
use clap::Args;
use contracts::{
    CommitSha, Outgoing,
    change::{Change, ChangePushed, Paths},
    subject,
};
use futures::StreamExt;
use serde_json::{Value, json};
use simulator::{Account, Simulator, StackSeed};
use stackly::system;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    figures::{Latency, round},
    history::{History, git},
    monorepo, processes,
    system::Ground,
    touch::{self, Monorepo},
};

/// How long reading everything for the first time, or one push, may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pushes before the clock runs.
const WARM_UP: usize = 3;

/// What the monorepo is like.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stacks
    #[arg(long, default_value_t = 5_000)]
    stacks: usize,
    /// Files, those of the stacks among them
    #[arg(long, default_value_t = 100_000)]
    files: usize,
    /// Pushes, each of one changed file of one stack
    #[arg(long, default_value_t = 50)]
    pushes: usize,
    #[command(flatten)]
    beside: monorepo::Peers,
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Value> {
    let (mut report, push_to_chain) = ours(options).await?;
    if options.beside.peers {
        let shape = (options.stacks, options.files);
        report["beside"] = monorepo::measure(&options.beside, shape, push_to_chain).await?;
    }
    Ok(report)
}

/// The report, and from a push to its chain.
async fn ours(options: &Options) -> anyhow::Result<(Value, Latency)> {
    let work = tempfile::tempdir()?;
    let origin = work.path().join("origin.git");
    let (commits, touched) = write(&origin, options).await?;
    let ground = Ground::start(false).await?;
    let account = Account { stacks: stacks(options.stacks), ..Account::default() };
    let simulator = Simulator::start(simulator::Options::new(account)).await?;
    let (shutdown, mut running) = (CancellationToken::new(), JoinSet::new());
    let began = Instant::now();
    let database = ground.database("stackly").await?;
    let key = simulator.api_key();
    let environment = [
        ("STACKLY__BUS__URL", ground.nats.url()),
        ("STACKLY__STORE__URL", database),
        ("STACKLY__HEALTH__LISTEN", String::new()),
        ("PLANNER__SPACELIFT__ENDPOINT", simulator.url()),
        ("PLANNER__SPACELIFT__API_KEY_ID", key.id),
        ("PLANNER__SPACELIFT__API_KEY_SECRET", key.secret),
        ("PLANNER__SPACELIFT__REQUESTS_PER_SECOND", "1000".to_owned()),
        ("PLANNER__SPACELIFT__REQUESTS_BURST", "1000".to_owned()),
        ("PLANNER__GIT__FOLDER", work.path().join("mirrors").display().to_string()),
        ("PLANNER__GIT__URL", origin.display().to_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    system::start("planner", &environment, shutdown.clone(), &mut running)?;
    let bus = Bus::connect(&bus::Options::at(ground.nats.url(), ""), "load").await?;
    let status = known(&bus, options.stacks).await?;
    let cold = began.elapsed();
    let mut floor = Floor::new(work.path(), &origin).await?;
    let mut answers = bus.tail("stackly.evt.chain.>").await?;
    bus.flush().await?;
    let (mut times, mut floors, mut steps) = (Vec::new(), Vec::new(), 0);
    for (number, pair) in commits.windows(2).enumerate() {
        let [before, commit] = pair else { continue };
        git(Some(&origin), &["update-ref", "refs/heads/main", commit]).await?;
        let bare = floor.fetch(before, commit).await?;
        let began = Instant::now();
        publish(&bus, &pushed(before, commit)).await?;
        let answer = tokio::time::timeout(PATIENCE, answers.next()).await.context("no answer")?;
        let took = began.elapsed();
        let answer = answer.context("the bus is gone")?;
        let planned = answer.body["steps"].as_array().map(Vec::len);
        ensure!(planned == touched.get(number).copied(), "not the chain: {:#}", answer.body);
        steps += planned.unwrap_or_default();
        if number >= WARM_UP {
            times.push(took);
            floors.push(bare);
        }
    }
    shutdown.cancel();
    while let Some(ended) = running.join_next().await {
        ended?.1?;
    }
    simulator.stop().await;
    ground.stop().await;
    let whole = processes::memory(&vec![("this", std::process::id())]);
    let push_to_chain = Latency::of(times);
    let report = json!({
        "repository": { "stacks": options.stacks, "files": options.files, "edges": status["edges"] },
        "from_nothing_to_known_ms": round(cold.as_secs_f64() * 1000.0),
        "push_to_chain": push_to_chain,
        "git_fetch_and_diff": Latency::of(floors),
        "steps_mean": steps / (commits.len() - 1).max(1),
        "memory_with_simulator": whole["this"],
    });
    Ok((report, push_to_chain))
}

fn stacks(number: usize) -> Vec<StackSeed> {
    let seed = |at: usize| StackSeed {
        namespace: "acme".to_owned(),
        repository: "infra".to_owned(),
        branch: "main".to_owned(),
        project_root: Some(touch::folder(at)),
        ..StackSeed::new(&format!("s{at}"))
    };
    (0..number).map(seed).collect()
}

/// The repository with its commits: all files, then one file of one stack after the other. And how
/// many stacks each of these touches.
async fn write(origin: &Path, options: &Options) -> anyhow::Result<(Vec<String>, Vec<usize>)> {
    git(None, &["init", "--quiet", "--bare", "--initial-branch", "main", &shown(origin)]).await?;
    let repository = Monorepo::new(options.stacks, options.files);
    let pushes = 0..options.pushes + WARM_UP;
    let changes = pushes.clone().map(|number| repository.change(number));
    let commits = History::of(repository.contents()).then(changes).import(origin).await?;
    Ok((commits, pushes.map(|number| repository.touched(number).len()).collect()))
}

/// Waits until the code of all stacks was read.
async fn known(bus: &Bus, stacks: usize) -> anyhow::Result<Value> {
    let subject = subject::question("planner", "status");
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let search = async {
        loop {
            ticks.tick().await;
            if let Ok(Ok(status)) = bus.request(&subject, &Value::Null).await
                && status["with_code"].as_u64() == Some(stacks as u64)
            {
                return status;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.context("the code was not read in time")
}

fn pushed(before: &str, commit: &str) -> ChangePushed {
    let change = Change {
        repository: "acme/infra".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from(commit),
        previous: Some(CommitSha::from(before)),
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: "more".to_owned(),
        url: None,
        pull_request: None,
    };
    ChangePushed { change, paths: Paths::Unknown, deleted: false, tag: false, forced: false }
}

async fn publish(bus: &Bus, pushed: &ChangePushed) -> anyhow::Result<()> {
    let outgoing = Outgoing::new(pushed).within(Uuid::new_v4(), None);
    let envelope = outgoing.first("load", Uuid::new_v4(), Utc::now());
    let sent = bus.send(std::slice::from_ref(&envelope)).await;
    bus.stored(sent).await?;
    Ok(())
}

/// A bare repository that the `git` program fetches into.
struct Floor {
    folder: std::path::PathBuf,
}

impl Floor {
    async fn new(work: &Path, origin: &Path) -> anyhow::Result<Self> {
        let folder = work.join("floor.git");
        git(None, &["clone", "--quiet", "--bare", "--no-local", &shown(origin), &shown(&folder)])
            .await?;
        Ok(Self { folder })
    }

    async fn fetch(&mut self, before: &str, commit: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let refs = "+refs/heads/*:refs/heads/*";
        git(Some(&self.folder), &["fetch", "--quiet", "origin", refs]).await?;
        git(Some(&self.folder), &["diff-tree", "-r", "--name-only", before, commit]).await?;
        Ok(began.elapsed())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
