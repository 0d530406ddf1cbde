//! What a fuzzer may throw anything at: every reader and every verifier. Not for anybody else.
//!
//! The targets are in `tests/fuzz`; the tests here throw a little at each of them, too.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::DateTime;
use secrecy::SecretString;

use crate::{
    azure_devops,
    comment::{self, Comment},
    delivery::{About, Reading, Signed},
    form::Form,
    order::Target,
    payload,
    signature::{Algorithm, Encoding, HmacScheme, Keys, Scheme, Secret, Stamp},
    source::{Kind, Source},
};

mod door;

pub use door::Door;

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
const EVENTS: [&str; 28] = [
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
    "pull_request_review",
    "pullrequest:updated",
    "pullrequest:rejected",
    "pr:from_ref_updated",
    "merge_group",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:changes_request_created",
    "pr:reviewer:approved",
    "pr:reviewer:unapproved",
    "pr:reviewer:needs_work",
    "pr:modified",
];

/// The first byte chooses the sender, the second the event, the third how it is sent; the rest is
/// the body.
pub fn read(data: &[u8]) {
    let Some(reading) = reading(data) else { return };
    // What is read must be fit for the database and for the broker.
    assert!(!reading.kind.contains('\0'), "Postgres cannot store NUL");
    assert!(!reading.content_key.is_empty(), "every fact has a key");
    for event in reading.verdict.events() {
        let about = About::of(event);
        assert!(about.repository.is_none_or(|name| !name.contains('\0')), "nor here");
        assert!(event.body.is_object(), "events are objects");
    }
    for turn in &reading.turns {
        assert!(!turn.place.contains('\0') && !turn.went_to.contains('\0'), "nor there");
    }
}

/// What is made of it; nothing of what is too short to choose anything.
fn reading(data: &[u8]) -> Option<Reading> {
    let [kind, event, way, body @ ..] = data else { return None };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let event = EVENTS[usize::from(*event) % EVENTS.len()];
    let media = match way % 2 {
        0 => "application/json",
        _ => "application/x-www-form-urlencoded",
    };
    let mut headers = HeaderMap::new();
    if way & 2 != 0 {
        let vote = HeaderValue::from_static(azure_devops::VOTE);
        headers.insert(HeaderName::from_static(azure_devops::CHANGE), vote);
    }
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
    let signed = Signed { source: &source, headers: &headers, body, received_at, found: false };
    Some(signed.read())
}

/// The headers that a scheme may look at; a line of what is thrown at it for each.
const LINES: [&[&str]; 3] = [
    &["x-signature", "webhook-signature", "x-gitlab-token", "authorization"],
    &["webhook-id", "x-signature-sha1"],
    &["webhook-timestamp", "x-time"],
];

/// The first byte chooses the scheme; the rest is a line for each header, and the body.
pub fn verify(data: &[u8]) {
    let [choice, rest @ ..] = data else { return };
    let (scheme, secret) = scheme(*choice);
    let secret = Secret { text: SecretString::from(secret), scope: None };
    let keys = Keys::new(&scheme, &[secret]).expect("the secret is made for the scheme");
    let mut lines = rest.splitn(4, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for names in LINES {
        let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) else { return };
        // An absent header is not an empty one.
        for name in names.iter().filter(|_| !value.is_empty()) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    let body = lines.next().unwrap_or_default();
    let Ok(presented) = scheme.presented(&headers) else { return };
    let verdict = scheme.verify(&keys, presented, body, DateTime::UNIX_EPOCH);
    // Nobody guesses an HMAC; a token can be stumbled upon.
    let is_clear = matches!(scheme, Scheme::Token(_) | Scheme::Basic);
    assert!(verdict.is_err() || is_clear, "a signature was forged");
}

/// The first of RFC 8032's examples.
const PUBLIC_KEY: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Every way to prove something, with a secret that fits it.
fn scheme(choice: u8) -> (Scheme, String) {
    let hmac = || HmacScheme { prefix: "sha256=".to_owned(), ..Scheme::sha256("x-signature") };
    let stamp = Stamp {
        header: HeaderName::from_static("x-time"),
        before: "v0:".to_owned(),
        between: ":".to_owned(),
    };
    let bare = |algorithm, encoding| HmacScheme {
        prefix: String::new(),
        algorithm,
        encoding,
        ..Scheme::sha256("x-signature")
    };
    let fallback = HeaderName::from_static("x-signature-sha1");
    let scheme = match choice % 9 {
        0 => Scheme::Hmac(hmac()),
        1 => {
            let scheme = Scheme::standard("webhook").expect("the prefix is plain");
            return (scheme, format!("whsec_{}", "QUJD".repeat(8)));
        }
        2 => Scheme::Token(HeaderName::from_static("x-gitlab-token")),
        3 => return (Scheme::Basic, "name:secret".to_owned()),
        4 => {
            let (sha1_fallback, sha1_beside) = (Some(fallback.clone()), Some(fallback));
            Scheme::Hmac(HmacScheme { sha1_fallback, sha1_beside, ..hmac() })
        }
        5 => Scheme::Hmac(HmacScheme { stamp: Some(stamp), ..hmac() }),
        6 => Scheme::Hmac(bare(Algorithm::Sha512, Encoding::Base64)),
        7 => Scheme::Hmac(bare(Algorithm::Sha1, Encoding::Hex)),
        _ => {
            let scheme = Scheme::standard("webhook").expect("the prefix is plain");
            return (scheme, PUBLIC_KEY.to_owned());
        }
    };
    (scheme, "secret".to_owned())
}

/// A comment.
pub fn comment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let words = match comment::read(text) {
        Comment::Talk => return,
        Comment::Unknown(verb) => vec![verb],
        Comment::Command(written) => written.arguments,
    };
    for word in words {
        assert!(!word.contains('\0'), "Postgres cannot store NUL");
        // A target or none; it must not break.
        let _ = Target::read(&word);
    }
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
