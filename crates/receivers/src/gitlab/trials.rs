//! Tests of the webhook, which really go where it sends to.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Gitlab, HookEvent, READ_TOKEN, World, limits, refuse, says};
use crate::{Shared, bearer};

impl Gitlab {
    /// The webhook sends here from now on, with this token.
    pub fn send_to(&self, url: &str, token: &str) {
        self.world.lock().target = (url.to_owned(), token.to_owned());
    }
}

/// What GitLab makes up for a test; nothing of what is not there to be told.
fn made_up(trigger: &str) -> Option<(&'static str, Value)> {
    (trigger == "resource_access_token_events").then(|| {
        let token = json!({ "user_id": null, "id": 1, "name": "pat_for_webhook_event",
            "created_at": chrono::Utc::now(), "expires_at": "2026-12-02" });
        let data = json!({ "object_kind": "access_token", "event_name": "expiring_access_token",
            "project": { "id": 42, "path_with_namespace": "acme/infra" },
            "object_attributes": token });
        ("Resource Access Token Hook", data)
    })
}

pub(super) async fn send(
    State(world): State<Shared<World>>,
    Path((project, hook, trigger)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let (url, token) = {
        let mut world = world.lock();
        if let Some(refused) = refuse(&mut world, &headers, &project, &hook) {
            return refused;
        }
        if bearer(&headers) == Some(READ_TOKEN) {
            let body = json!({ "error": "insufficient_scope", "scope": "api" });
            return (StatusCode::FORBIDDEN, Json(body)).into_response();
        }
        world.target.clone()
    };
    let Some((event, data)) = made_up(&trigger) else {
        return says(StatusCode::UNPROCESSABLE_ENTITY, "Ensure the project has such things.");
    };
    let key = Uuid::new_v4().to_string();
    let sent = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("nothing special is asked of it")
        .post(url)
        .header("content-type", "application/json")
        .header("x-gitlab-event", event)
        .header("x-gitlab-token", token)
        .header("idempotency-key", &key)
        .body(data.to_string())
        .send()
        .await;
    let (status, answer) = match sent {
        Ok(answered) => {
            (answered.status().as_u16().to_string(), answered.text().await.unwrap_or_default())
        }
        Err(_) => ("internal error".to_owned(), String::new()),
    };
    let mut world = world.lock();
    let is_taken = status.starts_with('2');
    world.answers.insert(key.clone(), answer.clone());
    world.events.push(HookEvent { key, event: event.to_owned(), data, status });
    limits(
        &world,
        match is_taken {
            true => says(StatusCode::CREATED, "201 Created"),
            false => says(StatusCode::UNPROCESSABLE_ENTITY, &answer),
        },
    )
}
