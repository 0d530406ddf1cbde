//! Tests of policies, written in HCL beside them: given facts, and what should follow.
//!
//! ```hcl
//! test "nobody deploys at night" {
//!   given {
//!     now    = "2026-11-20T20:00:00Z"
//!     stack  = "net-prod"
//!     labels = ["env:prod"]
//!   }
//!   expect {
//!     outcome = "hold_until"
//!     until   = "2026-11-23T08:00:00Z"
//!     says    = "office_hours"
//!   }
//! }
//! ```

mod expect;

use std::path::Path;

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, CommitSha, GateId,
    chain::ChainKind,
    change::{Change, TouchedFiles},
    gate::{GateRequested, GateStack, Moment, PlannedChange, RecentFailure},
    run::Delta,
};
use expect::Expect;
use located::{Page, Section, Source};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    call::{Answer, Call},
    document::{File, read, scope::ACTIONS, times},
    evaluate::{Case, Crowd, Crowds, judge},
    fault::Faults,
    folder,
    model::{Cost, PolicySet, Silence},
    review::{Review, Word},
};

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Where it is written: `file:line`.
    pub place: String,
    /// What did not come as expected; empty if all did.
    pub wrong: Vec<String>,
    /// The answer the policies gave.
    pub said: Vec<String>,
}

/// A test as it was read.
struct Trial {
    name: String,
    place: String,
    request: GateRequested,
    reviews: Vec<Review>,
    calls: Vec<Call>,
    under_way: usize,
    asked_at: DateTime<Utc>,
    now: DateTime<Utc>,
    expect: Expect,
}

const MOMENTS: [(&str, Moment); 3] = [
    ("before_chain", Moment::BeforeChain),
    ("before_plan", Moment::BeforePlan),
    ("before_apply", Moment::BeforeApply),
];
const KINDS: [(&str, ChainKind); 2] =
    [("deploy", ChainKind::Deploy), ("preview", ChainKind::Preview)];
/// What may be given.
const GIVEN: [&str; 31] = [
    "now",
    "asked_at",
    "timezone",
    "moment",
    "kind",
    "action",
    "planned_at",
    "failed",
    "under_way",
    "stack",
    "stacks",
    "follows",
    "space",
    "labels",
    "path",
    "files",
    "autodeploy",
    "repository",
    "branch",
    "author",
    "authors",
    "title",
    "pull_request",
    "added",
    "changed",
    "deleted",
    "deleted_types",
    "cost_delta",
    "chain_size",
    "approvals",
    "rejections",
];

/// Runs the tests of a folder against its policies.
pub fn run(folder: &Path) -> Result<Vec<Ran>, Faults> {
    let set = read(&folder::files(folder)?)?;
    run_files(&set, &folder::tests(folder)?)
}

/// Runs the tests in these files.
pub fn run_files(set: &PolicySet, files: &[File]) -> Result<Vec<Ran>, Faults> {
    let (mut ran, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        let source = Source { file: &file.name, text: &file.text };
        let body = match located::parse(source) {
            Ok(body) => body,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let page = Page::new(source);
        let section = Section::whole(&page, &body);
        section.only(&[], &["test"]);
        let trials: Vec<Trial> = section.blocks("test").filter_map(|test| trial(&test)).collect();
        ran.extend(trials.iter().map(|trial| trial.run(set)));
        faults.extend(page.into_faults());
    }
    if faults.is_empty() { Ok(ran) } else { Err(Faults(faults)) }
}

fn trial(section: &Section<'_>) -> Option<Trial> {
    section.only(&[], &["given", "expect"]);
    let name = section.label("test")?;
    let (Some(given), Some(expected)) = (section.block("given"), section.block("expect")) else {
        section.fault("a test has a `given` and an `expect` block", "add the one that is missing");
        return None;
    };
    let zone = times::zone(&given)?;
    let now = times::instant(&given, "now", zone);
    let request = request(&given, (now, times::instant(&given, "planned_at", zone)))?;
    let Some(now) = now else {
        if given.span_of("now").is_none() {
            given.fault("a test says what time it is", "write `now = \"2026-11-20T20:00:00Z\"`");
        }
        return None;
    };
    let asked_at = times::instant(&given, "asked_at", zone).unwrap_or(now);
    let reviews = reviews(&given, now);
    let calls = costs(&given, now);
    let under_way = given.number("under_way").and_then(|it| usize::try_from(it).ok());
    let under_way = under_way.unwrap_or_default();
    let expect = Expect::read(&expected);
    let place = section.place();
    Some(Trial { name, place, request, reviews, calls, under_way, asked_at, now, expect })
}

type When = Option<DateTime<Utc>>;

/// The question, at the time that the test is about, with a plan that was shown at another.
fn request(given: &Section<'_>, (now, planned_at): (When, When)) -> Option<GateRequested> {
    given.only(&GIVEN, &[]);
    let moment = given.text("moment").and_then(|text| given.word("moment", &text, &MOMENTS));
    let kind = given.text("kind").and_then(|text| given.word("kind", &text, &KINDS));
    let labels: Vec<String> = given.texts("labels").into_iter().map(|(label, _)| label).collect();
    let mut names: Vec<String> = given.texts("stacks").into_iter().map(|(name, _)| name).collect();
    names.extend(given.text("stack").map(|(name, _)| name));
    let follow: Vec<String> = given.texts("follows").into_iter().map(|(name, _)| name).collect();
    names.extend(follow.iter().cloned());
    if names.is_empty() {
        names.push("a-stack".to_owned());
    }
    let stack = |name: &String| GateStack {
        stack: name.as_str().into(),
        space: text(given, "space", "root").as_str().into(),
        labels: labels.clone(),
        code_labels: Vec::new(),
        autodeploy: given.flag("autodeploy").unwrap_or(false),
        path: given.text("path").map(|(path, _)| path),
        follows: follow.contains(name),
    };
    let action = given.text("action").and_then(|text| given.word("action", &text, &ACTIONS));
    let (delta, changes) = plan(given);
    let chain_size = given.number("chain_size").and_then(|size| usize::try_from(size).ok());
    Some(GateRequested {
        gate: GateId(Uuid::nil()),
        chain: ChainId(Uuid::nil()),
        kind: kind.unwrap_or(ChainKind::Deploy),
        moment: moment.unwrap_or(Moment::BeforeApply),
        stacks: names.iter().map(stack).collect(),
        change: change(given),
        run: None,
        delta,
        changes,
        changes_more: 0,
        unread: None,
        files: files(given),
        steps: chain_size.or(Some(names.len())),
        plans: Vec::new(),
        differs: None,
        action: action.unwrap_or_default(),
        planned_at: planned_at.or(now),
        failures: failures(given, now),
        again: 0,
    })
}

fn text(given: &Section<'_>, key: &str, usual: &str) -> String {
    given.text(key).map_or_else(|| usual.to_owned(), |(text, _)| text)
}

fn change(given: &Section<'_>) -> Change {
    Change {
        repository: text(given, "repository", "acme/infra"),
        branch: text(given, "branch", "main"),
        commit: CommitSha("c0ffee".to_owned()),
        previous: None,
        author: text(given, "author", "somebody"),
        authors: given.texts("authors").into_iter().map(|(name, _)| name).collect(),
        title: text(given, "title", "a change"),
        url: None,
        pull_request: given.number("pull_request"),
    }
}

/// Stacks that failed a moment ago; they have the labels of those that are asked about.
fn failures(given: &Section<'_>, now: Option<DateTime<Utc>>) -> Vec<RecentFailure> {
    let failed = given.texts("failed").into_iter().map(|(stack, _)| RecentFailure {
        chain: ChainId(Uuid::nil()),
        stack: stack.as_str().into(),
        space: text(given, "space", "root").as_str().into(),
        labels: given.texts("labels").into_iter().map(|(label, _)| label).collect(),
        path: None,
        at: now.unwrap_or_default(),
    });
    failed.collect()
}

/// The files the change touches, if the test names any.
fn files(given: &Section<'_>) -> Option<TouchedFiles> {
    let files = given.texts("files");
    (!files.is_empty()).then(|| TouchedFiles::of(files.into_iter().map(|(file, _)| file)))
}

/// What the plan changes, if the test says anything about it.
fn plan(given: &Section<'_>) -> (Option<Delta>, Option<Vec<PlannedChange>>) {
    let count = |key: &str| given.number(key).and_then(|number| i64::try_from(number).ok());
    let (added, changed, deleted) = (count("added"), count("changed"), count("deleted"));
    let types: Vec<String> =
        given.texts("deleted_types").into_iter().map(|(kind, _)| kind).collect();
    let change = |kind: &String| PlannedChange {
        address: format!("{kind}.gone"),
        resource_type: kind.clone(),
        action: "deleted".to_owned(),
        stack: None,
    };
    let of_types = i64::try_from(types.len()).unwrap_or(i64::MAX);
    let says = added.or(changed).or(deleted).is_some() || !types.is_empty();
    let delta = says.then(|| Delta {
        added: added.unwrap_or(0),
        changed: changed.unwrap_or(0),
        deleted: deleted.unwrap_or(of_types),
    });
    (delta, (!types.is_empty()).then(|| types.iter().map(change).collect()))
}

fn reviews(given: &Section<'_>, now: DateTime<Utc>) -> Vec<Review> {
    let said = [("approvals", Word::Approve), ("rejections", Word::Reject)];
    let all = said.iter().flat_map(|(key, word)| {
        given.texts(key).into_iter().map(|(by, _)| (by, *word)).collect::<Vec<_>>()
    });
    let numbered = all.enumerate();
    numbered
        .map(|(number, (by, word))| Review {
            id: Uuid::from_u128(number as u128 + 1),
            by,
            groups: Vec::new(),
            word,
            note: None,
            at: now,
        })
        .collect()
}

/// The costs that a hook without a name told.
fn costs(given: &Section<'_>, now: DateTime<Utc>) -> Vec<Call> {
    let told = given.decimal("cost_delta").map(|cost| Call {
        hook: String::new(),
        asked_at: now,
        deadline: now,
        on_silence: Silence::Pass,
        answer: Some(Answer {
            pass: true,
            by: String::new(),
            text: None,
            cost_delta: Some(Cost::from(cost)),
            at: now,
        }),
    });
    told.into_iter().collect()
}

impl Trial {
    fn run(&self, set: &PolicySet) -> Ran {
        let crowds = Crowd::of_each(set, self.under_way);
        let case = Case {
            request: &self.request,
            reviews: &self.reviews,
            calls: &self.calls,
            crowds: Crowds::or_free(Some(&crowds)),
            asked_at: self.asked_at,
            now: self.now,
        };
        let verdict = judge(set, &case);
        Ran {
            name: self.name.clone(),
            place: self.place.clone(),
            wrong: self.expect.held_against(&verdict),
            said: verdict.reasons.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
