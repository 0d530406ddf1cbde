//! What was foretold, held against what really happened: `corpus/pushes.jsonl` is a history of
//! pushes with what the running planner made of each when it was recorded. Each is asked about
//! before it is pushed, and then pushed again.
//!
//! Where it is empty, a history is thrown with dice and recorded; where what happens is not what was
//! recorded, a new record lies beside it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::chain::{ChainPlanned, EdgeOrigin};
use serde::{Deserialize, Serialize};

use super::*;
use crate::what_if::{Answer, Outcome, tests::corpus::Dice};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/pushes.jsonl");
/// How many pushes are recorded.
const PUSHES: usize = 180;
const STACKS: u64 = 12;
const MODULES: u64 = 3;

/// A push: the files it writes, those it deletes, and what came of it, a line each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Push {
    files: BTreeMap<String, Option<String>>,
    came: Vec<String>,
}

/// Stacks with edges of every origin, whose code the pushes change.
fn account() -> Account {
    let id = |number: u64| format!("s{number}");
    let mut stacks: Vec<StackSeed> = (0..STACKS).map(|number| seed(&id(number))).collect();
    stacks[4].labels.push("depends-on:s1".to_owned());
    stacks[7].labels.push("depends-on:s4".to_owned());
    stacks[9].labels.push("stackly:on-tag=v*".to_owned());
    stacks[10].labels.push("stackly:supersede".to_owned());
    stacks[2].additional_project_globs = vec!["shared/*.json".to_owned()];
    let native = |child, parent| DependencySeed {
        stack: id(child),
        depends_on: id(parent),
        references: vec![ReferenceSeed::new("OUT", "TF_VAR_out")],
        ..DependencySeed::default()
    };
    Account { stacks, dependencies: vec![native(3, 0), native(6, 3)], ..Account::default() }
}

/// The code of a stack, as it is changed.
#[derive(Debug, Clone, Default)]
struct Code {
    folder: String,
    modules: BTreeSet<u64>,
    reads: BTreeSet<u64>,
    depends_on: BTreeSet<u64>,
    is_broken: bool,
    is_gone: bool,
    changes: u64,
}

impl Code {
    fn main(&self, number: u64) -> String {
        let mut text = format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"b\"\n    key = \"k/{number}\"\n  }}\n}}\n"
        );
        for module in &self.modules {
            text += &format!("module \"m{module}\" {{\n  source = \"../modules/m{module}\"\n}}\n");
        }
        for read in &self.reads {
            text += &format!(
                "data \"terraform_remote_state\" \"r{read}\" {{\n  backend = \"s3\"\n  config = \
                 {{\n    bucket = \"b\"\n    key = \"k/{read}\"\n  }}\n}}\n"
            );
        }
        text + &format!("# {}\n", self.changes)
    }

    fn said(&self, number: u64) -> String {
        let named: Vec<_> = self.depends_on.iter().map(|it| format!("\"s{it}\"")).collect();
        let depends_on = match named.is_empty() {
            true => String::new(),
            false => format!("  depends_on = [{}]\n", named.join(", ")),
        };
        let end = if self.is_broken { "" } else { "}\n" };
        format!("stack \"s{number}\" {{\n{depends_on}{end}")
    }

    /// Its files, nothing in them where it is gone.
    fn files(&self, number: u64) -> Vec<(String, Option<String>)> {
        let text = |text: String| (!self.is_gone).then_some(text);
        vec![
            (format!("{}/main.tf", self.folder), text(self.main(number))),
            (format!("{}/stackly.hcl", self.folder), text(self.said(number))),
        ]
    }
}

/// A history nobody has seen yet.
fn thrown() -> Vec<Push> {
    let mut dice = Dice::new(4);
    let mut codes: Vec<Code> = (0..STACKS)
        .map(|number| Code { folder: format!("s{number}"), ..Code::default() })
        .collect();
    let mut first: BTreeMap<_, _> =
        (0..STACKS).zip(&codes).flat_map(|(number, code)| code.files(number)).collect();
    let module = |number, change| {
        (format!("modules/m{number}/main.tf"), Some(format!("# module {number}, {change}\n")))
    };
    first.extend((0..MODULES).map(|number| module(number, 0)));
    let mut pushes = vec![Push { files: first, came: Vec::new() }];
    for change in 1..=PUSHES as u64 {
        let mut push = Push::default();
        for _ in 0..=dice.roll(2) {
            push.files.extend(changed(&mut dice, &mut codes, change));
            match dice.roll(12) {
                0 => push.files.extend([module(dice.roll(MODULES), change)]),
                1 => {
                    push.files.extend([("shared/zones.json".to_owned(), Some(change.to_string()))])
                }
                2 => push.files.extend([("README.md".to_owned(), Some(change.to_string()))]),
                _ => {}
            }
        }
        pushes.push(push);
    }
    pushes
}

/// One stack's code changes.
fn changed(dice: &mut Dice, codes: &mut [Code], change: u64) -> BTreeMap<String, Option<String>> {
    let number = dice.roll(STACKS);
    let code = &mut codes[usize::try_from(number).unwrap()];
    let before = code.files(number);
    code.changes = change;
    let toggle = |set: &mut BTreeSet<u64>, one: u64| {
        if !set.remove(&one) {
            set.insert(one);
        }
    };
    let earlier = dice.roll(number + 1);
    match dice.roll(20) {
        0..2 => toggle(&mut code.modules, dice.roll(MODULES)),
        2..4 if earlier < number => toggle(&mut code.reads, earlier),
        4..7 if earlier < number => toggle(&mut code.depends_on, earlier),
        // Perhaps in a circle, until it is taken back.
        7 => toggle(&mut code.depends_on, dice.roll(STACKS)),
        8 => code.is_broken = !code.is_broken,
        9 => code.is_gone = !code.is_gone,
        10 if !code.is_gone => code.folder = format!("moved/{change}"),
        _ => code.is_gone = false,
    }
    let mut files: BTreeMap<_, _> = before.into_iter().map(|(path, _)| (path, None)).collect();
    files.extend(code.files(number));
    files
}

/// What is held against each other: who runs, why and in which order, and what waits for what and why.
fn essence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ignored { reason } => format!("ignored: {}", reason.code),
        Outcome::Refused { reason } => {
            // Commits are others each time.
            let is_commit = |word: &&str| word.len() == 40;
            let words = reason.text.split(' ').filter(|word| !is_commit(word));
            format!("refused: {}: {}", reason.code, words.collect::<Vec<_>>().join(" "))
        }
        Outcome::Planned(chain) => {
            let ChainPlanned { kind, action, options, steps, edges, .. } = &**chain;
            let steps = steps.iter().map(|step| {
                let commit = if step.on_commit { "commit" } else { "head" };
                format!("{} ({}, {commit})", step.stack, step.why.code)
            });
            let edges = edges.iter().map(|edge| {
                let origins: Vec<_> = edge.origins.iter().map(origin).collect();
                format!("{} < {} ({})", edge.child, edge.parent, origins.join(" + "))
            });
            let steps: Vec<_> = steps.chain(edges).collect();
            let options = serde_json::to_value(options).unwrap();
            format!("{kind:?} {action} {options}: {}", steps.join(", "))
        }
    }
}

fn origin(origin: &EdgeOrigin) -> String {
    match origin {
        EdgeOrigin::Declared { file, line, .. } => format!("declared {file}:{line}"),
        EdgeOrigin::Inferred { file, line, .. } => format!("inferred {file}:{line}"),
        EdgeOrigin::Native { .. } => "native".to_owned(),
        EdgeOrigin::Label { label } => label.clone(),
        EdgeOrigin::Reversed { of } => format!("reversed {of}"),
    }
}

/// In an order of their own: the code that goes is told of at once, the push itself perhaps later.
fn essences<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<String> {
    let mut all: Vec<_> = outcomes.map(essence).collect();
    all.sort();
    all
}

/// Whether an event tells what became of the push itself, not of code that it took away.
fn is_of_push(event: &Envelope) -> bool {
    let is_about_code = ["stays_loose", "still_needed"];
    let code = event.body["reason"]["code"].as_str().unwrap_or_default();
    event.kind.starts_with("chain.")
        && event.body["action"] != "deregister"
        && !is_about_code.contains(&code)
}

/// A planner that is pushed to.
struct Pushed {
    running: Running,
    work: Work,
    head: String,
}

impl Pushed {
    /// What is foretold of a push, and what then came of it.
    async fn push(&mut self, push: &Push) -> [Vec<String>; 2] {
        let files: Vec<_> = push
            .files
            .iter()
            .map(|(path, text)| (&**path, text.as_deref().unwrap_or("")))
            .collect();
        let exists = |path: &str| self.work.path().join(path).exists();
        let files: Vec<_> =
            files.into_iter().filter(|(path, text)| !text.is_empty() || exists(path)).collect();
        let commit = self.work.commit(&files);
        let foretold = self.running.ask("plan", json!({ "commit": commit })).await.unwrap();
        let foretold: Answer = serde_json::from_value(foretold).unwrap();
        let pushed = silent(&self.head, &commit);
        let mut answers = self.running.answers().await;
        let story = self.running.publish(&pushed).await;
        while !is_of_push(&next(&mut answers).await) {}
        let question = json!({ "pushed": pushed, "event": story });
        let told = self.running.ask("reconsider", question).await.unwrap();
        let told: crate::reconsider::Reconsidered = serde_json::from_value(told).unwrap();
        self.head = commit;
        [
            essences(std::iter::once(&foretold.outcome).chain(&foretold.also)),
            essences(told.then.iter()),
        ]
    }
}

fn lines(pushes: &[Push]) -> String {
    pushes.iter().map(|push| serde_json::to_string(push).unwrap() + "\n").collect()
}

#[tokio::test]
async fn what_is_foretold_is_what_really_happened_in_a_recorded_history() {
    let recorded = std::fs::read_to_string(CORPUS).unwrap_or_default();
    let pushes: Vec<Push> = match recorded.is_empty() {
        true => thrown(),
        false => recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    };
    let work = Work::new();
    let files = pushes[0].files.iter().map(|(path, text)| (&**path, text.as_deref().unwrap()));
    let head = work.commit(&files.collect::<Vec<_>>());
    let (running, _folder) = Running::with_code(account(), &work, STACKS).await;
    let mut pushed = Pushed { running, work, head };

    let (mut record, mut wrong) = (vec![pushes[0].clone()], Vec::new());
    for (number, push) in pushes.iter().enumerate().skip(1) {
        let [foretold, came] = pushed.push(push).await;
        // Of what is recorded anew, there is nothing older to be held against.
        let recorded = if recorded.is_empty() { &came } else { &push.came };
        if foretold != *recorded {
            wrong.push(format!("{number}: {foretold:#?}\nbut: {recorded:#?}"));
        }
        record.push(Push { came, ..push.clone() });
    }
    pushed.running.stop().await;

    let text = lines(&record);
    if text != recorded {
        let beside = std::env::temp_dir().join("stackly-pushes.jsonl");
        std::fs::write(&beside, text).unwrap();
        let beside = beside.display();
        panic!("what happens is not what was recorded; cp {beside} {CORPUS}\n{wrong:#?}");
    }
    let asked = record.len() - 1;
    assert!(wrong.len() * 1_000 <= asked, "{} of {asked}: {}", wrong.len(), wrong[0]);
    let kinds = |kind: &str| {
        record.iter().flat_map(|it| &it.came).filter(|it| it.starts_with(kind)).count()
    };
    for kind in
        ["Deploy deliver", "Deploy deregister", "ignored: nothing_touched", "refused: cycle"]
    {
        assert!(kinds(kind) > 0, "a history without `{kind}` says little");
    }
}
