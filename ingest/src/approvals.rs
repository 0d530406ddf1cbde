//! Approvals over HTTP: `POST /approvals` with an ID token says yes or no to what a gate holds, by
//! the same way as `stackly approve`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    carry::{Carrier, Outcome},
    http::Gate,
    oidc::{Issuer, Person, Unknown},
    order::{Act, Order, Target},
};

/// Nobody has more to say.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long somebody may take to say it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A caller's own name for what they say, so that twice is once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What somebody says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// `gate_…`, `chain_…` or `chain_…/STACK`.
    target: String,
    /// `approve`, `reject` or `withdraw`.
    word: Word,
    /// Why, in their words.
    #[serde(default)]
    note: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Approve,
    Reject,
    Withdraw,
}

/// Everything this path needs.
struct Desk {
    issuer: Issuer,
    carrier: Carrier,
    gate: Arc<Gate>,
}

/// The path, for people of this issuer.
pub(crate) fn router(issuer: Issuer, carrier: Carrier, gate: Arc<Gate>) -> Router {
    let desk = Arc::new(Desk { issuer, carrier, gate });
    Router::new().route("/approvals", post(take)).with_state(desk)
}

async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    match desk.taken(request).await {
        Ok(outcome) => answer(&outcome),
        Err(refused) => *refused,
    }
}

impl Desk {
    async fn taken(&self, request: Request) -> Result<Outcome, Box<Response>> {
        let (parts, body) = request.into_parts();
        let address = self.gate.enter(&parts).map_err(|busy| Box::new(busy.into_response()))?;
        let token = bearer(&parts.headers).ok_or_else(|| unknown(&Unknown::Missing))?;
        let person = self.issuer.who(token, Utc::now()).await.map_err(|error| {
            if matches!(error, Unknown::Refused(_)) {
                self.gate.addresses().note_unproven(address);
            }
            unknown(&error)
        })?;
        let malformed = |text: String| says(StatusCode::BAD_REQUEST, "malformed", &text);
        let body = timeout(PATIENCE, to_bytes(body, BODY_BYTES_MAX)).await;
        let body = body.ok().and_then(Result::ok);
        let body = body.ok_or_else(|| malformed("the body is too large or too slow".to_owned()))?;
        let said: Said = serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("the body does not say what is meant: {error}")))?;
        let target = Target::read(said.target.trim()).ok_or_else(|| {
            malformed("`target` is `gate_…`, `chain_…` or `chain_…/STACK`".to_owned())
        })?;
        let id = order_id(&person, &parts.headers);
        let order = order(person, said, target);
        let by = order.by.clone();
        match self.carrier.say(id, order).await {
            Ok(outcome) => {
                info!(by, code = outcome.code, "an approval over HTTP");
                Ok(outcome)
            }
            Err(error) => {
                warn!(%error, "an approval over HTTP could not be carried out");
                let text = "the policy service does not answer; nothing was taken down, try again";
                Err(says(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text))
            }
        }
    }
}

fn order(person: Person, said: Said, target: Target) -> Order {
    let act = match said.word {
        Word::Approve => Act::Approve,
        Word::Reject => Act::Reject,
        Word::Withdraw => Act::Withdraw,
    };
    Order {
        act,
        target,
        by: person.name,
        groups: person.groups,
        note: said.note.filter(|note| !note.trim().is_empty()),
        answer_to: None,
        said_at: None,
        is_review: false,
    }
}

/// The same key of the same person is the same word, however often it is sent.
fn order_id(person: &Person, headers: &HeaderMap) -> Uuid {
    let key = headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
    match key.filter(|key| !key.is_empty()) {
        Some(key) => {
            let name = [person.subject.as_bytes(), b"/", key].concat();
            Uuid::new_v5(&contracts::id::NAMESPACE, &name)
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

/// What came of it, with the status that programs look at first.
fn answer(outcome: &Outcome) -> Response {
    let status = match outcome.code.as_str() {
        "approved" | "rejected" | "taken_back" => StatusCode::OK,
        "self_approval" | "not_an_approver" => StatusCode::FORBIDDEN,
        "gate_unknown" | "nothing_open" => StatusCode::NOT_FOUND,
        "unavailable" | "garbled" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    *says(status, &outcome.code, &outcome.message)
}

fn says(status: StatusCode, code: &str, message: &str) -> Box<Response> {
    let mut response = (status, Json(json!({ "code": code, "message": message }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(5));
    }
    Box::new(response)
}
