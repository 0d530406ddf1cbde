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

    /// Somebody makes one that sends pushes; gives its id.
    pub fn make_hook(&self, url: &str, secret: &str) -> usize {
        let hooks = &mut self.world.lock().hooks;
        let id = hooks.len() + 1;
        let config = json!({ "url": url, "content_type": "json", "secret": secret });
        hooks.push(json!({ "id": id, "name": "web", "active": true, "events": ["push"],
            "config": config }));
        id
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
pub(super) fn barred(world: &mut World, headers: &HeaderMap, repository: &str) -> Option<Response> {
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

pub(super) async fn show(
    State(world): State<Shared<World>>,
    Path(path): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Response {
    change(&world, path, &headers, |hook| shown(hook))
}

pub(super) async fn update(
    State(world): State<Shared<World>>,
    Path(path): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    change(&world, path, &headers, |hook| {
        take(hook, &body, &["active", "events", "config"]);
        shown(hook)
    })
}

/// Of the settings those change that are given.
pub(super) async fn configure(
    State(world): State<Shared<World>>,
    Path(path): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    change(&world, path, &headers, |hook| {
        take(&mut hook["config"], &body, &["url", "content_type", "insecure_ssl", "secret"]);
        shown(hook)["config"].clone()
    })
}

/// Changes a hook, if whoever asks may, and answers with what is shown of it.
fn change(
    world: &Shared<World>,
    (owner, name, id): (String, String, u64),
    headers: &HeaderMap,
    change: impl FnOnce(&mut Value) -> Value,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, headers, &format!("{owner}/{name}")) {
        return refused;
    }
    match world.hooks.iter_mut().find(|hook| hook["id"] == id) {
        Some(hook) => Json(change(hook)).into_response(),
        None => says(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// What is not given stays.
fn take(settings: &mut Value, given: &Value, keys: &[&str]) {
    for key in keys.iter().copied().filter(|key| !given[key].is_null()) {
        settings[key] = given[key].clone();
    }
}
