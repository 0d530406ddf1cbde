//! Envelopes as NATS messages and back: CloudEvents 1.0, NATS binding, binary mode.

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID, jetstream::message::PublishMessage};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{Envelope, Trace};
use uuid::Uuid;

/// In front of our event types on the wire, so that they cannot be mistaken for anyone else's.
const TYPE_PREFIX: &str = "stackly.";

/// What a message must have to be one of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("header {0} is missing; every message needs the CloudEvents attributes")]
    Missing(&'static str),
    #[error("header {0} is `{1}`, which is not a valid value")]
    Invalid(&'static str, String),
    #[error("the body is not JSON")]
    Body(#[from] serde_json::Error),
}

pub(crate) fn headers(envelope: &Envelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, envelope.id.to_string());
    // In small letters, as the SDKs look for it: NATS tells headers apart by case.
    headers.insert("content-type", "application/json");
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", envelope.id.to_string());
    headers.insert("ce-type", format!("{TYPE_PREFIX}{}", envelope.kind));
    headers.insert("ce-source", envelope.source.as_str());
    headers.insert("ce-subject", encoded(&envelope.key));
    headers.insert("ce-time", envelope.time.to_rfc3339_opts(SecondsFormat::Micros, true));
    headers.insert("ce-eventversion", envelope.version.to_string());
    headers.insert("ce-correlationid", envelope.correlation.to_string());
    if let Some(causation) = envelope.causation {
        headers.insert("ce-causationid", causation.to_string());
    }
    if let Some(trace) = &envelope.trace {
        headers.insert("ce-traceparent", trace.0.as_str());
        headers.insert("traceparent", trace.0.as_str());
    }
    headers
}

pub(crate) fn message(envelope: &Envelope) -> PublishMessage {
    let body = serde_json::to_vec(&envelope.body).expect("a JSON value is JSON");
    PublishMessage::build().payload(Bytes::from(body)).headers(headers(envelope))
}

pub(crate) fn envelope(headers: Option<&HeaderMap>, body: &[u8]) -> Result<Envelope, Unreadable> {
    let headers = headers.ok_or(Unreadable::Missing("ce-id"))?;
    let kind = required(headers, "ce-type")?;
    Ok(Envelope {
        id: parsed(headers, "ce-id")?,
        kind: kind.strip_prefix(TYPE_PREFIX).unwrap_or(kind).to_owned(),
        version: parsed(headers, "ce-eventversion")?,
        key: decoded(optional(headers, "ce-subject").unwrap_or_default()),
        source: required(headers, "ce-source")?.to_owned(),
        time: parsed::<DateTime<Utc>>(headers, "ce-time")?,
        correlation: parsed(headers, "ce-correlationid")?,
        causation: optional(headers, "ce-causationid").and_then(|id| Uuid::parse_str(id).ok()),
        trace: optional(headers, "traceparent")
            .or_else(|| optional(headers, "ce-traceparent"))
            .map(|text| Trace(text.to_owned())),
        body: serde_json::from_slice(body)?,
    })
}

pub(crate) fn optional<'h>(headers: &'h HeaderMap, name: &'static str) -> Option<&'h str> {
    headers.get(name).map(|value| value.as_str())
}

fn required<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Unreadable> {
    optional(headers, name).ok_or(Unreadable::Missing(name))
}

fn parsed<T: std::str::FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Unreadable> {
    let text = required(headers, name)?;
    text.parse().map_err(|_| Unreadable::Invalid(name, text.to_owned()))
}

/// A header value must not break the header block.
pub(crate) fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An attribute as a header value: CloudEvents has everything but printable ASCII percent-encoded,
/// and the characters that would make that ambiguous.
fn encoded(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | b'"' | b'%' | 0..=0x1f | 0x7f.. => value.push_str(&format!("%{byte:02X}")),
            _ => value.push(char::from(byte)),
        }
    }
    value
}

fn decoded(value: &str) -> String {
    if !value.contains('%') {
        return value.to_owned();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match (byte, code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
