//! What the policies say to one gate: a pure function of the set, the question, the reviews and
//! the time.
//!
//! Every rule that applies is asked. A denial or a rejection outweighs everything, then the
//! latest window, then missing approvals, then chains that come before it, then hooks that have not
//! answered; what is left passes.
//! Nothing is hidden by that order: every rule that has something to say leaves its reason, the
//! weightiest first. Who breaks the glass passes over everything but a denial.

mod approval;
mod clearance;
mod crowd;
mod deregistration;
mod explain;
mod facts;
mod glass;
mod hooks;
mod limits;
mod said;
mod scope;
mod words;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use contracts::{
    Reason,
    gate::{GateRequested, Outcome},
};

use crate::{
    call::Call,
    model::{PolicySet, Silence},
    review::Review,
};
pub use approval::{Ineligible, Standing, may_reject, standings, unknown_to};
pub use clearance::clearance;
pub use crowd::{Comer, Crowd, Crowds, Place, crowds};
pub use explain::{Line, explain};
use facts::Facts;
pub use glass::allowed as may_break_glass;
use said::Said;

/// Everything the answer depends on besides the policies.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The question.
    pub request: &'a GateRequested,
    /// All that people said about it, in the order they said it.
    pub reviews: &'a [Review],
    /// The hooks that were asked.
    pub calls: &'a [Call],
    /// Who comes before it, where a policy counts chains.
    pub crowds: Crowds<'a>,
    /// When the question came.
    pub asked_at: DateTime<Utc>,
    /// When it came again though it had passed, because who asks had to wait.
    pub asked_again_at: Option<DateTime<Utc>>,
    /// What time it is.
    pub now: DateTime<Utc>,
}

impl<'a> Case<'a> {
    /// A question that comes now: nobody has said anything about it, no hook was asked, and no chain
    /// comes before it.
    pub fn new(request: &'a GateRequested, now: DateTime<Utc>) -> Self {
        let (crowds, asked_again_at) = (Crowds::FREE, None);
        Self { request, reviews: &[], calls: &[], crowds, asked_at: now, asked_again_at, now }
    }
}

/// What becomes of a gate, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why; the first says most. Never empty.
    pub reasons: Vec<Reason>,
    /// When time alone may change the answer.
    pub recheck: Option<DateTime<Utc>>,
    /// The hook that is to be asked now.
    pub ask: Option<Ask>,
    /// Where its chain stands, if a policy counts it.
    pub place: Option<Place>,
    /// Whether somebody broke the glass, or tried to and needs a second person.
    pub glass: Broken,
}

/// A hook that is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub hook: String,
    /// From when on silence counts.
    pub deadline: DateTime<Utc>,
    /// What it counts as.
    pub on_silence: Silence,
}

/// Whether the glass is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Broken {
    /// Nobody tried.
    #[default]
    No,
    /// One person did; another must as well.
    WantsSecond,
    /// It is.
    Yes,
}

/// When what holds has no end that time alone could bring.
pub fn never() -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(9999, 1, 1).expect("it is in the calendar");
    day.and_time(NaiveTime::MIN).and_utc()
}

/// Decides a gate that no hook was asked about, and that no chain comes before. `reviews` are all
/// that were given for it, in the order they were given.
pub fn decide(
    set: &PolicySet,
    request: &GateRequested,
    reviews: &[Review],
    now: DateTime<Utc>,
) -> Verdict {
    judge(set, &Case { reviews, ..Case::new(request, now) })
}

/// Decides a gate.
pub fn judge(set: &PolicySet, case: &Case<'_>) -> Verdict {
    let facts = Facts::of(case);
    let mut said = Said::new(set, case);
    for asked in scope::speaking(set, &facts) {
        said.hear(asked, &facts);
    }
    said.rejections();
    let glass = glass::glass(set, case, &facts);
    said.verdict(&glass)
}

fn span(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// An instant as people in its zone write it.
fn clock(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests;
