//! Which projects does a change touch, and in which order: what tools for monorepos of packages
//! answer to that, beside ours, over a repository of the same shape.
//!
//! Each is asked by its command, as a pipeline would ask it: the commit is there, and the clock
//! runs until the command has printed its answer and ended.

mod answer;
mod nx;
mod turbo;
mod workspace;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    beside,
    figures::{Latency, round},
    monorepo::{answer::Answer, nx::Nx, turbo::Turbo, workspace::Workspace},
};

/// Changes before the clock runs.
const WARM_UP: usize = 1;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether others are asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Peers {
    /// Afterwards ask Turborepo and Nx, too; npm fetches them the first time
    #[arg(long)]
    pub(crate) peers: bool,
    /// About how many changes each of them is asked
    #[arg(long, default_value_t = 5)]
    changes: usize,
}

/// Who can be asked.
#[derive(Debug, Clone, Copy)]
enum Who {
    Turbo,
    Nx,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Turbo => "turbo",
            Self::Nx => "nx",
        }
    }
}

/// One that takes questions.
enum Peer {
    Turbo(Turbo),
    Nx(Box<Nx>),
}

/// What came out for one of them.
#[derive(Debug, Serialize)]
struct Figures {
    command: String,
    /// From the commit to the printed answer.
    commit_to_answer: Latency,
    projects_mean: usize,
    answers: usize,
    answers_as_expected: usize,
    /// How each of the others differs from what is expected.
    mismatches: Vec<String>,
}

/// Asks each about the same changes, one after the other; `ours` is from a push to its chain.
pub(crate) async fn measure(
    options: &Peers,
    (stacks, files): (usize, usize),
    ours: Latency,
) -> anyhow::Result<Value> {
    let work = tempfile::tempdir()?;
    let workspace =
        Workspace::write(work.path(), (stacks, files), options.changes.max(1) + WARM_UP).await?;
    let mut told = json!({
        "repository": {
            "projects": stacks,
            "files": workspace.files,
            "edges": workspace.edges(),
        },
    });
    for who in [Who::Turbo, Who::Nx] {
        // Who cannot be had, or fails, is left out: what was measured before stays.
        match ask(who, &workspace, &beside::folder()).await {
            Ok(figures) => {
                told["ours_in_units_of_theirs"][who.name()] = ratio(ours, &figures);
                told[who.name()] = serde_json::to_value(&figures)?;
            }
            Err(error) => {
                let skipped = format!("{} was not measured: {error:#}", who.name());
                told[who.name()] = json!({ "skipped": skipped });
            }
        }
    }
    Ok(told)
}

/// Fetches and starts one, asks it, and ends it, however that goes.
async fn ask(who: Who, workspace: &Workspace, folder: &Path) -> anyhow::Result<Figures> {
    workspace.go_back().await?;
    let peer = match who {
        Who::Turbo => Peer::Turbo(Turbo::fetch(folder).await?),
        Who::Nx => Peer::Nx(Box::new(Nx::start(folder, workspace).await?)),
    };
    let told = answers(&peer, workspace).await;
    if let Peer::Nx(nx) = peer {
        nx.stop().await;
    }
    told
}

async fn answers(peer: &Peer, workspace: &Workspace) -> anyhow::Result<Figures> {
    let (mut times, mut projects, mut mismatches) = (Vec::new(), 0, Vec::new());
    for number in 0..workspace.changes() {
        workspace.take(number).await?;
        let mut question = peer.question(workspace);
        let began = Instant::now();
        let told = beside::answer_of(&mut question, peer.who().name());
        let told = tokio::time::timeout(PATIENCE, told).await.context("no answer")??;
        let took = began.elapsed();
        let answer = peer.read(&told)?;
        projects += answer.projects.len();
        if let Some(mismatch) = workspace.expected(number).mismatch(&answer) {
            mismatches.push(format!("change {number}: {mismatch}"));
        }
        if number >= WARM_UP {
            times.push(took);
        }
    }
    Ok(Figures {
        command: written(&peer.question(workspace)),
        commit_to_answer: Latency::of(times),
        projects_mean: projects / workspace.changes(),
        answers: workspace.changes(),
        answers_as_expected: workspace.changes() - mismatches.len(),
        mismatches,
    })
}

/// A command as one would type it.
fn written(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

impl Peer {
    fn who(&self) -> Who {
        match self {
            Self::Turbo(_) => Who::Turbo,
            Self::Nx(_) => Who::Nx,
        }
    }

    /// Which projects the newest commit touches.
    fn question(&self, workspace: &Workspace) -> Command {
        let mut command = match self {
            Self::Turbo(turbo) => turbo.question(),
            Self::Nx(nx) => nx.question(),
        };
        command.current_dir(&workspace.tree).envs(workspace.environment()).kill_on_drop(true);
        command
    }

    fn read(&self, told: &[u8]) -> anyhow::Result<Answer> {
        let answer = match self {
            Self::Turbo(_) => turbo::read(told),
            Self::Nx(_) => nx::read(told),
        };
        answer.with_context(|| format!("what {} told is not understood", self.who().name()))
    }
}

/// Ours in units of theirs.
fn ratio(ours: Latency, theirs: &Figures) -> Value {
    let of = |ours: f64, theirs: f64| round(ours / theirs.max(0.001));
    json!({
        "p50": of(ours.p50_ms, theirs.commit_to_answer.p50_ms),
        "slowest": of(ours.max_ms, theirs.commit_to_answer.max_ms),
    })
}
