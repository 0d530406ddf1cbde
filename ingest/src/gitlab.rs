//! What GitLab says: pushes, tags, merge requests, comments and releases become events.

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    delivery::{Reading, Signed, Verdict},
    github::{header, optional_header},
    order::Order,
    payload::{self, Malformed, Text, plain},
};

mod merge_request;
mod note;
mod push;
mod release;

/// The secret in clear: GitLab's older way.
pub(crate) const TOKEN: &str = "x-gitlab-token";
const EVENT: &str = "x-gitlab-event";
/// The same for each attempt of one delivery. First the one that a signing token covers: who replays a
/// delivery can add the others as they like.
pub(crate) const DELIVERY: [&str; 3] = ["webhook-id", "idempotency-key", "x-gitlab-event-uuid"];

/// The kind of a delivery, its content key if it has one, what becomes of it, and what is ordered.
type Read = (String, Option<String>, Verdict, Option<Order>);

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    object_kind: Text<'a>,
}

pub(crate) fn read(signed: &Signed<'_>) -> Result<Reading, Malformed> {
    header(&without_blanks(signed), EVENT)?;
    let mut sender_id = None;
    for name in DELIVERY {
        if sender_id.is_none() {
            sender_id = optional_header(signed.headers, name)?.map(str::to_owned);
        }
    }
    let body = signed.body;
    // What is in the body counts: the header says the same, but no signature covers it.
    let kind = payload::object::<Told<'_>>(body)?.object_kind;
    let mut turns = Vec::new();
    let (kind, content_key, verdict, order) = match kind.as_str() {
        "push" | "tag_push" => {
            let (read, moved) = push::read(kind.as_str(), body)?;
            turns = moved;
            read
        }
        "merge_request" => merge_request::read(signed)?,
        "note" => note::read(signed.source, body)?,
        "release" => release::read(body)?,
        other => {
            payload::object::<IgnoredAny>(body)?;
            let other = plain(other);
            let text = format!("nothing follows from GitLab's `{other}`; the delivery is kept");
            (other, None, Verdict::kept("event_ignored", text), None)
        }
    };
    let content_key = content_key.unwrap_or_else(|| signed.body_key());
    Ok(Reading::new(sender_id, kind, content_key, verdict).ordering(order).turning(turns))
}

/// GitLab's names of events have blanks (`Push Hook`); everything else of them is plain.
fn without_blanks(signed: &Signed<'_>) -> axum::http::HeaderMap {
    let mut only = axum::http::HeaderMap::new();
    for value in signed.headers.get_all(EVENT) {
        let dense: Vec<u8> =
            value.as_bytes().iter().copied().filter(|byte| *byte != b' ').collect();
        if let Ok(value) = axum::http::HeaderValue::from_bytes(&dense) {
            only.append(EVENT, value);
        }
    }
    only
}

#[derive(Deserialize)]
struct Project<'a> {
    #[serde(borrow)]
    path_with_namespace: Text<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    username: Text<'a>,
}

#[cfg(test)]
mod tests;
