//! GitLab's REST API, as far as the recent events of webhooks, branches, commit statuses and notes
//! at merge requests go.

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use chrono::Utc;
use serde_json::{Value, json};

use crate::{Fault, Faults, Shared, bearer, refusal, serve};

mod told;
mod trials;

pub use told::{CommitStatus, Note};

/// The token it takes.
pub const TOKEN: &str = "glpat-the-right-one";
/// One that may read, and have nothing done.
pub const READ_TOKEN: &str = "glpat-that-may-read";

/// As many on a page as the caller asks for, but never more.
const PAGE_MAX: usize = 100;

/// One attempt to deliver, as GitLab keeps it.
#[derive(Debug, Clone)]
pub struct HookEvent {
    /// `Idempotency-Key`: the same for all attempts.
    pub key: String,
    /// `X-Gitlab-Event`.
    pub event: String,
    /// What was sent; `{"oversize":true}` where that was too large to keep.
    pub data: Value,
    /// What the receiver answered, or `internal error` where it did not.
    pub status: String,
}

/// A host with one project, 42 or `acme/infra`, and one webhook of it, 7.
#[derive(Debug, Clone)]
pub struct Gitlab {
    /// Where its API is.
    pub api_base: String,
    world: Shared<World>,
}

#[derive(Debug, Default)]
struct World {
    events: Vec<HookEvent>,
    faults: Faults,
    calls: usize,
    /// What is left of the quota; as much as one likes, if nothing is said.
    quota: Option<u64>,
    is_off: bool,
    /// Where the webhook sends, with which token.
    target: (String, String),
    /// What was answered, by the key of the event.
    answers: BTreeMap<String, String>,
    branches: BTreeMap<String, String>,
    statuses: Vec<CommitStatus>,
    notes: Vec<Note>,
    forked: Vec<String>,
}

impl Gitlab {
    /// A host that has delivered nothing yet.
    pub async fn start() -> Self {
        let world = Shared::new(World::default());
        let router = Router::new()
            .route("/api/v4/projects/{project}/hooks/{hook}", get(show))
            .route("/api/v4/projects/{project}/hooks/{hook}/events", get(list))
            .route("/api/v4/projects/{project}/hooks/{hook}/test/{trigger}", post(trials::send))
            .route("/api/v4/projects/{project}/repository/branches/{branch}", get(branch))
            .route("/api/v4/user", get(told::user))
            .route("/api/v4/projects/{project}/statuses/{sha}", post(told::set))
            .route(
                "/api/v4/projects/{project}/merge_requests/{number}/notes",
                get(told::list).post(told::write),
            )
            .route(
                "/api/v4/projects/{project}/merge_requests/{number}/notes/{note}",
                put(told::update),
            )
            .with_state(world.clone());
        Self { api_base: format!("{}/api/v4", serve(router).await), world }
    }

    /// The next call goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.world.lock().faults.push_back(fault);
    }

    /// Notes an attempt to deliver; nothing is sent.
    pub fn note(&self, event: HookEvent) {
        self.world.lock().events.push(event);
    }

    /// So many requests are granted still.
    pub fn set_quota(&self, left: u64) {
        self.world.lock().quota = Some(left);
    }

    /// Switches the webhook off, as GitLab does after some failures, or on again.
    pub fn switch(&self, is_on: bool) {
        self.world.lock().is_off = !is_on;
    }

    /// The branch is at this commit from now on; nothing is delivered.
    pub fn move_branch(&self, branch: &str, commit: &str) {
        self.world.lock().branches.insert(branch.to_owned(), commit.to_owned());
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.world.lock().calls
    }
}

/// Lets a caller in, with the fault it is to meet, or says why not.
fn admit(
    world: &mut World,
    headers: &HeaderMap,
    project: &str,
) -> Result<Option<Fault>, Box<Response>> {
    world.calls += 1;
    let fault = world.faults.pop_front();
    if let Some(refusal) = refusal(fault.as_ref()) {
        return Err(Box::new(refusal));
    }
    if ![Some(TOKEN), Some(READ_TOKEN)].contains(&bearer(headers)) {
        return Err(Box::new(says(StatusCode::UNAUTHORIZED, "401 Unauthorized")));
    }
    if !["42", "acme/infra"].contains(&project) {
        return Err(Box::new(says(StatusCode::NOT_FOUND, "404 Not found")));
    }
    world.quota = world.quota.map(|left| left.saturating_sub(1));
    Ok(fault)
}

/// The refusal, if the caller may not ask this now.
fn refuse(world: &mut World, headers: &HeaderMap, project: &str, hook: &str) -> Option<Response> {
    let refused = admit(world, headers, project).err().map(|refused| *refused);
    refused.or_else(|| (hook != "7").then(|| says(StatusCode::NOT_FOUND, "404 Not found")))
}

fn says(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

fn limits(world: &World, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("ratelimit-limit", HeaderValue::from(2_000));
    headers.insert("ratelimit-remaining", HeaderValue::from(world.quota.unwrap_or(2_000)));
    headers.insert("ratelimit-reset", HeaderValue::from(Utc::now().timestamp() + 60));
    response
}

async fn show(
    State(world): State<Shared<World>>,
    Path((project, hook)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = refuse(&mut world, &headers, &project, &hook) {
        return refused;
    }
    let until = world.is_off.then(|| Utc::now() + chrono::TimeDelta::minutes(10));
    let status = if world.is_off { "temporarily_disabled" } else { "executable" };
    let shown = json!({ "id": 7, "url": world.target.0, "alert_status": status,
        "disabled_until": until });
    limits(&world, Json(shown).into_response())
}

async fn branch(
    State(world): State<Shared<World>>,
    Path((project, branch)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    // Of its one project, as of its one webhook.
    if let Some(refused) = refuse(&mut world, &headers, &project, "7") {
        return refused;
    }
    let Some(commit) = world.branches.get(&branch).cloned() else {
        let body = Json(json!({ "message": "404 Branch Not Found" }));
        return (StatusCode::NOT_FOUND, body).into_response();
    };
    let etag = format!("W/\"{commit}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        return limits(&world, StatusCode::NOT_MODIFIED.into_response());
    }
    let shown = json!({ "name": branch, "commit": { "id": commit, "title": "Change something",
        "message": "Change something\n\nbecause", "author_email": "jane@acme.example",
        "web_url": format!("https://gitlab.acme.example/acme/infra/-/commit/{commit}") } });
    let mut response = Json(shown).into_response();
    response.headers_mut().insert(header::ETAG, HeaderValue::from_str(&etag).expect("digits"));
    limits(&world, response)
}

async fn list(
    State(world): State<Shared<World>>,
    Path((project, hook)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = refuse(&mut world, &headers, &project, &hook) {
        return refused;
    }
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(20).clamp(1, PAGE_MAX);
    let page = number("page").unwrap_or(1).max(1);
    let etag = format!("W/\"{}-{page}\"", world.events.len());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        return limits(&world, StatusCode::NOT_MODIFIED.into_response());
    }
    let all = world.events.iter().enumerate().rev();
    let shown: Vec<_> =
        all.skip((page - 1) * size).take(size).map(|one| shown(one, &world.answers)).collect();
    let more = page * size < world.events.len();
    let mut response = Json(shown).into_response();
    let answer = response.headers_mut();
    answer.insert(header::ETAG, HeaderValue::from_str(&etag).expect("digits"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if let Some(host) = host.filter(|_| more) {
        let path = format!("http://{host}/api/v4/projects/42/hooks/{hook}/events");
        let next = format!("<{path}?page={}&per_page={size}>; rel=\"next\"", page + 1);
        answer.insert(header::LINK, HeaderValue::from_str(&next).expect("an address is plain"));
    }
    limits(&world, response)
}

fn shown((place, one): (usize, &HookEvent), answers: &BTreeMap<String, String>) -> Value {
    json!({
        "id": place + 1,
        "url": "https://webhooks.acme.example/webhooks/gitlab",
        "trigger": "push_hooks",
        "request_headers": {
            "Content-Type": "application/json",
            "User-Agent": "GitLab/18.1.0",
            "Idempotency-Key": one.key,
            "X-Gitlab-Event": one.event,
            "X-Gitlab-Event-UUID": format!("uuid-of-{}", one.key),
            "X-Gitlab-Token": "[REDACTED]",
        },
        "request_data": one.data,
        "response_headers": {},
        "response_body": answers.get(&one.key).map_or("", String::as_str),
        "execution_duration": 10.0,
        "response_status": one.status,
    })
}
