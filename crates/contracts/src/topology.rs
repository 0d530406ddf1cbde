//! All streams and durable consumers, in one table.
//!
//! Streams are named by need (how long kept, how discarded), not by service, and keep *limits*
//! retention: a work-queue stream forgets its duplicate table at a restart.

use std::time::Duration;

use crate::{Card, subject};

/// A JetStream stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name, without the prefix of the installation.
    pub name: &'static str,
    /// What it holds.
    pub subjects: &'static [&'static str],
    /// How long a message is kept.
    pub max_age: Duration,
    /// For how long the server itself recognises a duplicate id. Only a saving: what decides is
    /// the table of remembered answers.
    pub duplicate_window: Duration,
    /// What it is for.
    pub purpose: &'static str,
}

/// Every event of the pipeline.
pub const EVENTS: Stream = Stream {
    name: "STACKLY_EVENTS",
    subjects: &[subject::EVENTS],
    max_age: Duration::from_secs(7 * 24 * 60 * 60),
    duplicate_window: Duration::from_secs(120),
    purpose: "every event of the pipeline; consumers and hooks read it",
};

/// Messages no consumer could handle.
pub const DEAD_LETTERS: Stream = Stream {
    name: "STACKLY_DEAD_LETTERS",
    subjects: &[subject::DEAD_LETTERS],
    max_age: Duration::from_secs(90 * 24 * 60 * 60),
    duplicate_window: Duration::from_secs(120),
    purpose: "messages that could not be handled, with the reason",
};

/// All streams.
pub const STREAMS: &[Stream] = &[EVENTS, DEAD_LETTERS];

/// A durable consumer of [`EVENTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// `<service>-<what it takes>`; never renamed: the server keeps our place under it.
    pub name: &'static str,
    /// The event types it takes.
    pub takes: &'static [&'static str],
}

/// The durable consumers of these services.
pub fn consumers(cards: &[Card]) -> Vec<Consumer> {
    cards
        .iter()
        .filter(|card| !card.takes.is_empty())
        .map(|card| Consumer { name: card.consumer, takes: card.takes })
        .collect()
}

#[cfg(test)]
mod tests;
