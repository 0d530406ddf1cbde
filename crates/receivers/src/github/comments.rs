//! Comments at issues and pull requests.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{TOKEN, World, admit, says};
use crate::{Shared, bearer, lose};

/// One comment, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// `owner/name`.
    pub repository: String,
    /// The number of the pull request.
    pub number: u64,
    /// Its text.
    pub body: String,
}

type Place = (String, String, u64);

pub(super) async fn write(
    State(world): State<Shared<World>>,
    Path((owner, name, number)): Path<Place>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    let repository = format!("{owner}/{name}");
    if !world.lock().repositories.contains(&repository) {
        return says(StatusCode::NOT_FOUND, "Not Found");
    }
    let text = body["body"].as_str().unwrap_or_default();
    if text.is_empty() || text.chars().count() > 65_536 {
        return says(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    }
    world.lock().comments.push(Comment { repository, number, body: text.to_owned() });
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": 1 }))).into_response()
}

/// Oldest first, in pages.
pub(super) async fn list(
    State(world): State<Shared<World>>,
    Path((owner, name, number)): Path<Place>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let token = bearer(&headers).unwrap_or_default();
    if token != TOKEN && !world.lock().app_tokens.contains(token) {
        return says(StatusCode::UNAUTHORIZED, "Bad credentials");
    }
    let asked = |key: &str, usual: usize| {
        query.get(key).and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (page, size) = (asked("page", 1).max(1), asked("per_page", 30).min(100));
    let repository = format!("{owner}/{name}");
    let world = world.lock();
    let of_it =
        world.comments.iter().filter(|it| it.repository == repository && it.number == number);
    let shown = of_it.skip((page - 1) * size).take(size);
    let shown: Vec<Value> = shown.map(|it| json!({ "id": 1, "body": it.body })).collect();
    Json(shown).into_response()
}
