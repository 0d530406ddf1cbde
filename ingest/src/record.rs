//! From a request whose signature fitted to the row that keeps it, and the answer it will get.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use bus::Answers;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::{Envelope, Outgoing, Trace};
use uuid::Uuid;

use crate::{
    answer::Answer,
    delivery::{Signed, Source, Verdict},
    store::Delivery,
};

/// The headers kept with a delivery. A list of what to keep, because what proves something may
/// have any name: Spacelift can be told to send secrets in headers of the account's choice.
const HEADERS_KEPT: &[&str] = &[
    "content-type",
    "user-agent",
    "x-github-delivery",
    "x-github-enterprise-host",
    "x-github-enterprise-version",
    "x-github-event",
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-request-id",
];

/// A request, received whole.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) received_at: DateTime<Utc>,
    /// The span that serves it.
    pub(crate) trace: Option<Trace>,
}

/// Reads an arrival signed with the secret number `secret`; gives what is kept, and the answer once
/// it is.
pub(crate) fn record(source: Source, arrival: Arrival, secret: usize) -> (Delivery, Answer) {
    let Arrival { headers, body, received_at, trace } = arrival;
    let reading = Signed { source, headers: &headers, body: &body, received_at }.read();
    let fact_id = reading.fact_id(source);
    let (verdict, code) = (reading.verdict.as_str(), reading.verdict.code());
    let (answer, message, event) = match reading.verdict {
        Verdict::Event(outgoing) => {
            let message = format!("gives {}", outgoing.kind);
            let event = event(fact_id, outgoing, received_at, trace);
            (Answer::accepted(fact_id), message, Some(event))
        }
        Verdict::Kept { code, text } => {
            (Answer::new(StatusCode::OK, code, text.clone()), text, None)
        }
        Verdict::Malformed(malformed) => {
            (Answer::malformed(malformed.0.clone()), malformed.0, None)
        }
    };
    let delivery = Delivery {
        id: Uuid::now_v7(),
        source,
        sender_id: reading.sender_id,
        fact_id,
        content_key: reading.content_key,
        kind: reading.kind,
        received_at,
        headers: kept_headers(&headers),
        body,
        verdict,
        code,
        message,
        secret: i16::try_from(secret).unwrap_or(i16::MAX),
        event,
    };
    (delivery, answer)
}

/// The event is the first of its story, so the story has its name.
fn event(id: Uuid, outgoing: Outgoing, time: DateTime<Utc>, trace: Option<Trace>) -> Answers {
    Arc::new(vec![Envelope {
        id,
        kind: outgoing.kind.to_owned(),
        version: outgoing.version,
        key: outgoing.key,
        source: "/stackly/ingest".to_owned(),
        time,
        correlation: id,
        causation: None,
        trace,
        body: outgoing.body,
    }])
}

/// Written at once: a map of values would cost a dozen allocations for each request.
fn kept_headers(headers: &HeaderMap) -> String {
    let mut json = String::with_capacity(512);
    for name in HEADERS_KEPT {
        let Some(value) = headers.get(*name) else { continue };
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = serde_json::to_string(&value).expect("text is plain data");
        json.push(if json.is_empty() { '{' } else { ',' });
        json.extend(["\"", name, "\":", &value]);
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    json
}

#[cfg(test)]
mod tests;
