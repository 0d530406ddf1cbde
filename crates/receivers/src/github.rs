//! GitHub's REST API, as far as commit statuses, webhooks and their deliveries go.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::{Value, json};

use crate::{Fault, Faults, Shared, bearer, lose, refusal, serve};

mod app_hook;
mod branches;
mod checks;
mod comments;
mod deliveries;
mod hooks;
mod pings;

pub use checks::CheckRun;
pub use comments::Comment;
pub use deliveries::Delivery;

/// The token it takes.
pub const TOKEN: &str = "ghp_the_right_one";

/// One status, as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `owner/name`.
    pub repository: String,
    /// The commit it is of.
    pub commit: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// What people read.
    pub description: String,
    /// What tells it apart from other statuses of the commit.
    pub context: String,
    /// Where the details are.
    pub target_url: Option<String>,
}

/// A host of repositories.
#[derive(Debug, Clone)]
pub struct Github {
    /// Where its API is.
    pub api_base: String,
    /// The private key of the app, as PEM; empty if it knows none.
    pub app_key: String,
    world: Shared<World>,
}

#[derive(Debug, Default)]
struct World {
    repositories: Vec<String>,
    statuses: Vec<Status>,
    comments: Vec<Comment>,
    /// How many there ever were.
    commented: usize,
    faults: Faults,
    calls: usize,
    branches: BTreeMap<String, String>,
    deliveries: Vec<Delivery>,
    /// What pings were answered, by the id of their delivery.
    answers: BTreeMap<String, pings::Answer>,
    hooks: Vec<Value>,
    /// The webhook of the app.
    app_hook: Value,
    checks: Vec<CheckRun>,
    /// The public key of the app, and the tokens it was given.
    app: Vec<u8>,
    app_tokens: BTreeSet<String>,
    given: usize,
    /// What is left of the quota; as much as one likes, if nothing is said.
    quota: Option<u64>,
}

impl Github {
    /// A host with one repository, `acme/infra`, that has every commit.
    pub async fn start() -> Self {
        let world = World { repositories: vec!["acme/infra".to_owned()], ..World::default() };
        let world = Shared::new(world);
        let router = Router::new()
            .route("/repos/{owner}/{name}/statuses/{sha}", post(set))
            .route("/repos/{owner}/{name}", get(branches::repository))
            .route("/repos/{owner}/{name}/branches/{branch}", get(branches::show))
            .route("/repos/{owner}/{name}/compare/{both}", get(branches::compare))
            .route("/repos/{owner}/{name}/hooks", get(hooks::list).post(hooks::create))
            .route("/repos/{owner}/{name}/hooks/{hook}", get(hooks::show).patch(hooks::update))
            .route("/repos/{owner}/{name}/hooks/{hook}/pings", post(pings::send))
            .route("/repos/{owner}/{name}/hooks/{hook}/config", patch(hooks::configure))
            .route("/repos/{owner}/{name}/issues/{number}/comments", get(comments::list))
            .route("/repos/{owner}/{name}/issues/{number}/comments", post(comments::write))
            .route("/repos/{owner}/{name}/issues/comments/{id}", patch(comments::update))
            .route("/repos/{owner}/{name}/hooks/{hook}/deliveries", get(deliveries::list))
            .route("/repositories/7/hooks/{hook}/deliveries", get(deliveries::list))
            .route("/repos/{owner}/{name}/hooks/{hook}/deliveries/{id}", get(deliveries::show))
            .route("/app/hook/config", get(app_hook::configuration))
            .route("/app/hook/deliveries", get(app_hook::list))
            .route("/app/hook/deliveries/{id}", get(app_hook::show))
            .route("/app/hook/deliveries/{id}/attempts", post(app_hook::attempt))
            .route("/repos/{owner}/{name}/installation", get(checks::installation))
            .route("/app/installations/{id}/access_tokens", post(checks::give))
            .route("/repos/{owner}/{name}/check-runs", post(checks::create))
            .route("/repos/{owner}/{name}/check-runs/{id}", patch(checks::update))
            .route("/repos/{owner}/{name}/commits/{sha}/check-runs", get(checks::list))
            .with_state(world.clone());
        let app_key = String::new();
        Self { api_base: serve(router).await, app_key, world }
    }

    /// The next call goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.world.lock().faults.push_back(fault);
    }

    /// Every status, in the order in which they were set.
    pub fn statuses(&self) -> Vec<Status> {
        self.world.lock().statuses.clone()
    }

    /// Every comment, in the order in which they were written.
    pub fn comments(&self) -> Vec<Comment> {
        self.world.lock().comments.clone()
    }

    /// Somebody deletes all comments.
    pub fn delete_comments(&self) {
        self.world.lock().comments.clear();
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.world.lock().calls
    }
}

async fn set(
    State(world): State<Shared<World>>,
    Path((owner, name, sha)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let status = Status {
        repository: format!("{owner}/{name}"),
        commit: sha,
        state: text("state").unwrap_or_default(),
        description: text("description").unwrap_or_default(),
        context: text("context").unwrap_or_else(|| "default".to_owned()),
        target_url: text("target_url"),
    };
    if !world.lock().repositories.contains(&status.repository) {
        return says(StatusCode::NOT_FOUND, "Not Found");
    }
    let known = ["error", "failure", "pending", "success"].contains(&status.state.as_str());
    if !known || status.description.chars().count() > 140 {
        return says(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    }
    world.lock().statuses.push(status);
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": 1 }))).into_response()
}

/// Lets a caller in, with the fault it is to meet, or says why not.
fn admit(world: &mut World, headers: &HeaderMap) -> Result<Option<Fault>, Box<Response>> {
    world.calls += 1;
    let fault = world.faults.pop_front();
    if let Some(refusal) = refusal(fault.as_ref()) {
        return Err(Box::new(refusal));
    }
    match bearer(headers) {
        Some(TOKEN) => Ok(fault),
        Some(token) if world.app_tokens.contains(token) => Ok(fault),
        _ => Err(Box::new(says(StatusCode::UNAUTHORIZED, "Bad credentials"))),
    }
}

/// The refusal, if the caller may not ask now; each answer but "not modified" costs quota.
fn refuse(world: &mut World, headers: &HeaderMap) -> Option<Response> {
    admit(world, headers).err().map(|refused| *refused)
}

fn says(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
