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
mod given;

use std::path::Path;

use chrono::{DateTime, Utc};
use contracts::gate::GateRequested;
use expect::Expect;
use located::{Page, Section, Source};
use serde::Serialize;

use crate::{
    call::Call,
    document::{File, read, times},
    evaluate::{Case, Crowd, Crowds, judge},
    fault::Faults,
    folder,
    model::PolicySet,
    review::Review,
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
    let request = given::request(&given, (now, times::instant(&given, "planned_at", zone)))?;
    let Some(now) = now else {
        if given.span_of("now").is_none() {
            given.fault("a test says what time it is", "write `now = \"2026-11-20T20:00:00Z\"`");
        }
        return None;
    };
    let asked_at = times::instant(&given, "asked_at", zone).unwrap_or(now);
    let reviews = given::reviews(&given, now);
    let calls = given::calls(&given, now);
    let under_way = given.number("under_way").and_then(|it| usize::try_from(it).ok());
    let under_way = under_way.unwrap_or_default();
    let expect = Expect::read(&expected);
    let place = section.place();
    Some(Trial { name, place, request, reviews, calls, under_way, asked_at, now, expect })
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
            asked_again_at: None,
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
