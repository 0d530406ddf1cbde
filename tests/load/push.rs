//! From a push to its chain, in a monorepo that is mirrored: told over the bus, fetched, compared,
//! read, planned, committed, and told again.
//!
//! Beside it, in the same run, the floor: what the `git` program takes to fetch the same commit into
//! a bare repository and to name the files that differ.

use std::{
    fmt::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bus::Bus;
use chrono::Utc;
use clap::Args;
use contracts::{
    CommitSha, Envelope, Message,
    change::{Change, ChangePushed, Paths},
    subject,
};
use futures::StreamExt;
use serde_json::{Value, json};
use simulator::{Account, Simulator, StackSeed};
use stackly::system;
use tokio::{io::AsyncWriteExt, process::Command, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    figures::{Latency, round},
    processes,
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
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Value> {
    let work = tempfile::tempdir()?;
    let origin = work.path().join("origin.git");
    let commits = write(&origin, options).await?;
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
        steps += planned.with_context(|| format!("no chain: {:#}", answer.body))?;
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
    Ok(json!({
        "repository": { "stacks": options.stacks, "files": options.files, "edges": status["edges"] },
        "from_nothing_to_known_ms": round(cold.as_secs_f64() * 1000.0),
        "push_to_chain": Latency::of(times),
        "git_fetch_and_diff": Latency::of(floors),
        "steps_mean": steps / (commits.len() - 1).max(1),
        "memory_with_simulator": whole["this"],
    }))
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

/// The repository with its commits: all files, then one file of one stack after the other. All but
/// the first wait for being pushed.
async fn write(origin: &Path, options: &Options) -> anyhow::Result<Vec<String>> {
    git(None, &["init", "--quiet", "--bare", "--initial-branch", "main", &shown(origin)]).await?;
    let repository = Monorepo::new(options.stacks, options.files);
    let mut stream = String::from("commit refs/heads/later\n");
    stream.push_str("committer Ada <ada@acme.example> 1700000000 +0000\ndata 5\nfirst\n");
    for (path, text) in repository.contents() {
        let _ = write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    }
    for number in 0..options.pushes + WARM_UP {
        let path = format!("{}/main.tf", touch::folder(number * 7_919 % options.stacks));
        let text = format!("{}# {number}\n", repository.text(&path).unwrap_or_default());
        let _ = write!(
            stream,
            "commit refs/heads/later\ncommitter Ada <ada@acme.example> {} +0000\ndata 4\nmore\nM 100644 \
             inline {path}\ndata {}\n{text}\n",
            1_700_000_001 + number,
            text.len()
        );
    }
    let mut import = Command::new("git");
    import.arg("-C").arg(origin).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut import = import.spawn().context("git fast-import")?;
    let mut input = import.stdin.take().context("its input")?;
    input.write_all(stream.as_bytes()).await?;
    drop(input);
    ensure!(import.wait().await?.success(), "git fast-import failed");
    let commits = git(Some(origin), &["rev-list", "--reverse", "refs/heads/later"]).await?;
    let commits: Vec<String> = commits.lines().map(str::to_owned).collect();
    let first = commits.first().context("a commit")?;
    git(Some(origin), &["update-ref", "refs/heads/main", first]).await?;
    // What is pushed later is not there before it is.
    git(Some(origin), &["update-ref", "refs/hidden/later", "refs/heads/later"]).await?;
    git(Some(origin), &["update-ref", "-d", "refs/heads/later"]).await?;
    git(Some(origin), &["config", "transfer.hideRefs", "refs/hidden"]).await?;
    Ok(commits)
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
    let envelope = Envelope {
        id: Uuid::new_v4(),
        kind: ChangePushed::TYPE.to_owned(),
        version: ChangePushed::VERSION,
        key: pushed.key(),
        source: "/stackly/load".to_owned(),
        time: Utc::now(),
        correlation: Uuid::new_v4(),
        causation: None,
        trace: None,
        body: serde_json::to_value(pushed)?,
    };
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

async fn git(folder: Option<&Path>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    if let Some(folder) = folder {
        command.arg("-C").arg(folder);
    }
    command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().await.context("git cannot be run")?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
