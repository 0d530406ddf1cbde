//! A service in a few words, as data: `docs/EVENTS.md` is generated from these.

/// What a service takes, gives and owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Its name, and that of its schema in Postgres.
    pub service: &'static str,
    /// Its durable consumer.
    pub consumer: &'static str,
    /// The event types it takes.
    pub takes: &'static [&'static str],
    /// The event types it gives.
    pub gives: &'static [&'static str],
    /// The commands it answers.
    pub commands: &'static [&'static str],
    /// The codes of the dead letters it may write.
    pub fails_by: &'static [&'static str],
}
