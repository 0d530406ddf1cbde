//! What is too large, too old, too unlucky, or too much at once.

use chrono::{DateTime, Utc};
use contracts::{Code, Reason, gate::Outcome};

use super::{Queue, Said};
use crate::{
    evaluate::{clock, crowd::Place, facts::Facts, limits, scope::Asked},
    model::{Limits, OnViolation},
    window::Calendar,
};

/// What is said of chains at once.
#[derive(Default)]
pub(super) struct Turn {
    /// The chain is one that a policy counts.
    is_counted: bool,
    /// Nothing else holds it.
    pub(super) is_next: bool,
    /// Where nobody has looked yet who comes before it.
    unseen: Option<Reason>,
    /// Too many come before it, so it waits.
    ahead: Vec<Reason>,
}

impl Turn {
    /// Whether it must wait for its turn, if nothing else holds it.
    pub(super) fn holds(&self) -> bool {
        self.unseen.is_some() || !self.ahead.is_empty()
    }

    /// Where the chain stands.
    pub(super) fn place(&self, outcome: &Outcome) -> Option<Place> {
        match outcome {
            _ if !self.is_counted => None,
            Outcome::Pass => Some(Place::Taken),
            Outcome::Deny => None,
            _ if !self.is_next => None,
            _ if self.unseen.is_some() => Some(Place::Unseen),
            _ => Some(Place::Waiting),
        }
    }

    /// Why it waits. That nobody has looked yet is worth a word only where nothing else is said.
    pub(super) fn reasons(&mut self) -> Vec<Reason> {
        let mut reasons = std::mem::take(&mut self.ahead);
        if self.is_next && reasons.is_empty() {
            reasons.extend(self.unseen.take());
        }
        reasons
    }
}

impl<'a> Said<'a> {
    /// What is too large, or too old.
    pub(super) fn limits(
        &mut self,
        asked: &Asked<'a>,
        (limits, on_violation): (&Limits, OnViolation),
        facts: &Facts<'_>,
    ) {
        let text = |what: String| format!("{} on {}: {what}", asked.policy.title(), asked.about);
        let warns = on_violation == OnViolation::Warn;
        for what in limits::exceeded(limits, &asked.about, facts) {
            match warns {
                true => self.warn(text(what)),
                false => self.barred.push(Reason::new(Code::LimitExceeded, text(what))),
            }
        }
        match limits::stale(limits, facts) {
            Some(Ok(due)) => self.alarms.push(due),
            Some(Err(what)) if warns => self.warn(text(what)),
            Some(Err(what)) => self.stale.push(Reason::new(Code::PlanStale, text(what))),
            None => {}
        }
    }

    /// As many chains as may be at once are under way, or nobody has looked.
    pub(super) fn crowd(&mut self, asked: &Asked<'a>, most: u64, on_violation: OnViolation) {
        self.turn.is_counted = true;
        let Some(crowd) = self.case.crowds.of(&asked.policy.name) else {
            let text = format!("{} counts the chains that come before it", asked.policy.title());
            self.turn.unseen = Some(Reason::new(Code::ChainsAhead, text));
            return;
        };
        let Some(crowd) = crowd.filter(|crowd| crowd.ahead() as u64 >= most) else { return };
        let text = format!(
            "{} on {}: {crowd}, and {most} may be under way at once",
            asked.policy.title(),
            asked.about
        );
        match on_violation {
            OnViolation::Warn => self.warn(text),
            OnViolation::Deny => self.barred.push(Reason::new(Code::ChainsAhead, text)),
            OnViolation::Queue => {
                let text = format!("{text}; it goes on by itself when its turn comes");
                self.turn.ahead.push(Reason::new(Code::ChainsAhead, text));
            }
        }
    }

    /// A budget of failures is spent: more of them are too long ago from then on.
    pub(super) fn spent(
        &mut self,
        asked: &Asked<'a>,
        (until, what): (DateTime<Utc>, String),
        on_violation: OnViolation,
    ) {
        let text = format!("{} on {}: {what}", asked.policy.title(), asked.about);
        match on_violation {
            OnViolation::Warn => self.warn(text),
            OnViolation::Deny => self.barred.push(Reason::new(Code::BudgetSpent, text)),
            OnViolation::Queue => {
                let at = clock(until, chrono_tz::Tz::UTC);
                let text = format!("{text}; it goes on at {at} if nothing else fails");
                let closed = Some((until, Reason::new(Code::BudgetSpent, text)));
                let calendar = Calendar::After(until);
                self.queues.push(Queue { policy: asked.policy, calendar, closed });
            }
        }
    }
}
