//! What a changed file touches: a monorepo in memory, read, indexed, and asked.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use clap::Args;
use code::{Entry, Index, Kind, Reader, Tree, infer};
use serde_json::{Value, json};

use crate::{figures::Latency, history::Changed};

/// What the monorepo is like.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stacks
    #[arg(long, default_value_t = 5_000)]
    stacks: usize,
    /// Files, those of the stacks among them
    #[arg(long, default_value_t = 100_000)]
    files: usize,
    /// Changed files that are asked for, one at a time
    #[arg(long, default_value_t = 20_000)]
    changes: usize,
}

/// How many modules there are to a hundred stacks.
const MODULES_PER_HUNDRED: usize = 10;

/// A repository of many stacks, and of more that is none of ours.
pub(crate) struct Monorepo {
    stacks: usize,
    texts: HashMap<String, String>,
    entries: Vec<Entry>,
}

/// Where the code of a stack is.
pub(crate) fn folder(stack: usize) -> String {
    format!("team{}/stacks/s{stack}", stack % 50)
}

/// The stack that a stack reads the state of, and comes after.
pub(crate) fn above(stack: usize) -> Option<usize> {
    stack.checked_sub(50)
}

impl Monorepo {
    pub(crate) fn new(stacks: usize, files: usize) -> Self {
        let modules = (stacks * MODULES_PER_HUNDRED / 100).max(1);
        let mut texts = HashMap::new();
        texts.insert("stackly.hcl".to_owned(), "defaults { labels = [\"all\"] }\n".to_owned());
        for at in 0..stacks {
            let folder = folder(at);
            let above = above(at).map(|other| {
                format!(
                    "data \"terraform_remote_state\" \"up\" {{\n  backend = \"s3\"\n  config = {{\n    \
                     bucket = \"b\"\n    key = \"infra/s{other}\"\n  }}\n}}\n"
                )
            });
            let main = format!(
                "terraform {{\n  backend \"s3\" {{\n    bucket = \"b\"\n    key = \"infra/s{at}\"\n  }}\n}}\n\
                 module \"m\" {{\n  source = \"../../../modules/m{}\"\n}}\n{}",
                at % modules,
                above.unwrap_or_default(),
            );
            texts.insert(format!("{folder}/main.tf"), main);
            let stack = format!("stack \"s{at}\" {{ watch = [\"shared/s{at}/*.json\"] }}\n");
            texts.insert(format!("{folder}/stackly.hcl"), stack);
        }
        // Modules call each other five deep.
        for at in 0..modules {
            let call = (at % 5 != 0)
                .then(|| format!("module \"m\" {{\n  source = \"../m{}\"\n}}\n", at - 1));
            let main = format!("variable \"name\" {{}}\n{}", call.unwrap_or_default());
            texts.insert(format!("modules/m{at}/main.tf"), main);
        }
        let mut entries: Vec<Entry> =
            texts.iter().map(|(path, text)| Entry::file(path, text.len() as u64)).collect();
        let rest = files.saturating_sub(entries.len());
        let other = |at: usize| Entry::file(format!("src/d{}/f{at}.rs", at % 977), 100);
        entries.extend((0..rest).map(other));
        for (entry, at) in entries.iter_mut().zip(1..) {
            entry.content = Some(at);
        }
        Self { stacks, texts, entries }
    }

    /// One file of one stack, changed; which stack is as good as chance.
    pub(crate) fn change(&self, number: usize) -> Changed {
        let path = format!("{}/main.tf", folder(self.changed(number)));
        let text = format!("{}# {number}\n", self.text(&path).unwrap_or_default());
        Changed { path, text }
    }

    /// The stack of that change.
    fn changed(&self, number: usize) -> usize {
        number * 7_919 % self.stacks
    }

    /// That stack and all that come after it.
    pub(crate) fn touched(&self, number: usize) -> BTreeSet<usize> {
        let mut touched = BTreeSet::from([self.changed(number)]);
        // Whoever is above has the smaller number, so it is looked at before.
        for stack in 0..self.stacks {
            if above(stack).is_some_and(|above| touched.contains(&above)) {
                touched.insert(stack);
            }
        }
        touched
    }

    /// All files with what is in them.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| {
            let path = entry.path.as_str();
            (path, self.text(path).unwrap_or("// none of ours"))
        })
    }

    /// What is in a file of code.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }
}

impl Tree for Monorepo {
    fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = self.texts.get(path).map(|text| text.clone().into_bytes());
        text.ok_or_else(|| "no such file".to_owned())
    }
}

pub(crate) fn measure(options: &Options) -> anyhow::Result<Value> {
    let tree = Monorepo::new(options.stacks, options.files);
    let mut reader = Reader::default();
    let (repository, cold) = timed(|| reader.read(&tree, None));
    let (_, warm) = timed(|| reader.read(&tree, None));
    let (index, indexed) = timed(|| Index::of(&repository));
    let (inference, inferred) = timed(|| infer(&repository.subjects()));
    anyhow::ensure!(repository.faults().is_empty(), "{:?}", repository.faults());
    let files: Vec<&str> = tree
        .entries
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::File { .. }))
        .map(|entry| entry.path.as_str())
        .collect();
    // A stride that has nothing in common with the number of files comes past most of them.
    let changed = (0..options.changes).map(|at| files[at * 7_919 % files.len()]);
    let mut touched = 0;
    let times = changed.map(|path| {
        let (touches, time) = timed(|| index.touched([path]));
        touched += touches.len();
        time
    });
    let times: Vec<Duration> = times.collect();
    let milliseconds = |time: Duration| crate::figures::round(time.as_secs_f64() * 1000.0);
    Ok(json!({
        "repository": {
            "stacks": repository.stacks().len(),
            "files": tree.entries.len(),
            "edges": inference.edges.len(),
        },
        "reading": {
            "cold_ms": milliseconds(cold),
            "again_ms": milliseconds(warm),
            "index_ms": milliseconds(indexed),
            "edges_ms": milliseconds(inferred),
        },
        "one_changed_file": Latency::of(times),
        "stacks_touched": touched,
    }))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let done = work();
    (done, begin.elapsed())
}
