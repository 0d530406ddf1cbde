//! What a fuzzer may throw anything at: every reader and every verifier. Not for anybody else.
//!
//! The targets are in `ingest/fuzz`; the tests here throw a little at each of them, too.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::DateTime;
use secrecy::SecretString;

use crate::{
    delivery::{About, Signed},
    form::Form,
    payload,
    signature::{Keys, Scheme, Secret},
    source::{Kind, Source},
};

const KINDS: [Kind; 9] = [
    Kind::Github,
    Kind::Gitlab,
    Kind::Bitbucket,
    Kind::BitbucketServer,
    Kind::AzureDevops,
    Kind::Spacelift,
    Kind::Slack,
    Kind::Standard,
    Kind::Custom,
];

/// The names of events that are read; the second byte chooses one.
const EVENTS: [&str; 16] = [
    "push",
    "pull_request",
    "issue_comment",
    "release",
    "ping",
    "Push Hook",
    "repo:push",
    "pullrequest:created",
    "pullrequest:fulfilled",
    "pullrequest:comment_created",
    "repo:refs_changed",
    "pr:opened",
    "pr:merged",
    "pr:comment:added",
    "diagnostics:ping",
    "unknown",
];

/// The first byte chooses the sender, the second the event, the third how it is sent; the rest is
/// the body.
pub fn read(data: &[u8]) {
    let [kind, event, media, body @ ..] = data else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let event = EVENTS[usize::from(*event) % EVENTS.len()];
    let media = match media % 2 {
        0 => "application/json",
        _ => "application/x-www-form-urlencoded",
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", media),
        ("x-github-event", event),
        ("x-github-delivery", "d-1"),
        ("x-gitlab-event", event),
        ("x-event-key", event),
        ("webhook-id", "msg_1"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let source = Source::bare(kind);
    let received_at = DateTime::UNIX_EPOCH;
    let reading = Signed { source: &source, headers: &headers, body, received_at }.read();
    // What is read must be fit for the database and for the broker.
    assert!(!reading.kind.contains('\0'), "Postgres keeps no nought");
    assert!(!reading.content_key.is_empty(), "every fact has a key");
    for event in reading.verdict.events() {
        let about = About::of(event);
        assert!(about.repository.is_none_or(|name| !name.contains('\0')), "nor here");
        assert!(event.body.is_object(), "events are objects");
    }
}

/// The first byte chooses the scheme; the rest is a line for each header, and the body.
pub fn verify(data: &[u8]) {
    let [scheme, rest @ ..] = data else { return };
    let (scheme, secret) = match scheme % 4 {
        0 => (Scheme::Hmac(Scheme::sha256("x-signature-256")), "secret".to_owned()),
        1 => match Scheme::standard("webhook") {
            Ok(scheme) => (scheme, format!("whsec_{}", "QUJD".repeat(8))),
            Err(_) => return,
        },
        2 => (Scheme::Token(HeaderName::from_static("x-gitlab-token")), "secret".to_owned()),
        _ => (Scheme::Basic, "name:secret".to_owned()),
    };
    let secret = Secret { text: SecretString::from(secret), scope: None };
    let Ok(keys) = Keys::new(&scheme, &[secret]) else { return };
    let mut lines = rest.splitn(4, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["x-signature-256", "webhook-id", "webhook-timestamp"] {
        let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) else { return };
        let names: &[&str] = match name {
            "x-signature-256" => {
                &["x-signature-256", "webhook-signature", "x-gitlab-token", "authorization"]
            }
            other => &[other],
        };
        for name in names {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                headers.insert(name, value.clone());
            }
        }
    }
    let body = lines.next().unwrap_or_default();
    let Ok(presented) = scheme.presented(&headers) else { return };
    let verdict = scheme.verify(&keys, presented, body, DateTime::UNIX_EPOCH);
    // Nobody guesses an HMAC; a token can be stumbled upon.
    let is_clear = matches!(scheme, Scheme::Token(_) | Scheme::Basic);
    assert!(verdict.is_err() || is_clear, "a signature was forged");
}

/// A form.
pub fn form(data: &[u8]) {
    if let Ok(form) = Form::read(data) {
        for field in ["payload", "text", "a"] {
            // Refused or not, it must not break.
            let _ = form.get(field);
        }
    }
}

/// JSON that is handed on: what is taken reads back as the same.
pub fn json(data: &[u8]) {
    let Ok(value) = payload::strict(data) else { return };
    let again = payload::strict(value.to_string().as_bytes());
    assert_eq!(again.as_ref(), Ok(&value), "what is handed on must read the same");
}

#[cfg(test)]
mod tests;
