//! What people say over HTTP with an ID token: who they are, and what they mean.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bus::ProblemKind;
use chrono::Utc;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    http::Entry,
    oidc::{Issuer, Person, Unknown},
};

/// Nobody has more to say.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long somebody may take to say it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A caller's own name for what they say, so that twice is once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Who lets people in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) entry: Arc<Entry>,
}

/// What a person said.
pub(crate) struct Heard<T> {
    pub(crate) person: Person,
    /// The same key of the same person is the same word, however often it is sent.
    pub(crate) id: Uuid,
    pub(crate) said: T,
}

impl Entrance {
    /// Who says what, or the answer to whoever is not let in.
    pub(crate) async fn hear<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<Heard<T>, Box<Response>> {
        let (parts, body) = request.into_parts();
        self.entry.enter(&parts).map_err(|busy| Box::new(busy.into_response()))?;
        let token = bearer(&parts.headers).ok_or_else(|| unknown(&Unknown::Missing))?;
        let person = self.issuer.who(token, Utc::now()).await;
        let person = person.map_err(|error| unknown(&error))?;
        let body = timeout(PATIENCE, to_bytes(body, BODY_BYTES_MAX)).await;
        let body = body.ok().and_then(Result::ok);
        let body = body.ok_or_else(|| malformed("the body is too large or too slow"))?;
        let said = serde_json::from_slice(&body)
            .map_err(|error| malformed(&format!("the body does not say what is meant: {error}")))?;
        let id = id(&person, &parts.headers);
        Ok(Heard { person, id, said })
    }
}

fn id(person: &Person, headers: &HeaderMap) -> Uuid {
    let key = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    match key.filter(|key| !key.is_empty()) {
        Some(key) => {
            // With its length: `a` and `b/c` are not `a/b` and `c`.
            let subject = format!("{}/{}/", person.subject.len(), person.subject);
            Uuid::new_v5(&contracts::id::NAMESPACE, &[subject.as_bytes(), key].concat())
        }
        None => Uuid::now_v7(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = sent.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unknown(error: &Unknown) -> Box<Response> {
    let (status, code) = match error {
        Unknown::Missing => (StatusCode::UNAUTHORIZED, "no_token"),
        Unknown::Refused(_) => (StatusCode::UNAUTHORIZED, "bad_token"),
        Unknown::Away(_) => (StatusCode::SERVICE_UNAVAILABLE, "issuer_away"),
    };
    let mut response = says(status, code, &error.to_string());
    if status == StatusCode::UNAUTHORIZED {
        let asks = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
    }
    response
}

/// The answer to whoever cannot be understood.
pub(crate) fn malformed(text: &str) -> Box<Response> {
    says(StatusCode::BAD_REQUEST, "malformed", text)
}

/// The status of HTTP that a problem has.
pub(crate) const fn status(problem: ProblemKind) -> StatusCode {
    match problem {
        ProblemKind::Malformed => StatusCode::BAD_REQUEST,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::Refused => StatusCode::FORBIDDEN,
        ProblemKind::Conflict => StatusCode::CONFLICT,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer of a code and a sentence, with the status that programs look at first.
pub(crate) fn says(status: StatusCode, code: &str, message: &str) -> Box<Response> {
    let mut response = (status, Json(json!({ "code": code, "message": message }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(5));
    }
    Box::new(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_word_of_one_person_and_of_nobody_else() {
        let said = |subject: &str, key: &str| {
            let (name, groups) = (String::new(), Vec::new());
            let person = Person { name, groups, subject: subject.to_owned() };
            let headers =
                [(header::HeaderName::from_static(IDEMPOTENCY_KEY), key.parse().unwrap())];
            id(&person, &HeaderMap::from_iter(headers))
        };
        assert_eq!(said("a", "b/c"), said("a", "b/c"));
        assert_ne!(said("a", "b/c"), said("a/b", "c"));
        assert_ne!(said("a", ""), said("a", ""), "without a key each is its own");
    }
}
