//! What a seed is about: an account, its policies, and the changes that come in, with what must
//! follow from each by a plainer reckoning than the planner's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use chrono::DateTime;
use contracts::{
    CommitSha, List, Message, StackId, Text,
    change::{Change, ChangeProposed, ChangePushed, Paths},
};
use planner::{
    catalogue::{Dependency, Provider, Stack},
    known::Known,
};
use policy::library::Library;
use serde_json::Value;
use uuid::Uuid;

use super::dice::Dice;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Sets of policies; each is a folder of its own.
const POLICIES: &[&str] = &[
    "",
    "",
    r#"policy "four_eyes" {
         environment = "prod"
         approval {
           min_approvers = 2
           no_self_approval = true
         }
       }"#,
    r#"policy "somebody" {
         match { moment = ["before_plan", "before_apply"] }
         approval { min_approvers = 1 }
       }"#,
    r#"policy "frozen" {
         environment = "prod"
         deny { reason = "frozen" }
       }"#,
    r#"policy "hours" {
         match { moment = ["before_chain", "before_plan", "before_apply"] }
         schedule {
           allowed_hours = ["9-17"]
           allowed_days = ["MON-FRI"]
           timezone = "Europe/Berlin"
         }
       }"#,
    r#"policy "no_chain" {
         match {
           environment = "prod"
           moment = ["before_chain"]
         }
         deny { reason = "nothing goes near production" }
       }"#,
];

static LIBRARIES: LazyLock<Vec<Arc<Library>>> = LazyLock::new(|| {
    let open = |text: &&str| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("all.hcl"), text).expect("a policy is written");
        let opened = Library::open(folder.path(), DateTime::UNIX_EPOCH);
        Arc::new(opened.unwrap_or_else(|faults| panic!("{text}: {faults}")))
    };
    POLICIES.iter().map(open).collect()
});

/// What must follow from a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Runs on exactly these stacks.
    Planned(BTreeSet<StackId>),
    Ignored,
    Refused,
}

/// A change that comes in.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: Uuid,
    pub kind: &'static str,
    pub change: Change,
    pub body: Value,
    pub due: Due,
}

/// What a seed is about.
pub struct Scenario {
    pub stacks: Vec<Stack>,
    pub parents: BTreeMap<StackId, BTreeSet<StackId>>,
    pub library: Arc<Library>,
    pub arrivals: Vec<Arrival>,
    /// The account that is read first has no stacks yet.
    pub account_is_late: bool,
}

impl Scenario {
    pub fn new(dice: &mut Dice) -> Self {
        let (stacks, parents) = account(dice);
        let mut scenario = Self {
            stacks,
            parents,
            library: LIBRARIES[dice.below(LIBRARIES.len())].clone(),
            arrivals: Vec::new(),
            account_is_late: dice.chance(30),
        };
        for number in 0..=dice.below(3) {
            let arrival = scenario.arrival(number, dice);
            if dice.chance(15) {
                let id = Uuid::from_u64_pair(dice.throw(), dice.throw());
                scenario.arrivals.push(Arrival { id, ..arrival.clone() });
            }
            scenario.arrivals.push(arrival);
        }
        scenario
    }

    /// The account as it is.
    pub fn known(&self) -> Arc<Known> {
        Arc::new(Known::new(2, self.stacks.clone()))
    }

    fn arrival(&self, number: usize, dice: &mut Dice) -> Arrival {
        let preview = dice.chance(20);
        let (elsewhere, deleted) = (dice.chance(6), !preview && dice.chance(6));
        let touched: Vec<StackId> =
            self.stacks.iter().map(|it| it.id.clone()).filter(|_| dice.chance(35)).collect();
        let mut paths: Vec<_> = touched.iter().map(|it| format!("stacks/{it}/main.tf")).collect();
        paths.push("README.md".to_owned());
        let change = Change {
            repository: "acme/infra".to_owned(),
            branch: if elsewhere { "feature" } else { "main" }.to_owned(),
            commit: CommitSha(format!("{number:040x}")),
            previous: self.on_top_of(number).filter(|_| !preview),
            author: "ada".to_owned(),
            authors: Vec::new(),
            title: "A change".to_owned(),
            url: None,
            pull_request: preview.then_some(7),
        };
        let due = match elsewhere || deleted {
            true => Due::Ignored,
            false => self.follows(&touched),
        };
        let (kind, body) = if preview {
            let paths = Paths::All(paths);
            let proposed =
                ChangeProposed { change: change.clone(), paths, fork: false, updated_at: None };
            (ChangeProposed::TYPE, serde_json::to_value(proposed))
        } else {
            let (change, paths) = (change.clone(), Paths::All(paths));
            let pushed = ChangePushed { change, paths, deleted, tag: false, forced: false };
            (ChangePushed::TYPE, serde_json::to_value(pushed))
        };
        let id = Uuid::from_u64_pair(dice.throw(), dice.throw());
        Arrival { id, kind, change, body: body.expect("plain data"), due }
    }

    /// The second change is made on top of the first, which it may overtake.
    fn on_top_of(&self, number: usize) -> Option<CommitSha> {
        (number == 1).then(|| self.arrivals[0].change.commit.clone())
    }

    /// Everything downstream, unless it goes in a circle.
    fn follows(&self, touched: &[StackId]) -> Due {
        let mut members: BTreeSet<StackId> = touched.iter().cloned().collect();
        loop {
            let below = |stack: &&StackId| !self.parents[*stack].is_disjoint(&members);
            let more: Vec<_> = self.parents.keys().filter(below).cloned().collect();
            let before = members.len();
            members.extend(more);
            if members.len() == before {
                break;
            }
        }
        if members.is_empty() {
            return Due::Ignored;
        }
        let mut left = members.clone();
        while !left.is_empty() {
            let free = |stack: &&StackId| self.parents[*stack].is_disjoint(&left);
            let Some(next) = left.iter().find(free).cloned() else { return Due::Refused };
            left.remove(&next);
        }
        Due::Planned(members)
    }
}

impl Arrival {
    /// Whether it is a push on top of another one.
    pub fn is_on_top_of(&self, other: &Self) -> bool {
        self.kind == ChangePushed::TYPE
            && other.kind == ChangePushed::TYPE
            && self.change.branch == other.change.branch
            && self.change.previous.as_ref() == Some(&other.change.commit)
    }

    /// Arrivals that are one and the same change.
    pub fn same(&self) -> (&'static str, String, CommitSha) {
        (self.kind, self.change.branch.clone(), self.change.commit.clone())
    }
}

type Parents = BTreeMap<StackId, BTreeSet<StackId>>;

/// Stacks whose labels make a graph without circles, mostly.
fn account(dice: &mut Dice) -> (Vec<Stack>, Parents) {
    let size = 2 + dice.below(NAMES.len() - 1);
    let mut parents: Parents =
        NAMES[..size].iter().map(|name| ((*name).into(), BTreeSet::new())).collect();
    for (place, child) in NAMES[..size].iter().copied().enumerate() {
        for parent in NAMES[..place].iter().copied() {
            if dice.chance(30) {
                parents.entry(child.into()).or_default().insert(parent.into());
            }
        }
    }
    if dice.chance(20) {
        let (one, other) = (dice.below(size), dice.below(size));
        if one != other {
            parents.entry(NAMES[one].into()).or_default().insert(NAMES[other].into());
        }
    }
    // Spacelift refuses a circle of its own dependencies, so they lead from earlier names to later
    // ones alone.
    let native = if dice.chance(50) { 60 } else { 0 };
    let stack = |(id, parents): (&StackId, &BTreeSet<StackId>)| {
        let (natives, labelled): (Vec<_>, Vec<_>) =
            parents.iter().partition(|parent| *parent < id && dice.chance(native));
        let depends_on = natives.into_iter().map(|parent| {
            let hands_on = dice.chance(50).then(|| Text::from("OUT -> TF_VAR_in"));
            Dependency { on: parent.clone(), references: hands_on.into_iter().collect() }
        });
        let depends_on = depends_on.collect();
        let mut labels: Vec<_> = labelled.iter().map(|it| format!("depends-on:{it}")).collect();
        labels.push(if dice.chance(40) { "env:prod" } else { "env:test" }.to_owned());
        Stack {
            id: id.clone(),
            name: id.to_string().into(),
            space: "root".into(),
            labels: labels.into_iter().map(Text::from).collect(),
            provider: Provider::Github,
            repository: "acme/infra".into(),
            branch: "main".into(),
            project_root: format!("stacks/{id}").into(),
            globs: List::default(),
            autodeploy: dice.chance(50),
            disabled: false,
            depends_on,
            worker_pool: None,
            cloud_accounts: List::default(),
            settings: None,
        }
    };
    let stacks = parents.iter().map(stack).collect();
    (stacks, parents)
}
