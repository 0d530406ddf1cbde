//! Branches, and how two commits stand to each other.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Github, deliveries::limits, refuse, says};
use crate::Shared;

impl Github {
    /// The branch is at this commit from now on; nothing is delivered. Who asks about a branch at
    /// `mute` is never answered.
    pub fn move_branch(&self, branch: &str, commit: &str) {
        self.world.lock().branches.insert(branch.to_owned(), commit.to_owned());
    }
}

pub(super) async fn show(
    State(world): State<Shared<super::World>>,
    Path((_owner, _name, branch)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let is_mute = world.lock().branches.get(&branch).is_some_and(|commit| commit == "mute");
    if is_mute {
        return std::future::pending().await;
    }
    let mut world = world.lock();
    if let Some(refused) = refuse(&mut world, &headers) {
        return refused;
    }
    let Some(commit) = world.branches.get(&branch).cloned() else {
        return says(StatusCode::NOT_FOUND, "Branch not found");
    };
    let etag = format!("\"{commit}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        return limits(&world, StatusCode::NOT_MODIFIED.into_response());
    }
    world.quota = world.quota.map(|left| left.saturating_sub(1));
    let shown = json!({ "name": branch, "commit": { "sha": commit,
        "commit": { "message": "Change something" }, "author": { "login": "jane" } } });
    let mut response = Json(shown).into_response();
    response.headers_mut().insert(header::ETAG, HeaderValue::from_str(&etag).expect("digits"));
    limits(&world, response)
}

pub(super) async fn compare(
    State(world): State<Shared<super::World>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    refuse(&mut world, &headers)
        .unwrap_or_else(|| Json(json!({ "status": "ahead" })).into_response())
}

/// Of a name in another case it tells how it writes it itself: in small letters.
pub(super) async fn repository(
    State(world): State<Shared<super::World>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    let full_name = format!("{owner}/{name}").to_lowercase();
    let shown = json!({ "full_name": full_name, "pushed_at": "2026-11-20T10:00:00Z" });
    refuse(&mut world, &headers).unwrap_or_else(|| Json(shown).into_response())
}
