//! The webhook of an app: it is not pinged, but what was delivered can be delivered again.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde_json::json;

use super::{
    Delivery, Github, World,
    deliveries::{limits, page, whole},
    pings, says,
};
use crate::{Shared, app::is_app};

impl Github {
    /// The app's webhook sends here from now on, signed with this.
    pub fn set_app_hook(&self, url: &str, secret: &str) {
        let config = json!({ "url": url, "content_type": "json", "secret": secret });
        self.world.lock().app_hook = json!({ "id": 1, "config": config });
    }
}

/// Lets nobody in but the app itself.
fn barred(world: &mut World, headers: &HeaderMap) -> Option<Response> {
    world.calls += 1;
    let refused = "A JSON web token could not be decoded";
    (!is_app(&world.app, headers)).then(|| says(StatusCode::UNAUTHORIZED, refused))
}

pub(super) async fn configuration(
    State(world): State<Shared<World>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = barred(&mut world, &headers) {
        return refused;
    }
    let url = world.app_hook["config"]["url"].as_str().unwrap_or_default();
    let shown = json!({ "content_type": "json", "insecure_ssl": "0", "secret": "********",
        "url": url });
    limits(&world, Json(shown).into_response())
}

pub(super) async fn list(
    State(world): State<Shared<World>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    barred(&mut world, &headers).unwrap_or_else(|| page(&mut world, "app/hook", &query, &headers))
}

pub(super) async fn show(
    State(world): State<Shared<World>>,
    Path(id): Path<usize>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    barred(&mut world, &headers).unwrap_or_else(|| whole(&mut world, id))
}

pub(super) async fn attempt(
    State(world): State<Shared<World>>,
    Path(id): Path<usize>,
    headers: HeaderMap,
) -> Response {
    let (hook, delivered) = {
        let mut world = world.lock();
        if let Some(refused) = barred(&mut world, &headers) {
            return refused;
        }
        let delivered = id.checked_sub(1).and_then(|place| world.deliveries.get(place)).cloned();
        (world.app_hook.clone(), delivered)
    };
    let Some(delivered) = delivered else { return says(StatusCode::NOT_FOUND, "Not Found") };
    tokio::spawn(pings::deliver(world, hook, Delivery { at: Utc::now(), ..delivered }));
    (StatusCode::ACCEPTED, Json(json!({}))).into_response()
}
