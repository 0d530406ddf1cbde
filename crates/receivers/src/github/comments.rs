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
    /// What it is called.
    pub id: usize,
    /// How often it was changed.
    pub edits: usize,
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
    let id = {
        let mut world = world.lock();
        world.commented += 1;
        let id = world.commented;
        world.comments.push(Comment { repository, number, body: text.to_owned(), id, edits: 0 });
        id
    };
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

pub(super) async fn update(
    State(world): State<Shared<World>>,
    Path((owner, name, id)): Path<(String, String, usize)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    {
        let mut world = world.lock();
        let repository = format!("{owner}/{name}");
        let its = |it: &&mut Comment| it.repository == repository && it.id == id;
        let Some(comment) = world.comments.iter_mut().find(its) else {
            return says(StatusCode::NOT_FOUND, "Not Found");
        };
        body["body"].as_str().unwrap_or_default().clone_into(&mut comment.body);
        comment.edits += 1;
    }
    lose(fault).await;
    Json(json!({ "id": id })).into_response()
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
    let shown: Vec<Value> = shown.map(|it| json!({ "id": it.id, "body": it.body })).collect();
    Json(shown).into_response()
}
