//! What GitHub says: pushes, pull requests, merge queues, comments and releases become events,
//! everything else is kept.

use axum::http::HeaderMap;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    delivery::{Reading, Signed, Verdict},
    order::Order,
    payload::{self, Malformed, Text, plain},
    signature,
};

mod comment;
mod merge_group;
mod pull_request;
mod push;
mod release;
mod review;

/// Carries the HMAC-SHA256 of the body.
pub(crate) const SIGNATURE: &str = "x-hub-signature-256";
/// Its older sibling with SHA-1, which proves nothing alone.
pub(crate) const SIGNATURE_SHA1: &str = "x-hub-signature";
const EVENT: &str = "x-github-event";
/// GitHub's id of a delivery.
pub(crate) const DELIVERY: &str = "x-github-delivery";

/// The names senders give are short; whatever is longer is not theirs.
const HEADER_BYTES_MAX: usize = 100;

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    let event = header(signed.headers, EVENT)?;
    let sender_id = header(signed.headers, DELIVERY)?.to_owned();
    let body = payload::unwrap_form(signed.headers, signed.body)?;
    let (kind, content_key, verdict, order) = match event {
        "push" => alone(push::read(&body)?),
        "merge_group" => alone(merge_group::read(&body)?),
        "pull_request" => alone(pull_request::read(&body)?),
        "issue_comment" => comment::read(signed.source, &body)?,
        "pull_request_review" => review::read(signed, &body)?,
        "release" => alone(release::read(&body)?),
        "ping" => (event.to_owned(), None, ping(&body)?, None),
        _ => (event.to_owned(), None, unknown(event, &body)?, None),
    };
    let content_key = content_key.unwrap_or_else(|| signed.body_key());
    Ok(Reading::new(Some(sender_id), kind, content_key, verdict).ordering(order))
}

/// The kind of a delivery, its content key if it has one, and what becomes of it.
type Read = (String, Option<String>, Verdict);
/// The same, with what a person orders.
type ReadWithOrder = (String, Option<String>, Verdict, Option<Order>);

fn alone((kind, content_key, verdict): Read) -> ReadWithOrder {
    (kind, content_key, verdict, None)
}

/// A header that has to be there, once, with a plain short value.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Malformed> {
    optional_header(headers, name)?
        .ok_or_else(|| Malformed(format!("the header `{name}` is missing")))
}

/// A header that may be there, once, with a plain short value.
pub(crate) fn optional_header<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> Result<Option<&'h str>, Malformed> {
    let value = signature::only_value(headers, name)
        .map_err(|_| Malformed(format!("the header `{name}` comes twice")))?;
    let Some(value) = value else { return Ok(None) };
    let fit = !value.is_empty()
        && value.len() <= HEADER_BYTES_MAX
        && value.iter().all(|byte| byte.is_ascii_graphic());
    let text = fit.then(|| std::str::from_utf8(value).ok()).flatten();
    text.map(Some)
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

#[cfg(test)]
mod tests;
