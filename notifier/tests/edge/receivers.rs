//! The other ends of the notifier's calls, on the wire: Slack's Web API, GitHub's commit statuses,
//! and a receiver of Standard Webhooks. Each behaves as the real one does where it matters, can be
//! told to fail, and keeps what it saw.

mod github;
mod hook;
mod slack;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

pub use github::{Github, Status};
pub use hook::{Hook, Received, Reply};
pub use slack::{Message, Slack};

/// What a double does wrong next, instead of answering as it should.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429 with `Retry-After`.
    Limited { retry_after: u64 },
    /// This status, with nothing done.
    Status(u16),
    /// Slack's `ok: false` with this error.
    Error(&'static str),
    /// The call takes effect, and its answer never comes.
    AnswerLost,
}

/// State behind a lock, shared with the server's handlers.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// Serves a router on a free port until the test ends; gives its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The faulty answer, if a fault is one that answers without doing anything.
fn refusal(fault: Option<&Fault>) -> Option<Response> {
    match fault? {
        Fault::Limited { retry_after } => {
            let headers = [("retry-after", retry_after.to_string())];
            let body = r#"{"ok":false,"error":"ratelimited"}"#;
            Some((StatusCode::TOO_MANY_REQUESTS, headers, body).into_response())
        }
        Fault::Status(status) => Some(StatusCode::from_u16(*status).unwrap().into_response()),
        Fault::Error(error) => {
            Some(axum::Json(serde_json::json!({ "ok": false, "error": error })).into_response())
        }
        Fault::AnswerLost => None,
    }
}

/// What lets a lost answer be lost: it is never given.
async fn lose(fault: Option<Fault>) {
    if matches!(fault, Some(Fault::AnswerLost)) {
        std::future::pending::<()>().await;
    }
}

type Faults = VecDeque<Fault>;
