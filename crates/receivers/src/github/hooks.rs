//! The webhooks of a repository.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Github, World, refuse, says};
use crate::Shared;

impl Github {
    /// The webhooks there are, with their secrets, which GitHub itself never shows.
    pub fn hooks(&self) -> Vec<Value> {
        self.world.lock().hooks.clone()
    }

    /// Somebody changes a webhook by hand.
    pub fn change_hook(&self, place: usize, change: impl FnOnce(&mut Value)) {
        change(&mut self.world.lock().hooks[place]);
    }
}

fn shown(hook: &Value) -> Value {
    let mut hook = hook.clone();
    if hook["config"]["secret"].is_string() {
        hook["config"]["secret"] = json!("********");
    }
    hook
}

/// What stands in the way: the fault to come, a wrong token, a repository that is not there.
fn barred(world: &mut World, headers: &HeaderMap, repository: &str) -> Option<Response> {
    let known = world.repositories.iter().any(|one| one == repository);
    refuse(world, headers).or_else(|| (!known).then(|| says(StatusCode::NOT_FOUND, "Not Found")))
}

pub(super) async fn list(
    State(world): State<Shared<World>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
        return refused;
    }
    Json(world.hooks.iter().map(shown).collect::<Vec<_>>()).into_response()
}

pub(super) async fn create(
    State(world): State<Shared<World>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
        return refused;
    }
    let is_taken = world.hooks.iter().any(|hook| hook["config"]["url"] == body["config"]["url"]);
    if body["name"] != "web" || !body["config"]["url"].is_string() || is_taken {
        return says(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    }
    let hook = json!({
        "id": world.hooks.len() + 1,
        "name": "web",
        "active": body["active"],
        "events": body["events"],
        "config": body["config"],
    });
    world.hooks.push(hook.clone());
    (StatusCode::CREATED, Json(shown(&hook))).into_response()
}

pub(super) async fn update(
    State(world): State<Shared<World>>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
        return refused;
    }
    let Some(hook) = world.hooks.iter_mut().find(|hook| hook["id"] == id) else {
        return says(StatusCode::NOT_FOUND, "Not Found");
    };
    for key in ["active", "events", "config"] {
        if !body[key].is_null() {
            hook[key] = body[key].clone();
        }
    }
    Json(shown(hook)).into_response()
}

/// Of the settings those change that are given.
pub(super) async fn configure(
    State(world): State<Shared<World>>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
        return refused;
    }
    let Some(hook) = world.hooks.iter_mut().find(|hook| hook["id"] == id) else {
        return says(StatusCode::NOT_FOUND, "Not Found");
    };
    for key in ["url", "content_type", "insecure_ssl", "secret"] {
        if !body[key].is_null() {
            hook["config"][key] = body[key].clone();
        }
    }
    Json(shown(hook)["config"].clone()).into_response()
}
