//! What the policies say to one gate: a pure function of the set, the question, the reviews and
//! the time.
//!
//! Every rule that applies is asked. A denial or a rejection outweighs everything, then the
//! latest window, then missing approvals; what is left passes. Nothing is hidden by that order:
//! every rule that has something to say leaves its reason, the weightiest first.

mod approval;
mod scope;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use contracts::{
    Code, Reason,
    gate::{GateRequested, Outcome},
};

use crate::{
    model::{OnViolation, PolicySet, Rule},
    review::{Review, newest},
    window::{self, Schedule, Window},
};
pub use approval::{Ineligible, Standing, standings};
use scope::{Asked, speaking};

/// What becomes of a gate, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why; the first says most. Never empty.
    pub reasons: Vec<Reason>,
}

/// Decides a gate. `reviews` are all that were given for it, in the order they were given.
pub fn decide(
    set: &PolicySet,
    request: &GateRequested,
    reviews: &[Review],
    now: DateTime<Utc>,
) -> Verdict {
    let mut said = Said::default();
    for asked in speaking(set, request) {
        let (name, subject) = (&asked.policy.name, &asked.subject);
        said.policies.push(name);
        match asked.rule {
            Rule::Deny { reason } => {
                said.deny(Code::PolicyDenied, format!("policy {name} denies {subject}: {reason}"));
            }
            Rule::Warn { reason } => said.warn(format!("policy {name} on {subject}: {reason}")),
            Rule::Window { schedule, on_violation } => {
                said.window(&asked, schedule, *on_violation, now);
            }
            // Counted below, where the reviews are.
            Rule::Approval(_) => {}
        }
    }
    for review in newest(reviews).into_iter().filter(|review| !review.approve) {
        let note = review.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let text = format!("{} rejected it{note}; push again to ask anew", review.by);
        said.deny(Code::Rejected, text);
    }
    said.standings = standings(set, request, reviews);
    said.verdict(now)
}

/// What was said so far, by weight.
#[derive(Default)]
struct Said<'a> {
    policies: Vec<&'a str>,
    denied: Vec<Reason>,
    queues: Vec<Queue<'a>>,
    standings: Vec<Standing<'a>>,
    warnings: Vec<Reason>,
}

/// A window that makes wait.
struct Queue<'a> {
    policy: &'a str,
    schedule: &'a Schedule,
    /// If it is closed, until when, and the sentence that says so.
    closed: Option<(DateTime<Utc>, String)>,
}

impl<'a> Said<'a> {
    fn deny(&mut self, code: Code, text: String) {
        self.denied.push(Reason::new(code, text));
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(Reason::new(Code::PolicyWarning, text));
    }

    fn window(
        &mut self,
        asked: &Asked<'a>,
        schedule: &'a Schedule,
        on_violation: OnViolation,
        now: DateTime<Utc>,
    ) {
        let (policy, subject) = (asked.policy.name.as_str(), &asked.subject);
        let until = match window::open(schedule, now) {
            Window::Open => None,
            Window::ClosedUntil(until) => Some((until, clock(until, schedule.zone))),
        };
        match (on_violation, until) {
            (OnViolation::Queue, until) => {
                let closed = until.map(|(until, opens)| {
                    let text = format!(
                        "policy {policy} holds {subject} until {opens} (open {schedule}); nothing \
                         to do, it is decided anew by itself then"
                    );
                    (until, text)
                });
                self.queues.push(Queue { policy, schedule, closed });
            }
            (OnViolation::Deny, Some((_, opens))) => {
                let text = format!(
                    "policy {policy} denies {subject} outside of {schedule}; push again from \
                     {opens} on"
                );
                self.deny(Code::PolicyDenied, text);
            }
            (OnViolation::Warn, Some(_)) => {
                self.warn(format!("policy {policy}: {subject} is outside of {schedule}"));
            }
            (OnViolation::Deny | OnViolation::Warn, None) => {}
        }
    }

    /// When all windows are open, if one of them is closed now.
    fn opening(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let closed = self.queues.iter().filter_map(|queue| queue.closed.as_ref());
        let latest = closed.map(|(until, _)| *until).max()?;
        let schedules = self.queues.iter().map(|queue| queue.schedule);
        let together = window::all_open(schedules, now);
        if together.is_none() {
            let names: Vec<&str> = self.queues.iter().map(|queue| queue.policy).collect();
            self.warn(format!(
                "the windows of policies {} are not open together within a month; widen one of \
                 them",
                names.join(", ")
            ));
        }
        // If they never are, it is asked again when the latest opens.
        Some(together.unwrap_or(latest))
    }

    fn verdict(mut self, now: DateTime<Utc>) -> Verdict {
        let opening = self.opening(now);
        let unmet = self.standings.iter().filter(|standing| !standing.is_met());
        let furthest = unmet.max_by_key(|standing| standing.needed - standing.given.len());
        let outcome = match (opening, furthest) {
            _ if !self.denied.is_empty() => Outcome::Deny,
            (Some(until), _) => Outcome::HoldUntil { until },
            (None, Some(standing)) => {
                Outcome::HoldForApprovals { given: standing.given.len(), needed: standing.needed }
            }
            (None, None) => Outcome::Pass,
        };
        Verdict { outcome, reasons: self.reasons() }
    }

    fn reasons(mut self) -> Vec<Reason> {
        let mut reasons = self.denied;
        let closed = self.queues.into_iter().filter_map(|queue| queue.closed);
        reasons.extend(closed.map(|(_, text)| Reason::new(Code::WindowClosed, text)));
        // What is missing before what is there.
        self.standings.sort_by_key(Standing::is_met);
        reasons.extend(self.standings.iter().map(Standing::reason));
        if reasons.is_empty() {
            self.policies.dedup();
            let text = match self.policies.as_slice() {
                [] => "no policy matches".to_owned(),
                [one] => format!("policy {one} has nothing against it"),
                many => format!("policies {} have nothing against it", many.join(", ")),
            };
            reasons.push(Reason::new(Code::Allowed, text));
        }
        reasons.extend(self.warnings);
        reasons
    }
}

/// An instant as people in its zone write it.
fn clock(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests;
