//! Check runs: only apps may write them, and no more than fifty annotations at a time.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Github, World, admit, says};
use crate::{
    Shared,
    app::{INSTALLATION, is_app, key},
    bearer, lose,
};

/// GitHub takes no more at a time.
const ANNOTATIONS_MAX: usize = 50;

/// One check run, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRun {
    /// Its id.
    pub id: u64,
    /// `owner/name`.
    pub repository: String,
    /// The commit it is of.
    pub commit: String,
    /// What tells it apart from other checks of the commit.
    pub name: String,
    /// What its writer calls it.
    pub external_id: String,
    /// `success`, `neutral`, `failure` and others, once it is completed.
    pub conclusion: Option<String>,
    /// What people read first.
    pub title: String,
    /// What they read then.
    pub summary: String,
    /// All annotations, as they were written.
    pub annotations: Vec<Value>,
}

impl Github {
    /// A host that knows an app as well, and gives it tokens.
    pub async fn with_app() -> Self {
        let mut host = Self::start().await;
        let (pem, public) = key();
        host.app_key = pem;
        host.world.lock().app = public;
        host
    }

    /// Every check run, in the order in which they were made.
    pub fn check_runs(&self) -> Vec<CheckRun> {
        self.world.lock().checks.clone()
    }

    /// No token the app was given so far is good any more.
    pub fn take_back_tokens(&self) {
        self.world.lock().app_tokens.clear();
    }
}

pub(super) async fn installation(
    State(world): State<Shared<World>>,
    Path((owner, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match (is_app(&world.lock().app, &headers), owner.as_str()) {
        (false, _) => says(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded"),
        (true, "acme") => Json(json!({ "id": INSTALLATION })).into_response(),
        (true, _) => says(StatusCode::NOT_FOUND, "Not Found"),
    }
}

pub(super) async fn give(
    State(world): State<Shared<World>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if !is_app(&world.app, &headers) || id != INSTALLATION {
        return says(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded");
    }
    world.given += 1;
    let token = format!("ghs_{}", world.given);
    world.app_tokens.insert(token.clone());
    let expires_at = Utc::now() + TimeDelta::hours(1);
    (StatusCode::CREATED, Json(json!({ "token": token, "expires_at": expires_at }))).into_response()
}

/// Lets an app in; people's tokens may read, and not write.
fn barred(world: &mut World, headers: &HeaderMap, repository: &str) -> Option<Response> {
    if !world.app_tokens.contains(bearer(headers).unwrap_or_default()) {
        let message = "Resource not accessible by personal access token";
        return Some(says(StatusCode::FORBIDDEN, message));
    }
    let known = world.repositories.iter().any(|one| one == repository);
    (!known).then(|| says(StatusCode::NOT_FOUND, "Not Found"))
}

/// The annotations of an output, or why it is not taken.
fn annotations(output: &Value) -> Result<Vec<Value>, &'static str> {
    if !output["title"].is_string() || !output["summary"].is_string() {
        return Err("Invalid request: an output needs a title and a summary");
    }
    let all = output["annotations"].as_array().cloned().unwrap_or_default();
    if all.len() > ANNOTATIONS_MAX {
        return Err("Invalid request: Only 50 items are allowed");
    }
    let is_sound = |one: &Value| {
        let (start, end) = (one["start_line"].as_u64(), one["end_line"].as_u64());
        let level = one["annotation_level"].as_str().unwrap_or_default();
        one["path"].as_str().is_some_and(|path| !path.is_empty())
            && start.is_some_and(|start| start > 0 && end.is_some_and(|end| end >= start))
            && ["notice", "warning", "failure"].contains(&level)
            && one["message"].as_str().is_some_and(|text| !text.is_empty() && text.len() <= 65_536)
            && one["title"].as_str().is_none_or(|title| title.len() <= 255)
    };
    if all.iter().all(is_sound) { Ok(all) } else { Err("Invalid request: an annotation") }
}

pub(super) async fn create(
    State(world): State<Shared<World>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    let id = {
        let mut world = world.lock();
        let repository = format!("{owner}/{name}");
        if let Some(refused) = barred(&mut world, &headers, &repository) {
            return refused;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conclusion = body["conclusion"].as_str().map(str::to_owned);
        let known = ["success", "neutral", "failure", "cancelled", "skipped", "action_required"];
        let is_concluded = conclusion.as_deref().is_some_and(|it| known.contains(&it));
        let is_sound = body["name"].is_string()
            && text(&body["head_sha"]).len() == 40
            && (body["status"] != "completed" || is_concluded);
        let output = &body["output"];
        let annotations = match annotations(output) {
            Ok(annotations) if is_sound => annotations,
            Ok(_) => return says(StatusCode::UNPROCESSABLE_ENTITY, "Invalid request"),
            Err(message) => return says(StatusCode::UNPROCESSABLE_ENTITY, message),
        };
        let id = world.checks.len() as u64 + 1;
        world.checks.push(CheckRun {
            id,
            repository,
            commit: text(&body["head_sha"]),
            name: text(&body["name"]),
            external_id: text(&body["external_id"]),
            conclusion,
            title: text(&output["title"]),
            summary: text(&output["summary"]),
            annotations,
        });
        id
    };
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

/// Annotations are added to those there are.
pub(super) async fn update(
    State(world): State<Shared<World>>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    {
        let mut world = world.lock();
        if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
            return refused;
        }
        let mut more = match annotations(&body["output"]) {
            Ok(more) => more,
            Err(message) => return says(StatusCode::UNPROCESSABLE_ENTITY, message),
        };
        let Some(run) = world.checks.iter_mut().find(|run| run.id == id) else {
            return says(StatusCode::NOT_FOUND, "Not Found");
        };
        run.annotations.append(&mut more);
    }
    lose(fault).await;
    Json(json!({ "id": id })).into_response()
}

pub(super) async fn list(
    State(world): State<Shared<World>>,
    Path((owner, name, sha)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    let repository = format!("{owner}/{name}");
    if let Some(refused) = barred(&mut world, &headers, &repository) {
        return refused;
    }
    let fits = |run: &&CheckRun| {
        run.repository == repository
            && run.commit == sha
            && query.get("check_name").is_none_or(|name| run.name == *name)
    };
    let shown: Vec<Value> = world
        .checks
        .iter()
        .filter(fits)
        .map(|run| {
            json!({ "id": run.id, "name": run.name, "external_id": run.external_id,
                "conclusion": run.conclusion,
                "output": { "title": run.title, "annotations_count": run.annotations.len() } })
        })
        .collect();
    Json(json!({ "total_count": shown.len(), "check_runs": shown })).into_response()
}
