//! From a change to its chain, in memory: beside a bare breadth-first search and topological sort
//! over the same graph in the same run.
//!
//! Each graph has a process of its own, so that what one of them leaves behind in memory is not
//! counted to the next.

use std::{
    collections::VecDeque,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use contracts::{
    ChainId, CommitSha, List, Outgoing, SpaceId, StackId,
    chain::{ChainKind, ChainPlanned},
    change::{Change, Paths},
};
use planner::{
    catalogue::{Dependency, Provider, Stack},
    known::Known,
    plan::{self, Plan, Request},
    texts::Texts,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    figures::{Latency, round},
    processes::resident,
};

/// Which graphs are measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many stacks they have.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    stacks: Vec<usize>,
    /// How many changes each of them is asked about.
    #[arg(long, default_value_t = 200)]
    changes: usize,
}

/// One graph, measured in a process of its own.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// How many stacks it has.
    stacks: usize,
    /// How its edges lie.
    #[arg(value_enum)]
    shape: Shape,
    /// How many changes it is asked about.
    changes: usize,
}

/// How the edges lie. All have five edges for each stack, as far as there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Teams of a hundred stacks, layered, and little between teams.
    Teams,
    /// Each stack waits for those just before it: chains as long as the account.
    Deep,
    /// A few stacks that half of the account waits for.
    Wide,
    /// Layers of ten, ten deep: everybody waits for five of those above, so that there are many ways
    /// from the top to the bottom.
    Diamonds,
}

const SHAPES: [(&str, Shape); 4] = [
    ("teams", Shape::Teams),
    ("deep", Shape::Deep),
    ("wide", Shape::Wide),
    ("diamonds", Shape::Diamonds),
];
/// How wide a layer of diamonds is.
const LAYER: usize = 10;
const DEGREE: usize = 5;
/// One of so many changes is also told.
const TOLD: usize = 10;
const TEAM: usize = 100;
/// The allocator keeps for a second what was freed.
const GIVEN_BACK_AFTER: Duration = Duration::from_secs(3);

/// What was measured of one graph.
#[derive(Debug, Serialize)]
struct Figures {
    /// From the paths of a change to its chain, complete.
    plan: Latency,
    /// The part of it that is the graph's: who follows, in which order.
    graph: Latency,
    /// The bare search and sort.
    bare: Latency,
    /// How many steps a chain has, in the mean.
    steps_mean: usize,
    /// What a step costs, in the mean over all changes: what is touched counts, and not the account.
    plan_us_per_step: f64,
    /// The same of the bare search and sort.
    bare_us_per_step: f64,
    /// From the chain to the message as it is remembered and sent; of some of the changes.
    told: Latency,
    /// What a step costs there, in the mean.
    told_us_per_step: f64,
    /// What a stack takes in memory, with its edges, once the allocator has given back what the last
    /// chains took.
    bytes_per_stack: usize,
    /// The same just after those chains.
    bytes_per_stack_busy: usize,
    /// From the stacks to catalogue and graph.
    load_ms: f64,
}

pub(crate) fn measure(options: &Options) -> anyhow::Result<Value> {
    let mut report = serde_json::Map::new();
    for &count in &options.stacks {
        let mut sizes = serde_json::Map::new();
        for (name, _) in SHAPES {
            let mut own = Command::new(std::env::current_exe()?);
            own.args(["--json", "plan-one", &count.to_string(), name]);
            let output = own.arg(options.changes.to_string()).output()?;
            let trouble = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{count} stacks, {name}: {trouble}");
            sizes.insert(name.to_owned(), serde_json::from_slice(&output.stdout)?);
        }
        report.insert(count.to_string(), Value::Object(sizes));
    }
    Ok(json!(report))
}

/// What a process of its own measures.
pub(crate) fn measure_one(one: &One) -> anyhow::Result<Value> {
    let One { stacks: count, shape, changes } = *one;
    let mut dice = StdRng::seed_from_u64(count as u64);
    let parents: Vec<Vec<usize>> =
        (0..count).map(|stack| parents(stack, shape, &mut dice)).collect();
    let bare = Bare::new(&parents);
    let before = resident()?;
    // As the planner reads its tables: row by row, what stacks have in common kept once.
    let mut texts = Texts::default();
    let stacks = (0..count).map(|number| stack(number, &parents[number], &mut texts)).collect();
    drop(texts);
    let began = Instant::now();
    let known = Known::new(1, stacks);
    let load_ms = round(began.elapsed().as_secs_f64() * 1_000.0);
    let (mut whole, mut graph, mut floor, mut steps) = (vec![], vec![], vec![], 0);
    for _ in 0..changes {
        let touched = dice.random_range(0..count);
        let (took, found) = bare.ask(touched);
        floor.push(took);
        let (took, reached) = ask_graph(&known, touched);
        graph.push(took);
        let (took, planned) = ask(&known, touched)?;
        let planned = planned.steps.len();
        whole.push(took);
        ensure!(found == reached && reached == planned, "they do not agree");
        steps += planned;
    }
    let busy = resident()?.saturating_sub(before);
    let began = Instant::now();
    while began.elapsed() < GIVEN_BACK_AFTER {
        // Nothing depends on the last stack. A process that does nothing at all gives nothing back.
        ask(&known, count - 1)?;
        std::thread::park_timeout(GIVEN_BACK_AFTER / 100);
    }
    let bytes = resident()?.saturating_sub(before);
    let (mut messages, mut told) = (vec![], 0);
    for _ in 0..changes.div_ceil(TOLD) {
        let (_, planned) = ask(&known, dice.random_range(0..count))?;
        let began = Instant::now();
        let message = serde_json::to_vec(&Outgoing::new(&planned).body)?;
        messages.push(began.elapsed());
        std::hint::black_box(message);
        told += planned.steps.len();
    }
    let per_step = |times: &[Duration], steps: usize| {
        let all: Duration = times.iter().sum();
        round(all.as_secs_f64() * 1e6 / steps.max(1) as f64)
    };
    let (plan_us_per_step, bare_us_per_step) = (per_step(&whole, steps), per_step(&floor, steps));
    let told_us_per_step = per_step(&messages, told);
    Ok(serde_json::to_value(Figures {
        plan: Latency::of(whole),
        graph: Latency::of(graph),
        bare: Latency::of(floor),
        steps_mean: steps / changes.max(1),
        plan_us_per_step,
        bare_us_per_step,
        told: Latency::of(messages),
        told_us_per_step,
        bytes_per_stack: bytes / count.max(1),
        bytes_per_stack_busy: busy / count.max(1),
        load_ms,
    })?)
}

fn parents(stack: usize, shape: Shape, dice: &mut StdRng) -> Vec<usize> {
    let mut parents: Vec<usize> = match shape {
        Shape::Teams => {
            let first = stack - stack % TEAM;
            let own = (first..stack).len();
            let mut chosen: Vec<usize> =
                (0..DEGREE.min(own)).map(|_| first + dice.random_range(0..own)).collect();
            // Now and then somebody waits for the first stack of a team before.
            if first > 0 && dice.random_range(0..200) == 0 {
                chosen.push(dice.random_range(0..first / TEAM) * TEAM);
            }
            chosen
        }
        Shape::Deep => (1..=DEGREE).filter_map(|back| stack.checked_sub(back * back)).collect(),
        Shape::Diamonds => {
            let (block, layer) = (stack - stack % TEAM, stack % TEAM / LAYER);
            let above = block + layer.saturating_sub(1) * LAYER;
            let wanted = if layer == 0 { 0 } else { DEGREE };
            (0..wanted).map(|_| above + dice.random_range(0..LAYER)).collect()
        }
        Shape::Wide => {
            let hubs = stack.min(10);
            (0..DEGREE.min(hubs)).map(|_| dice.random_range(0..hubs)).collect()
        }
    };
    parents.sort_unstable();
    parents.dedup();
    parents
}

fn id(number: usize) -> String {
    format!("team-{:04}-stack-{number:06}", number / TEAM)
}

fn stack(number: usize, parents: &[usize], texts: &mut Texts) -> Stack {
    let on = |parent: &usize| Dependency {
        on: StackId(texts.text(&id(*parent))),
        references: List::default(),
    };
    let depends_on = parents.iter().map(on).collect();
    Stack {
        id: StackId(texts.text(&id(number))),
        name: id(number).into(),
        space: SpaceId(texts.text("production-01J8ZK4M7N2P5Q8R1S4T7V0W3X")),
        labels: texts.list(["env:production".to_owned(), format!("team:{}", number / TEAM)]),
        provider: Provider::Github,
        repository: texts.text("acme/infrastructure"),
        branch: texts.text("main"),
        project_root: format!("stacks/{}", id(number)).into(),
        globs: List::default(),
        autodeploy: false,
        disabled: false,
        depends_on,
        worker_pool: None,
        cloud_accounts: List::default(),
        settings: None,
    }
}

fn ask(known: &Known, touched: usize) -> anyhow::Result<(Duration, ChainPlanned)> {
    let change = Change {
        repository: "acme/infrastructure".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from("0".repeat(40)),
        previous: None,
        author: "ada".to_owned(),
        authors: Vec::new(),
        title: String::new(),
        url: None,
        pull_request: None,
    };
    let paths = Paths::All(vec![format!("stacks/{}/main.tf", id(touched))]);
    let (chain, kind) = (ChainId(Uuid::nil()), ChainKind::Deploy);
    let (change, paths, by_code, gone) = (&change, &paths, &[][..], &[][..]);
    let before = None;
    let request = Request { chain, kind, change, paths, by_code, gone, before, tag: false };
    let began = Instant::now();
    let plan = plan::propose(known, &request);
    let took = began.elapsed();
    let Plan::Planned(planned) = plan else { anyhow::bail!("no chain: {plan:?}") };
    Ok((took, planned))
}

fn ask_graph(known: &Known, touched: usize) -> (Duration, usize) {
    let began = Instant::now();
    let members = known.graph.downstream([touched], |_| true);
    let order = known.graph.order(&members);
    (began.elapsed(), order.map_or(0, |order| order.stacks.len()))
}

/// What a textbook would do: lists of children, a queue, counters.
struct Bare {
    children: Vec<Vec<u32>>,
}

impl Bare {
    fn new(parents: &[Vec<usize>]) -> Self {
        let mut children = vec![Vec::new(); parents.len()];
        for (child, parents) in parents.iter().enumerate() {
            for &parent in parents {
                children[parent].push(u32::try_from(child).unwrap_or(u32::MAX));
            }
        }
        Self { children }
    }

    fn ask(&self, touched: usize) -> (Duration, usize) {
        let began = Instant::now();
        let mut seen = vec![false; self.children.len()];
        let mut left = vec![0_u32; self.children.len()];
        let mut open = VecDeque::from([touched]);
        seen[touched] = true;
        while let Some(stack) = open.pop_front() {
            for &child in &self.children[stack] {
                left[child as usize] += 1;
                if !std::mem::replace(&mut seen[child as usize], true) {
                    open.push_back(child as usize);
                }
            }
        }
        let mut order = Vec::new();
        let mut ready = vec![touched];
        while let Some(stack) = ready.pop() {
            order.push(stack);
            for &child in &self.children[stack] {
                left[child as usize] -= 1;
                if left[child as usize] == 0 {
                    ready.push(child as usize);
                }
            }
        }
        (began.elapsed(), std::hint::black_box(order).len())
    }
}
