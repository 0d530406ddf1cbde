//! Pings and what is delivered again, which really go where the webhook sends to.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{Delivery, World, hooks::barred, says};
use crate::Shared;

/// What a receiver answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) said: String,
    pub(super) body: String,
}

impl Default for Answer {
    /// Of what was noted and never sent.
    fn default() -> Self {
        Self { status: 502, said: "timed out".to_owned(), body: String::new() }
    }
}

pub(super) async fn send(
    State(world): State<Shared<World>>,
    Path((owner, name, id)): Path<(String, String, usize)>,
    headers: HeaderMap,
) -> Response {
    let hook = {
        let mut world = world.lock();
        if let Some(refused) = barred(&mut world, &headers, &format!("{owner}/{name}")) {
            return refused;
        }
        id.checked_sub(1).and_then(|place| world.hooks.get(place)).cloned()
    };
    let Some(hook) = hook else { return says(StatusCode::NOT_FOUND, "Not Found") };
    let payload = json!({ "zen": "Design for failure.", "hook_id": hook["id"],
        "hook": { "events": hook["events"], "active": true } });
    let guid = Uuid::new_v4().to_string();
    let ping = Delivery { guid, event: "ping".to_owned(), at: Utc::now(), payload };
    tokio::spawn(deliver(world, hook, ping));
    StatusCode::NO_CONTENT.into_response()
}

/// Sends a delivery to where the webhook leads, and notes what was answered.
pub(super) async fn deliver(world: Shared<World>, hook: Value, delivery: Delivery) {
    let text = |key: &str| hook["config"][key].as_str().unwrap_or_default();
    let body = delivery.payload.to_string();
    let mac = Hmac::<Sha256>::new_from_slice(text("secret").as_bytes()).expect("any length fits");
    let signature = hex::encode(mac.chain_update(&body).finalize().into_bytes());
    let answered = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("nothing special is asked of it")
        .post(text("url"))
        .header("content-type", "application/json")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", &delivery.guid)
        .header("x-github-hook-id", hook["id"].to_string())
        .header("x-hub-signature-256", format!("sha256={signature}"))
        .body(body)
        .send()
        .await;
    let answer = match answered {
        Ok(response) => {
            let status = response.status();
            let said = match status.is_success() {
                true => "OK".to_owned(),
                false => format!("Invalid HTTP Response: {}", status.as_u16()),
            };
            let body = response.text().await.unwrap_or_default();
            Answer { status: status.as_u16(), said, body }
        }
        Err(_) => Answer { said: "failed to connect to host".to_owned(), ..Answer::default() },
    };
    let mut world = world.lock();
    world.answers.insert(delivery.guid.clone(), answer);
    world.deliveries.push(delivery);
}
