//! A receiver of Standard Webhooks that checks signatures as the specification asks.

use std::collections::VecDeque;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::time::Instant;

use crate::{Shared, serve, status_code};

/// The secret it shares with the notifier.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How it answers next; 204 when nothing is said.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// Nothing, ever.
    Silence,
}

/// One request with a signature that holds.
#[derive(Debug, Clone)]
pub struct Received {
    /// `webhook-id`.
    pub id: String,
    /// What was sent.
    pub body: Value,
    /// When it came.
    pub at: Instant,
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its address.
    pub url: String,
    world: Shared<World>,
}

#[derive(Debug, Default)]
struct World {
    replies: VecDeque<Reply>,
    always: Option<Reply>,
    received: Vec<Received>,
    forged: usize,
}

impl Hook {
    /// An endpoint that takes everything.
    pub async fn start() -> Self {
        let world = Shared::<World>::new(World::default());
        let router = Router::new().route("/hook", post(receive)).with_state(world.clone());
        Self { url: format!("{}/hook", serve(router).await), world }
    }

    /// Answers the next request so.
    pub fn reply(&self, reply: Reply) {
        self.world.lock().replies.push_back(reply);
    }

    /// Answers every request so that nothing else is said about.
    pub fn always(&self, reply: Reply) {
        self.world.lock().always = Some(reply);
    }

    /// What came, with a good signature.
    pub fn received(&self) -> Vec<Received> {
        self.world.lock().received.clone()
    }

    /// How many requests had no good signature.
    pub fn forged(&self) -> usize {
        self.world.lock().forged
    }
}

async fn receive(State(world): State<Shared<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let reply = {
        let mut world = world.lock();
        match verify(&headers, &body) {
            Some(id) => {
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                world.received.push(Received { id, body, at: Instant::now() });
            }
            None => {
                world.forged += 1;
                return StatusCode::UNAUTHORIZED.into_response();
            }
        }
        world.replies.pop_front().or_else(|| world.always.clone())
    };
    match reply {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Reply::Status(status)) => status_code(status).into_response(),
        Some(Reply::Redirect(to)) => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response()
        }
        Some(Reply::Silence) => std::future::pending().await,
    }
}

/// The id of a request whose signature holds and whose timestamp is of now.
fn verify(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let age = chrono::Utc::now().timestamp() - timestamp.parse::<i64>().ok()?;
    if age.abs() > 300 {
        return None;
    }
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_")?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let good = header("webhook-signature")?.split(' ').any(|signature| {
        let decoded = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        decoded.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
    });
    good.then(|| id.to_owned())
}
