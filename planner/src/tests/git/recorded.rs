//! What was foretold, held against what really happened: `corpus/pushes.jsonl` is a history of
//! pushes with what the running planner made of each when it was recorded, and `corpus/others.jsonl`
//! one in which they come in other ways: as pull requests, tags, merges, forced pushes and pushes to
//! a second branch, to and from which code moves. In `corpus/joined.jsonl` two pushes each wait for
//! their turn and are joined. Each is asked about before it comes, and then comes again.
//!
//! Where one is empty, a history is thrown with dice and recorded; where what happens is not what was
//! recorded, a new record lies beside it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::chain::{ChainPlanned, EdgeOrigin};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    reconsider::Reconsidered,
    what_if::{Answer, Outcome, tests::corpus::Dice},
};

/// How many pushes are recorded, how many that come in other ways, and how many among which are those
/// that are joined.
const PUSHES: u64 = 180;
const OTHERS: u64 = 160;
const JOINED: u64 = 80;
const STACKS: u64 = 12;
const MODULES: u64 = 3;

/// How a change comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// As a push.
    #[default]
    Pushed,
    /// As one to the other branch.
    PushedToNext,
    /// As one of a commit that merges.
    Merged,
    /// As one that takes so many commits of the branch back.
    Forced(usize),
    /// As a pull request.
    Proposed,
    /// As a tag of the head.
    Tagged(String),
    /// As two pushes that wait together, the first with one half of its files.
    Joined,
}

/// A change: the files it writes, those it deletes, and what came of it, a line each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Push {
    #[serde(default, skip_serializing_if = "is_pushed")]
    how: How,
    files: BTreeMap<String, Option<String>>,
    came: Vec<String>,
}

fn is_pushed(how: &How) -> bool {
    *how == How::Pushed
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

/// The code of all stacks before anything happens, and its files.
fn first() -> (Vec<Code>, BTreeMap<String, Option<String>>) {
    let codes: Vec<Code> = (0..STACKS)
        .map(|number| Code { folder: format!("s{number}"), ..Code::default() })
        .collect();
    let mut files: BTreeMap<_, _> =
        (0..STACKS).zip(&codes).flat_map(|(number, code)| code.files(number)).collect();
    files.extend((0..MODULES).map(|number| module(number, 0)));
    (codes, files)
}

fn module(number: u64, change: u64) -> (String, Option<String>) {
    (format!("modules/m{number}/main.tf"), Some(format!("# module {number}, {change}\n")))
}

/// A history nobody has seen yet.
fn thrown() -> Vec<Push> {
    let mut dice = Dice::new(4);
    let (mut codes, files) = first();
    let mut pushes = vec![Push { files, ..Push::default() }];
    for change in 1..=PUSHES {
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

/// A history in which most changes come as two pushes that wait together.
fn meeting() -> Vec<Push> {
    let mut dice = Dice::new(6);
    let (mut codes, files) = first();
    let mut pushes = vec![Push { files, ..Push::default() }];
    for change in 1..=JOINED {
        let how = if dice.roll(4) == 0 { How::Pushed } else { How::Joined };
        let changes = 2 + dice.roll(2);
        let files = (0..changes).flat_map(|_| changed(&mut dice, &mut codes, change)).collect();
        pushes.push(Push { how, files, came: Vec::new() });
    }
    pushes
}

/// The code of the stack `next`, which tracks the branch of that name. On `main` a block may name it.
fn code_of_next(is_there: bool, change: u64) -> BTreeMap<String, Option<String>> {
    let said = "stack \"next\" {\n  depends_on = [\"s1\"]\n  spacelift { stack = \"next\" }\n}\n";
    let files = [("main.tf", format!("# {change}\n")), ("stackly.hcl", said.to_owned())];
    let file = |(name, text): (&str, String)| (format!("next/{name}"), is_there.then_some(text));
    files.map(file).into()
}

/// A history of changes that come in other ways.
fn varied() -> Vec<Push> {
    let mut dice = Dice::new(5);
    let (codes, mut files) = first();
    files.extend(code_of_next(true, 0));
    let mut pushes = vec![Push { files, ..Push::default() }];
    // The code of `main` after each of its commits.
    let mut heads = vec![codes];
    for change in 1..=OTHERS {
        let how = match dice.roll(9) {
            0 => How::Tagged(format!("{}{change}", ["v", "x"][usize::from(dice.roll(4) == 0)])),
            1 | 2 => How::Proposed,
            3 => How::Merged,
            4 => How::Forced((1 + usize::from(dice.roll(2) == 0)).min(heads.len() - 1)),
            5 => How::PushedToNext,
            _ => How::Pushed,
        };
        if let How::Forced(back) = how {
            heads.truncate(heads.len() - back);
        }
        let mut codes = heads.last().unwrap().clone();
        let mut files = match how {
            How::Tagged(_) => BTreeMap::new(),
            How::PushedToNext => code_of_next(dice.roll(3) > 0, change),
            _ => changed(&mut dice, &mut codes, change),
        };
        // What cannot be read is refused by those who look at pull requests alone.
        for (number, code) in (0..).zip(&mut codes).filter(|(_, code)| code.is_broken) {
            code.is_broken = false;
            files.extend(code.files(number));
        }
        if matches!(how, How::Pushed | How::Merged | How::Forced(_)) {
            if dice.roll(4) == 0 {
                files.extend(code_of_next(dice.roll(2) == 0, change));
            }
            heads.push(codes);
        }
        pushes.push(Push { how, files, came: Vec::new() });
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

/// Whether an event tells what became of the change itself, not of code that it took away.
fn is_of_change(event: &Envelope) -> bool {
    let is_about_code = ["stays_loose", "still_needed"];
    let code = event.body["reason"]["code"].as_str().unwrap_or_default();
    Outcome::told(event).is_some()
        && event.body["action"] != "deregister"
        && !is_about_code.contains(&code)
}

/// A planner to whom changes come.
struct Pushed {
    running: Running,
    work: Work,
    /// The head of each branch.
    heads: BTreeMap<&'static str, String>,
    /// How many changes came.
    number: u64,
    _folder: tempfile::TempDir,
}

impl Pushed {
    async fn new(account: Account, first: &Push, branches: &[&'static str]) -> Self {
        let work = Work::new();
        let files = first.files.iter().map(|(path, text)| (&**path, text.as_deref().unwrap()));
        let head = work.commit(&files.collect::<Vec<_>>());
        let heads: BTreeMap<_, _> = branches.iter().map(|&name| (name, head.clone())).collect();
        work.git(&["checkout", "--quiet", "--detach"]);
        for name in branches {
            work.git(&["branch", "--force", name, &head]);
        }
        let stacks = account.stacks.len() as u64;
        let (running, folder) = Running::with_code(account, &work, stacks).await;
        Self { running, work, heads, number: 0, _folder: folder }
    }

    /// The commit of a change, which is the head of no branch that stacks track.
    fn commit(&self, push: &Push, head: &str) -> String {
        let base = match push.how {
            How::Forced(back) => format!("{head}~{back}"),
            _ => head.to_owned(),
        };
        self.work.git(&["checkout", "--quiet", "--detach", &base]);
        let files = push.files.iter().map(|(path, text)| (&**path, text.as_deref().unwrap_or("")));
        let exists = |path: &str| self.work.path().join(path).exists();
        let files: Vec<_> = files.filter(|(path, text)| !text.is_empty() || exists(path)).collect();
        let mut commit = self.work.commit(&files);
        if push.how == How::Merged {
            self.work.git(&["checkout", "--quiet", "--detach", head]);
            self.work.git(&["merge", "--quiet", "--no-ff", "--message", "merged", &commit]);
            commit = self.work.git(&["rev-parse", "HEAD"]);
        }
        self.work.git(&["branch", "--force", "topic", &commit]);
        commit
    }

    /// Two pushes that are told of while a pull request is read; gives the story of the second.
    async fn join(&self, first: &ChangePushed, second: &ChangePushed) -> Uuid {
        let pool = sqlx::PgPool::connect(self.running.config.store.url.expose_secret());
        let pool = pool.await.unwrap();
        wait_for(0, &pool).await;
        // Who reads code asks which of it was read last.
        let mut reading_rests = pool.begin().await.unwrap();
        let lock = "lock table planner.branches in access exclusive mode";
        sqlx::query(lock).execute(&mut *reading_rests).await.unwrap();
        let previous = first.change.previous.clone().unwrap();
        let change = Change {
            commit: previous,
            previous: None,
            pull_request: Some(self.number),
            ..first.change.clone()
        };
        let proposed =
            ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
        self.running.publish(&proposed).await;
        self.running.publish(first).await;
        let story = self.running.publish(second).await;
        wait_for(3, &pool).await;
        reading_rests.rollback().await.unwrap();
        story
    }

    /// What is foretold of a change, and what then came of it.
    async fn push(&mut self, push: &Push) -> [Vec<String>; 2] {
        self.number += 1;
        let branch = if push.how == How::PushedToNext { "next" } else { "main" };
        let head = self.heads[branch].clone();
        let between = match push.how {
            How::Joined => {
                let half = push.files.clone().into_iter().take(push.files.len() / 2);
                self.commit(&Push { files: half.collect(), ..Push::default() }, &head)
            }
            _ => head.clone(),
        };
        let commit = match push.how {
            How::Tagged(_) => head.clone(),
            _ => self.commit(push, &between),
        };
        let mut pushed = silent(&between, &commit);
        pushed.change.branch = branch.to_owned();
        pushed.forced = matches!(push.how, How::Forced(_));
        let mut answers = self.running.answers().await;
        let (foretold, story, mut question) = match &push.how {
            How::Proposed => {
                let mut change = pushed.change;
                (change.previous, change.pull_request) = (None, Some(self.number));
                let proposed =
                    ChangeProposed { change, paths: Paths::Unknown, fork: false, updated_at: None };
                let question = json!({ "proposed": proposed });
                let foretold = self.reconsidered(&question).await.now;
                (foretold, self.running.publish(&proposed).await, question)
            }
            How::Tagged(tag) => {
                (pushed.change.branch, pushed.change.previous) = (tag.clone(), None);
                pushed.tag = true;
                let foretold = self.foretold(json!({ "tag": tag })).await;
                (foretold, self.running.publish(&pushed).await, json!({ "pushed": pushed }))
            }
            how => {
                let foretold = self.foretold(json!({ "commit": commit, "branch": branch })).await;
                self.work.git(&["branch", "--force", branch, &commit]);
                self.heads.insert(branch, commit.clone());
                let story = match how {
                    How::Joined => self.join(&silent(&head, &between), &pushed).await,
                    _ => self.running.publish(&pushed).await,
                };
                (foretold, story, json!({ "pushed": pushed }))
            }
        };
        let mut joined = Vec::new();
        loop {
            let answer = next(&mut answers).await;
            if answer.body["reason"]["code"] == "joined" {
                joined.push(answer.body["change"]["commit"].clone());
            } else if is_of_change(&answer) && answer.body["change"]["commit"] == *commit {
                break;
            }
        }
        assert_eq!(joined, if push.how == How::Joined { vec![json!(between)] } else { vec![] });
        question["event"] = json!(story);
        let came = self.reconsidered(&question).await.then;
        [essences(foretold.iter()), essences(came.iter())]
    }

    async fn foretold(&self, question: Value) -> Vec<Outcome> {
        let answer = self.running.ask("plan", question).await.unwrap();
        let Answer { outcome, also } = serde_json::from_value(answer).unwrap();
        std::iter::once(outcome).chain(also).collect()
    }

    async fn reconsidered(&self, question: &Value) -> Reconsidered {
        let answer = self.running.ask("reconsider", question.clone()).await.unwrap();
        serde_json::from_value(answer).unwrap()
    }
}

/// Until so many changes wait.
async fn wait_for(count: i64, pool: &sqlx::PgPool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let waiting = "select coalesce(sum(waiting), 0) from planner.repositories";
    let wait = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await.unwrap() != count {
            ticks.tick().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, wait).await;
    assert!(in_time.is_ok(), "there are not {count} that wait");
}

fn lines(pushes: &[Push]) -> String {
    pushes.iter().map(|push| serde_json::to_string(push).unwrap() + "\n").collect()
}

/// Has the history in a file happen again, or one that is thrown; gives what happened.
async fn happens(
    file: &str,
    thrown: impl FnOnce() -> Vec<Push>,
    (account, branches): (Account, &[&'static str]),
) -> Vec<Push> {
    let corpus = format!("{}/corpus/{file}", env!("CARGO_MANIFEST_DIR"));
    let recorded = std::fs::read_to_string(&corpus).unwrap_or_default();
    let pushes: Vec<Push> = match recorded.is_empty() {
        true => thrown(),
        false => recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    };
    let mut pushed = Pushed::new(account, &pushes[0], branches).await;
    let (mut record, mut wrong) = (vec![pushes[0].clone()], Vec::new());
    for (number, push) in pushes.iter().enumerate().skip(1) {
        let [foretold, came] = pushed.push(push).await;
        // Of what is recorded anew, there is nothing older to be held against.
        let recorded = if recorded.is_empty() { &came } else { &push.came };
        if foretold != *recorded {
            let how = &push.how;
            wrong.push(format!("{number} ({how:?}): {foretold:#?}\nbut: {recorded:#?}"));
        }
        record.push(Push { came, ..push.clone() });
    }
    pushed.running.stop().await;

    let text = lines(&record);
    if text != recorded {
        let beside = std::env::temp_dir().join(format!("stackly-{file}"));
        std::fs::write(&beside, text).unwrap();
        let beside = beside.display();
        panic!("what happens is not what was recorded; cp {beside} {corpus}\n{wrong:#?}");
    }
    let asked = record.len() - 1;
    assert!(wrong.len() * 1_000 <= asked, "{} of {asked}: {}", wrong.len(), wrong[0]);
    record
}

#[tokio::test]
async fn what_is_foretold_is_what_really_happened_in_a_recorded_history() {
    let record = happens("pushes.jsonl", thrown, (account(), &["main"])).await;
    let kinds = |kind: &str| {
        record.iter().flat_map(|it| &it.came).filter(|it| it.starts_with(kind)).count()
    };
    for kind in
        ["Deploy deliver", "Deploy deregister", "ignored: nothing_touched", "refused: cycle"]
    {
        assert!(kinds(kind) > 0, "a history without `{kind}` says little");
    }
}

/// Who asks what would follow from the second means everything since the head of the branch.
#[tokio::test]
async fn what_is_foretold_of_pushes_that_are_joined_is_what_really_happened() {
    let record = happens("joined.jsonl", meeting, (account(), &["main"])).await;
    let came = |wanted: &str| {
        let joined = record.iter().filter(|it| it.how == How::Joined);
        joined.filter(|it| it.came.iter().any(|came| came.contains(wanted))).count()
    };
    let counts = ["(touched, commit)", "Deploy deregister", "refused: cycle"].map(came);
    assert!(counts[0] >= 40 && counts.iter().all(|count| *count > 0), "{counts:?} says little");
}

#[tokio::test]
async fn what_is_foretold_of_changes_that_come_in_other_ways_is_what_really_happened() {
    let mut account = account();
    account.stacks.push(StackSeed { branch: "next".to_owned(), ..seed("next") });
    let record = happens("others.jsonl", varied, (account, &["main", "next"])).await;
    let planned = |is_it: fn(&How) -> bool| {
        let those = record.iter().filter(|it| is_it(&it.how));
        those.filter(|it| it.came.iter().any(|came| came.contains(" (touched, "))).count()
    };
    let ways: [fn(&How) -> bool; 6] = [
        is_pushed,
        |how| *how == How::PushedToNext,
        |how| *how == How::Merged,
        |how| matches!(how, How::Forced(_)),
        |how| *how == How::Proposed,
        |how| matches!(how, How::Tagged(_)),
    ];
    let counts = ways.map(planned);
    assert!(counts.iter().all(|count| *count >= 3), "a history with {counts:?} says little");
}
