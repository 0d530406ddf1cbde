//! What would follow is what follows: over generated accounts and seeded changes, the answer to the
//! question is held against what the decider makes of the push.

use std::sync::Arc;

use chrono::DateTime;
use code::{MemoryTree, Repository, infer::facts_of};
use contracts::{
    CommitSha, Envelope, Message,
    change::{Change, ChangePushed, Paths},
};
use serde_json::{Value, json};
use store::Decider;
use uuid::Uuid;

use super::super::plan;
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Stack, tests::stack},
    config,
    decider::{Input, Planner},
    known::{Known, Shelf, Snapshot},
    memory::Memory,
    mirror::Mirrors,
};

const ACCOUNTS: u64 = 20;
const STACKS: u64 = 60;
const CHANGES: u64 = 100;

/// The same numbers at every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Puts things into another order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = usize::try_from(self.roll(last as u64 + 1)).unwrap();
            things.swap(last, other);
        }
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Now and then two stacks wait for each other: a change of them is refused.
    fn parent(&mut self, of: u64) -> u64 {
        if of == 0 || self.roll(400) == 0 { self.roll(STACKS) } else { self.roll(of) }
    }
}

fn id(number: u64) -> String {
    format!("s{number}")
}

/// Stacks with edges of every origin, over two repositories; some disabled, some with globs.
pub(crate) fn account(dice: &mut Dice) -> (Vec<Stack>, Vec<Blueprint>) {
    let (mut stacks, mut blueprints) = (Vec::<Stack>::new(), Vec::<Blueprint>::new());
    for number in 0..STACKS {
        let repository = ["acme/infra", "acme/apps"][usize::from(dice.roll(5) == 0)];
        let mut one = stack(&id(number)).made_from(repository, "main");
        let mut said = Blueprint { repository: repository.to_owned(), ..blueprint(&id(number)) };
        let mut code = format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"b\"\n    key = \"k/{number}\"\n  }}\n}}\n"
        );
        for _ in 0..dice.roll(3) {
            let parent = dice.parent(number);
            match dice.roll(4) {
                0 => one = one.after(&id(parent), &["A -> B"]),
                1 => one = one.label(&format!("depends-on:{}", id(parent))),
                2 => said = said.declares(&id(parent)),
                _ => code.push_str(&format!(
                    "data \"terraform_remote_state\" \"r{parent}\" {{\n  backend = \"s3\"\n  config = {{\n    \
                     bucket = \"b\"\n    key = \"k/{parent}\"\n  }}\n}}\n"
                )),
            }
        }
        match dice.roll(12) {
            0 => one = one.off(),
            1 => one = one.glob("shared/*.json"),
            2 => one = one.label("stackly:supersede"),
            3 => one = one.label("stackly:on-tag=v*"),
            _ => {}
        }
        let file = format!("{}/main.tf", id(number));
        let code = Repository::read(&MemoryTree::new([(file, code)]));
        said.facts = Some(Arc::new(facts_of(&code.subject_of(&id(number)))));
        stacks.push(one);
        if dice.roll(4) > 0 {
            blueprints.push(said);
        }
    }
    (stacks, blueprints)
}

fn paths(dice: &mut Dice) -> Vec<String> {
    let path = |dice: &mut Dice| match dice.roll(6) {
        0 => "docs/readme.md".to_owned(),
        1 => "shared/zones.json".to_owned(),
        2 => format!("{}/nested/file.tf", id(dice.roll(STACKS))),
        _ => format!("{}/main.tf", id(dice.roll(STACKS))),
    };
    (0..dice.roll(4)).map(|_| path(dice)).collect()
}

fn repository(dice: &mut Dice) -> &'static str {
    ["acme/infra", "acme/apps"][usize::from(dice.roll(5) == 0)]
}

fn pushed(repository: &str, paths: Vec<String>) -> ChangePushed {
    let change = Change {
        repository: repository.to_owned(),
        branch: "main".to_owned(),
        commit: CommitSha::from("0".repeat(40)),
        previous: None,
        author: "nobody".to_owned(),
        authors: Vec::new(),
        title: "what if".to_owned(),
        url: None,
        pull_request: None,
    };
    let paths = Paths::All(paths);
    ChangePushed { change, paths, deleted: false, tag: false, forced: false }
}

fn planner(known: Known) -> Planner {
    let shelf = Arc::new(Shelf::default());
    shelf.put(Snapshot { known: Arc::new(known), as_of: DateTime::UNIX_EPOCH });
    Planner {
        shelf,
        previews_from_forks: false,
        reads_code: false,
        validates: false,
        reports: Arc::default(),
    }
}

/// What follows from some pushes with what is known, whatever the number of its graph.
pub(crate) fn answers(known: Known) -> Vec<Value> {
    let (planner, mut dice) = (planner(known), Dice::new(1_000));
    let answer = |_| {
        let pushed = pushed(repository(&mut dice), paths(&mut dice));
        let mut answer = essence(follows(&planner, pushed));
        answer.as_object_mut().unwrap().remove("graph_version");
        answer
    };
    (0..CHANGES).map(answer).collect()
}

/// What the decider makes of the push, in the words of the question.
fn follows(planner: &Planner, pushed: ChangePushed) -> Value {
    let now = DateTime::UNIX_EPOCH;
    let (id, named) = (Uuid::from_u128(1), (ChangePushed::TYPE, String::new()));
    let input = Envelope::first("test", id, named, now, Input::Pushed(pushed))
        .within(Uuid::from_u128(2), None);
    let decision = planner.decide(&mut Memory::default(), &input, now).unwrap();
    let [answer] = decision.answers.as_slice() else { panic!("{:?}", decision.answers) };
    let mut body = answer.body.clone();
    body["outcome"] = json!(answer.kind.trim_start_matches("chain."));
    body
}

/// What is compared: everything but names that differ by their nature.
fn essence(mut answer: Value) -> Value {
    for name in ["chain", "change", "kind"] {
        answer.as_object_mut().unwrap().remove(name);
    }
    answer
}

fn mirrors(shelf: &Arc<Shelf>) -> Arc<Mirrors> {
    // Nothing is asked of it: the changed files are given.
    let pool = sqlx::PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
    Arc::new(Mirrors::new(config::Git::nowhere(), pool, shelf.clone()).unwrap())
}

#[tokio::test]
async fn what_would_follow_is_what_follows_over_a_seeded_corpus() {
    let (mut asked, mut wrong) = (0_u32, Vec::new());
    let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
    for seed in 1..=ACCOUNTS {
        let mut dice = Dice::new(seed);
        let (stacks, blueprints) = account(&mut dice);
        let planner = planner(Known::with_code(7, stacks, blueprints));
        let mirrors = mirrors(&planner.shelf);
        for _ in 0..CHANGES {
            let (repository, paths) = (repository(&mut dice), paths(&mut dice));
            let mut question = json!({ "repository": repository, "paths": paths });
            let mut pushed = pushed(repository, paths);
            if dice.roll(10) == 0 {
                let tag = ["v1", "nightly"][usize::from(dice.roll(4) == 0)];
                question = json!({ "repository": repository, "tag": tag });
                (pushed.change.branch, pushed.tag) = (tag.to_owned(), true);
                pushed.paths = Paths::Unknown;
            }
            let foretold = plan(mirrors.clone(), planner.shelf.clone(), question).await.unwrap();
            let came = essence(follows(&planner, pushed));
            asked += 1;
            *outcomes.entry(came["outcome"].to_string()).or_default() += 1;
            let foretold = essence(foretold);
            if foretold != came {
                wrong.push(format!("account {seed}: {foretold:#}\nbut: {came:#}"));
            }
        }
    }
    assert!(wrong.len() * 1_000 <= asked as usize, "{} of {asked}: {}", wrong.len(), wrong[0]);
    // A corpus in which nothing happens, or nothing is refused, would say little.
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert!(outcomes.values().all(|count| *count >= 10), "{outcomes:?}");
}

#[test]
fn the_same_follows_whatever_the_order_in_which_stacks_code_and_edges_come() {
    for seed in 1..=ACCOUNTS {
        let mut dice = Dice::new(seed);
        let (mut stacks, mut blueprints) = account(&mut dice);
        let wanted = answers(Known::with_code(1, stacks.clone(), blueprints.clone()));
        for version in 2..5 {
            dice.shuffle(&mut stacks);
            dice.shuffle(&mut blueprints);
            for stack in &mut stacks {
                dice.shuffle(&mut stack.depends_on);
                let mut labels = stack.labels.to_vec();
                dice.shuffle(&mut labels);
                stack.labels = labels.into();
            }
            for blueprint in &mut blueprints {
                dice.shuffle(&mut blueprint.edges);
            }
            let known = Known::with_code(version, stacks.clone(), blueprints.clone());
            assert_eq!(answers(known), wanted, "account {seed}");
        }
    }
}
