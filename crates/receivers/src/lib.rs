#![doc = include_str!("../README.md")]

mod app;
pub mod azure_devops;
pub mod bitbucket;
pub mod bitbucket_server;
mod git;
mod github;
mod gitlab;
mod hook;
mod issuer;
mod slack;
mod told;
pub mod work;

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

pub use app::APP as GITHUB_APP;
pub use git::GitHost;
pub use github::{CheckRun, Comment, Delivery, Github, Status, TOKEN as GITHUB_TOKEN};
pub use gitlab::{
    CommitStatus, Gitlab, HookEvent, Note, READ_TOKEN as GITLAB_READ_TOKEN, TOKEN as GITLAB_TOKEN,
};
pub use hook::{Hook, Received, Reply, SECRET as HOOK_SECRET};
pub use issuer::{AUDIENCE as ISSUER_AUDIENCE, Issuer};
pub use slack::{
    Interaction, Message, SIGNING_SECRET as SLACK_SIGNING_SECRET, Slack, TOKEN as SLACK_TOKEN,
};
pub use told::{BuildStatus, Host, Report, Said};
pub use work::Work;

/// What a double does wrong next, instead of answering as it should.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429 with `Retry-After`.
    Limited {
        /// In seconds.
        retry_after: u64,
    },
    /// This status, with nothing done.
    Status(u16),
    /// 403 with this message, and nothing done.
    Forbidden(&'static str),
    /// Slack's `ok: false` with this error.
    Error(&'static str),
    /// The call takes effect, and its answer never comes.
    AnswerLost,
}

/// State behind a lock, shared with the server's handlers.
#[derive(Debug, Default)]
struct Shared<T>(Arc<Mutex<T>>);

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
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// Serves a router on a free port until the test ends; gives its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it listens");
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
        Fault::Status(status) => Some(status_code(*status).into_response()),
        Fault::Forbidden(message) => {
            let body = axum::Json(serde_json::json!({ "message": message }));
            Some((StatusCode::FORBIDDEN, body).into_response())
        }
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

/// A status a test asked for; one that does not exist is the test's own fault.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("statuses are between 100 and 999")
}
