//! What is told at GitLab: statuses of commits, and notes at merge requests.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Gitlab, World, admit, says};
use crate::{Shared, lose};

/// Whose the token is.
const OWN: u64 = 77;

/// One status, as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// The commit it is of.
    pub commit: String,
    /// `pending`, `running`, `success`, `failed` or `canceled`.
    pub state: String,
    /// What tells it apart from other statuses of the commit.
    pub name: String,
    /// What people read.
    pub description: String,
}

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: u64,
    /// The number of the merge request.
    pub merge_request: u64,
    /// Who wrote it.
    pub author: u64,
    /// Its text.
    pub body: String,
}

impl Gitlab {
    /// Every status, in the order in which they were set.
    pub fn statuses(&self) -> Vec<CommitStatus> {
        self.world.lock().statuses.clone()
    }

    /// Every note as it reads now, in the order in which they were written.
    pub fn notes(&self) -> Vec<Note> {
        self.world.lock().notes.clone()
    }

    /// No branch of the project has this commit: it is of a fork.
    pub fn fork(&self, commit: &str) {
        self.world.lock().forked.push(commit.to_owned());
    }

    /// Somebody else writes a note.
    pub fn say(&self, merge_request: u64, body: &str) {
        add(&mut self.world.lock(), merge_request, 1, body);
    }
}

fn add(world: &mut World, merge_request: u64, author: u64, body: &str) -> u64 {
    let id = world.notes.len() as u64 + 1;
    world.notes.push(Note { id, merge_request, author, body: body.to_owned() });
    id
}

pub(super) async fn user(State(world): State<Shared<World>>, headers: HeaderMap) -> Response {
    match admit(&mut world.lock(), &headers, "42") {
        Ok(_) => Json(json!({ "id": OWN, "username": "project_42_bot" })).into_response(),
        Err(refused) => *refused,
    }
}

pub(super) async fn set(
    State(world): State<Shared<World>>,
    Path((project, sha)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers, &project) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let status = CommitStatus {
        commit: sha,
        state: text("state"),
        name: text("name"),
        description: text("description"),
    };
    let states = ["pending", "running", "success", "failed", "canceled"];
    if !states.contains(&status.state.as_str()) || status.description.chars().count() > 255 {
        return says(StatusCode::BAD_REQUEST, "state does not have a valid value");
    }
    if world.lock().forked.contains(&status.commit) {
        return says(StatusCode::NOT_FOUND, "404 References for commit Not Found");
    }
    if let Some(refused) = stands(&world.lock(), &status) {
        return refused;
    }
    world.lock().statuses.push(status);
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": 1 }))).into_response()
}

/// GitLab takes a state that is not final once, and lets nothing that runs be pending again.
fn stands(world: &World, new: &CommitStatus) -> Option<Response> {
    let same = |old: &&CommitStatus| (&old.commit, &old.name) == (&new.commit, &new.name);
    let old = world.statuses.iter().rev().find(same)?;
    let event = match (old.state.as_str(), new.state.as_str()) {
        ("pending" | "running", "pending") => "enqueue",
        ("running", "running") => "run",
        _ => return None,
    };
    let (old, why) = (&old.state, format!("Status cannot transition via \"{event}\""));
    let text = format!("Cannot transition status via :{event} from :{old} (Reason(s): {why})");
    Some(says(StatusCode::BAD_REQUEST, &text))
}

type Place = (String, u64);

pub(super) async fn write(
    State(world): State<Shared<World>>,
    Path((project, number)): Path<Place>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers, &project) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    let text = body["body"].as_str().unwrap_or_default();
    if text.is_empty() || text.chars().count() > 1_000_000 {
        return says(StatusCode::BAD_REQUEST, "note is invalid");
    }
    let id = add(&mut world.lock(), number, OWN, text);
    lose(fault).await;
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

pub(super) async fn update(
    State(world): State<Shared<World>>,
    Path((project, number, id)): Path<(String, u64, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let fault = match admit(&mut world.lock(), &headers, &project) {
        Ok(fault) => fault,
        Err(refused) => return *refused,
    };
    {
        let mut world = world.lock();
        let its = |note: &&mut Note| note.id == id && note.merge_request == number;
        match world.notes.iter_mut().find(its) {
            None => return says(StatusCode::NOT_FOUND, "404 Not found"),
            Some(note) if note.author != OWN => {
                return says(StatusCode::FORBIDDEN, "403 Forbidden");
            }
            Some(note) => body["body"].as_str().unwrap_or_default().clone_into(&mut note.body),
        }
    }
    lose(fault).await;
    Json(json!({ "id": id })).into_response()
}

/// The newest first, in pages.
pub(super) async fn list(
    State(world): State<Shared<World>>,
    Path((project, number)): Path<Place>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Err(refused) = admit(&mut world, &headers, &project) {
        return *refused;
    }
    let asked = |key: &str, usual: usize| {
        query.get(key).and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (page, size) = (asked("page", 1).max(1), asked("per_page", 20).min(100));
    let of_it = world.notes.iter().rev().filter(|note| note.merge_request == number);
    let shown = of_it.skip((page - 1) * size).take(size);
    let shown: Vec<Value> = shown
        .map(|note| json!({ "id": note.id, "body": note.body, "author": { "id": note.author } }))
        .collect();
    Json(shown).into_response()
}
