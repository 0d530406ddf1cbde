//! A service as the driver sees it: messages in, answers out, crashes, and what is due.

use std::sync::Arc;

use bus::Answers;
use chrono::{DateTime, Utc};
use contracts::{Code, Envelope, Inbound};
use uuid::Uuid;

use super::{
    node::{Failure, Node, Origin, Rig, Settled},
    violation::Violation,
};

/// What the driver does to a service, whatever it decides.
pub trait Service {
    fn consumer(&self) -> &'static str;
    fn takes(&self) -> &'static [&'static str];
    /// Decides and commits a batch of messages.
    fn handle(&mut self, batch: &[Arc<Envelope>], now: DateTime<Utc>) -> Settled;
    /// Wakes what is due; gives causes and answers.
    fn wake_due(&mut self, now: DateTime<Utc>) -> Vec<(Uuid, Answers)>;
    fn claim_due(&mut self, now: DateTime<Utc>);
    /// Whether a wake-up or a claim is due.
    fn due(&self, now: DateTime<Utc>) -> (bool, bool);
    fn next_due(&self) -> Option<DateTime<Utc>>;
    fn crash(&mut self);
    fn unpublished(&self) -> Vec<(Uuid, Answers)>;
    fn has_unpublished(&self) -> bool;
    fn published(&mut self, cause: Uuid);
    /// The broker has lost everything.
    fn forget_published(&mut self);
    /// What is left undone.
    fn undone(&self) -> Vec<String>;
    fn take_violations(&mut self) -> Vec<Violation>;
}

impl<R: Rig> Service for Node<R> {
    fn consumer(&self) -> &'static str {
        R::CONSUMER
    }

    fn takes(&self) -> &'static [&'static str] {
        R::Input::TAKES
    }

    fn handle(&mut self, batch: &[Arc<Envelope>], now: DateTime<Utc>) -> Settled {
        let mut results: Vec<Option<Result<Answers, Failure>>> = Vec::new();
        let mut arrivals = Vec::new();
        for envelope in batch {
            results.push(match Envelope::clone(envelope).read() {
                Ok(envelope) => {
                    arrivals.push((envelope, Origin::Message));
                    None
                }
                Err(error) => {
                    Some(Err(Failure::Reject { code: Code::Unreadable, text: error.to_string() }))
                }
            });
        }
        let mut settled = self.settle(arrivals, now).into_iter();
        let fill = |result: Option<_>| result.unwrap_or_else(|| settled.next().expect("one each"));
        results.into_iter().map(fill).collect()
    }

    fn wake_due(&mut self, now: DateTime<Utc>) -> Vec<(Uuid, Answers)> {
        self.wake(now)
    }

    fn claim_due(&mut self, now: DateTime<Utc>) {
        self.sweep(now);
    }

    fn due(&self, now: DateTime<Utc>) -> (bool, bool) {
        let wakeup = self.wakeups.values().any(|at| *at <= now);
        (wakeup, self.calls.values().any(|call| call.open && call.due_at <= now))
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        let calls = self.calls.values().filter(|call| call.open).map(|call| call.due_at);
        calls.chain(self.wakeups.values().copied()).min()
    }

    fn crash(&mut self) {
        self.claims.clear();
        self.results.clear();
        self.rig.restarted();
    }

    fn unpublished(&self) -> Vec<(Uuid, Answers)> {
        let rows = self.order.iter().map(|id| (id, &self.rows[id]));
        rows.filter(|(_, row)| !row.published).map(|(id, row)| (*id, row.answers.clone())).collect()
    }

    fn has_unpublished(&self) -> bool {
        self.rows.values().any(|row| !row.published)
    }

    fn published(&mut self, cause: Uuid) {
        if let Some(row) = self.rows.get_mut(&cause) {
            row.published = true;
        }
    }

    fn forget_published(&mut self) {
        for row in self.rows.values_mut() {
            row.published = row.answers.is_empty();
        }
    }

    fn undone(&self) -> Vec<String> {
        let calls = self.calls.values().filter(|call| call.open);
        let calls = calls.map(|call| format!("{}: call {}", R::CONSUMER, call.effect.kind));
        let rows = self.rows.values().filter(|row| !row.published);
        calls.chain(rows.map(|_| format!("{}: unpublished answers", R::CONSUMER))).collect()
    }

    fn take_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }
}
