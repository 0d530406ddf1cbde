//! The envelope every message travels in: CloudEvents 1.0 attributes and ours.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Message, plain};

/// A message with its attributes. `crates/bus` maps it to headers and back (CloudEvents NATS
/// binding, binary mode); `crates/store` keeps it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<B = Value> {
    /// `ce-id`, and the `Nats-Msg-Id`: the same answer to the same cause has the same id.
    pub id: Uuid,
    /// `ce-type` without the `stackly.` in front.
    pub kind: String,
    /// `ce-eventversion`: the shape of the body.
    pub version: u32,
    /// `ce-subject`: what people would ask for (a chain, a repository, a stack).
    pub key: String,
    /// `ce-source`: the service that wrote it.
    pub source: String,
    /// `ce-time`: when it was decided.
    pub time: DateTime<Utc>,
    /// `ce-correlationid`: the chain, or the delivery that began it.
    pub correlation: Uuid,
    /// `ce-causationid`: the message this one answers.
    pub causation: Option<Uuid>,
    /// `traceparent`: where this message belongs in a distributed trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The body; JSON on the wire.
    pub body: B,
}

impl<B> Envelope<B> {
    /// What a service was not told over the bus, but found out or was asked for: the first of its
    /// story.
    pub fn first(
        consumer: &str,
        id: Uuid,
        (kind, key): (&str, impl Into<String>),
        time: DateTime<Utc>,
        body: B,
    ) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            version: 1,
            key: key.into(),
            source: source(consumer),
            time,
            correlation: id,
            causation: None,
            trace: None,
            body,
        }
    }

    /// Makes it part of a story that began before.
    #[must_use]
    pub fn within(self, correlation: Uuid, trace: Option<Trace>) -> Self {
        Self { correlation, trace, ..self }
    }
}

/// The service that a consumer belongs to, as [`Envelope::source`] names it.
fn source(consumer: &str) -> String {
    let service = consumer.split('-').next().unwrap_or(consumer);
    format!("/stackly/{service}")
}

/// A header every event has on the wire, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Whether every event has it.
    pub always: bool,
}

const fn header(name: &'static str, always: bool, meaning: &'static str) -> Header {
    Header { name, meaning, always }
}

/// All headers of an event. `crates/bus` writes and reads them; `docs/EVENTS.md` lists them.
pub const HEADERS: &[Header] = &[
    header("Nats-Msg-Id", true, "the same as `ce-id`: the server drops what it has just seen"),
    header("content-type", true, "`application/json`"),
    header("ce-specversion", true, "`1.0`: the version of CloudEvents"),
    header("ce-id", true, "a UUID; the same event always has the same, however often it comes"),
    header("ce-type", true, "`stackly.` and the event type"),
    header("ce-source", true, "`/stackly/` and the service that wrote it"),
    header("ce-subject", true, "the key in full: what people would ask for"),
    header("ce-time", true, "when it was decided, RFC 3339"),
    header("ce-eventversion", true, "the version of the body's shape, from 1"),
    header("ce-correlationid", true, "a UUID: the chain, or the delivery that began the story"),
    header("ce-causationid", false, "the `ce-id` of the message that this one answers"),
    header("ce-traceparent", false, "W3C trace context, as the CloudEvents extension has it"),
    header("traceparent", false, "the same, where tracing libraries look for it"),
];

/// A W3C trace context, carried but not interpreted here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trace(pub String);

/// A message somebody decided to send. What it answers, when, and under which id is added when
/// the decision is recorded ([`Outgoing::answer`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// [`Message::TYPE`].
    pub kind: &'static str,
    /// [`Message::VERSION`].
    pub version: u32,
    /// [`Message::key`].
    pub key: String,
    /// The body as JSON.
    pub body: Value,
    /// The story this message belongs to, where that is not the story of its cause.
    pub correlation: Option<Uuid>,
    /// The trace this message belongs to, where that is not the trace of its cause.
    pub trace: Option<Trace>,
}

/// What an answer inherits from the message it answers.
#[derive(Debug, Clone)]
pub struct Cause<'a> {
    /// The id of the message answered.
    pub id: Uuid,
    /// Its correlation id.
    pub correlation: Uuid,
    /// The trace context of the span that handles it.
    pub trace: Option<Trace>,
    /// Who answers: `<service>-<what it takes>`.
    pub consumer: &'a str,
    /// When the answer was decided.
    pub now: DateTime<Utc>,
}

impl Outgoing {
    /// Wraps a message for sending.
    pub fn new<M: Message>(message: &M) -> Self {
        Self {
            kind: M::TYPE,
            version: M::VERSION,
            key: message.key(),
            body: plain(message),
            correlation: None,
            trace: None,
        }
    }

    /// Makes this message part of another story than that of its cause.
    #[must_use]
    pub fn within(mut self, correlation: Uuid, trace: Option<Trace>) -> Self {
        self.correlation = Some(correlation);
        self.trace = trace;
        self
    }

    /// The envelope of a message that answers none.
    pub fn first(self, consumer: &str, id: Uuid, time: DateTime<Utc>) -> Envelope {
        let Self { kind, version, key, body, correlation, trace } = self;
        let first = Envelope::first(consumer, id, (kind, key), time, body);
        Envelope { version, ..first.within(correlation.unwrap_or(id), trace) }
    }

    /// The envelope of the `ordinal`-th answer to `cause`.
    ///
    /// Its id depends on nothing but the cause, the consumer, the type and the ordinal, so the
    /// answer of a redelivered message is recognised as the same.
    pub fn answer(self, cause: &Cause<'_>, ordinal: usize) -> Envelope {
        let name = format!("{}/{}/{ordinal}", cause.consumer, self.kind);
        Envelope {
            id: Uuid::new_v5(&cause.id, name.as_bytes()),
            kind: self.kind.to_owned(),
            version: self.version,
            key: self.key,
            source: source(cause.consumer),
            time: cause.now,
            correlation: self.correlation.unwrap_or(cause.correlation),
            causation: Some(cause.id),
            trace: self.trace.or_else(|| cause.trace.clone()),
            body: self.body,
        }
    }
}

#[cfg(test)]
mod tests;
