//! The order in which one endpoint is told the events of one story.
//!
//! One at a time, so that a receiver reads them in the order in which they were decided, as long
//! as that costs nothing: when the first one is stuck or too many wait behind it, each goes by
//! itself. Receivers have the event's own time and id.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::webhook::Hook;

#[cfg(test)]
mod tests;

/// For how long the others wait for the first one.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How many wait at most; they are part of the stored state.
const WAITING_MAX: usize = 32;

/// The events of one story on their way to one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    first: Option<First>,
    waiting: VecDeque<Hook>,
}

/// The one under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct First {
    event: Uuid,
    since: DateTime<Utc>,
}

/// What is to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dispatch {
    /// The next in order.
    Next(Hook),
    /// Without waiting for its turn any longer.
    ByItself(Hook),
}

impl Queue {
    /// Another event.
    pub(crate) fn push(&mut self, hook: Hook, now: DateTime<Utc>) -> Vec<Dispatch> {
        if self.first.is_none() {
            return vec![self.start(hook, now)];
        }
        self.waiting.push_back(hook);
        self.release(now)
    }

    /// A delivery has ended, well or badly.
    pub(crate) fn concluded(&mut self, event: Uuid, now: DateTime<Utc>) -> Vec<Dispatch> {
        if self.first.take_if(|first| first.event == event).is_none() {
            return Vec::new();
        }
        self.waiting.pop_front().map(|hook| self.start(hook, now)).into_iter().collect()
    }

    /// Those that have waited long enough, if any.
    pub(crate) fn release(&mut self, now: DateTime<Utc>) -> Vec<Dispatch> {
        let stuck = self.first.as_ref().is_some_and(|first| first.since + PATIENCE <= now);
        if stuck || self.waiting.len() > WAITING_MAX {
            return self.waiting.drain(..).map(Dispatch::ByItself).collect();
        }
        Vec::new()
    }

    /// When the waiting ones will have waited long enough.
    pub(crate) fn due(&self) -> Option<DateTime<Utc>> {
        self.first.as_ref().filter(|_| !self.waiting.is_empty()).map(|first| first.since + PATIENCE)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.first.is_none()
    }

    fn start(&mut self, hook: Hook, now: DateTime<Utc>) -> Dispatch {
        self.first = Some(First { event: hook.id, since: now });
        Dispatch::Next(hook)
    }
}
