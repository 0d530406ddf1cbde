//! What GitHub says: pushes and pull requests become events, everything else is kept.

use std::borrow::Cow;

use axum::http::HeaderMap;
use contracts::Outgoing;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    delivery::{Reading, Signed, Verdict},
    payload::{self, Malformed, Text, plain},
    signature,
};

mod pull_request;
mod push;

/// Carries the HMAC-SHA256 of the body; its older sibling with SHA-1 is not looked at.
pub(crate) const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";

/// GitHub's own names are short; whatever is longer is not GitHub's.
const HEADER_BYTES_MAX: usize = 100;

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let event = header(signed.headers, EVENT)?;
    let sender_id = header(signed.headers, DELIVERY)?.to_owned();
    let body = payload::unwrap_form(signed.headers, signed.body)?;
    let (kind, content_key, verdict) = match event {
        "push" => push::read(&body)?,
        "pull_request" => pull_request::read(&body)?,
        "ping" => (event.to_owned(), None, ping(&body)?),
        _ => (event.to_owned(), None, unknown(event, &body)?),
    };
    Ok(Reading {
        sender_id: Some(sender_id),
        kind,
        content_key: content_key.unwrap_or_else(|| format!("body/{}", signed.digest())),
        verdict,
    })
}

/// The kind of a delivery, its content key if it has one, and what becomes of it.
type Read = (String, Option<String>, Verdict);

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Malformed> {
    let value = signature::only_value(headers, name)
        .map_err(|_| Malformed(format!("the header `{name}` comes twice")))?
        .ok_or_else(|| Malformed(format!("the header `{name}` is missing")))?;
    let fit = !value.is_empty()
        && value.len() <= HEADER_BYTES_MAX
        && value.iter().all(|byte| byte.is_ascii_graphic());
    fit.then(|| std::str::from_utf8(value).ok())
        .flatten()
        .ok_or_else(|| Malformed(format!("the header `{name}` is empty, too long or not plain")))
}

#[derive(Deserialize)]
struct Ping<'a> {
    #[serde(borrow, default)]
    hook: Option<Hook<'a>>,
}

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow, default)]
    events: Vec<Text<'a>>,
}

fn ping(body: &[u8]) -> Result<Verdict, Malformed> {
    let ping: Ping<'_> = payload::object(body)?;
    let events: Vec<_> = ping.hook.iter().flat_map(|hook| &hook.events).map(Text::as_str).collect();
    let text = if events.is_empty() || events.contains(&"*") || events.contains(&"push") {
        "the webhook works; pushes and pull requests will be taken from here".to_owned()
    } else {
        let events = plain(&events.join(", "));
        format!("the webhook works, but it does not send `push`, only: {events}")
    };
    Ok(Verdict::kept("ping", text))
}

fn unknown(event: &str, body: &[u8]) -> Result<Verdict, Malformed> {
    payload::object::<IgnoredAny>(body)?;
    let text = format!("nothing follows from GitHub's `{event}`; the delivery is kept");
    Ok(Verdict::kept("event_ignored", text))
}

#[derive(Deserialize)]
struct Repository<'a> {
    #[serde(borrow)]
    full_name: Text<'a>,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    login: Text<'a>,
}

/// A commit id: 40 hexadecimal digits, or 64 in repositories that use SHA-256.
fn commit_id(text: &Text<'_>, what: &str) -> Result<String, Malformed> {
    let text = text.as_str();
    let fit = matches!(text.len(), 40 | 64)
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if fit { Ok(text.to_owned()) } else { Err(Malformed(format!("`{what}` is no commit id"))) }
}

fn is_zero(commit: &str) -> bool {
    commit.bytes().all(|byte| byte == b'0')
}

fn first_line(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.lines().next().unwrap_or_default())
}

fn event<M: contracts::Message>(message: &M) -> Verdict {
    Verdict::Event(Outgoing::new(message))
}

#[cfg(test)]
mod tests;
