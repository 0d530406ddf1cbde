//! The list of deliveries GitHub keeps of each webhook, and each delivery whole.

use std::collections::HashMap;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Github, World, refuse, says};
use crate::{Shared, status_code};

/// As many on a page as the caller asks for, but never more.
const PAGE_MAX: usize = 100;

/// One attempt to deliver, as GitHub keeps it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// `X-GitHub-Delivery`: the same for all attempts.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// When it was tried.
    pub at: DateTime<Utc>,
    /// What was sent; `null` where it is shown no more, `false` where its request is not, and a status
    /// where that is all there is to be had; 0 where there is no answer.
    pub payload: Value,
}

impl Github {
    /// Notes an attempt to deliver; nothing is sent.
    pub fn note_delivery(&self, delivery: Delivery) {
        self.world.lock().deliveries.push(delivery);
    }

    /// This delivery is shown so from now on.
    pub fn show_delivery(&self, guid: &str, payload: &Value) {
        let deliveries = &mut self.world.lock().deliveries;
        let shown = deliveries.iter_mut().filter(|one| one.guid == guid);
        shown.for_each(|one| one.payload = payload.clone());
    }

    /// So many requests are granted still.
    pub fn set_quota(&self, left: u64) {
        self.world.lock().quota = Some(left);
    }
}

pub(super) fn limits(world: &World, mut response: Response) -> Response {
    let left = world.quota.unwrap_or(5_000);
    let reset = Utc::now().timestamp() + 600;
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-remaining", HeaderValue::from(left));
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
    response
}

/// By the name of the repository or by its number, as GitHub's own links write it.
pub(super) async fn list(
    State(world): State<Shared<World>>,
    Path(path): Path<HashMap<String, String>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock();
    if let Some(refused) = refuse(&mut world, &headers) {
        return refused;
    }
    page(&mut world, &format!("repositories/7/hooks/{}", path["hook"]), &query, &headers)
}

/// The deliveries of this webhook, the newest first.
pub(super) fn page(
    world: &mut World,
    hook: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Response {
    let etag = format!("\"{}\"", world.deliveries.len());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        return limits(world, StatusCode::NOT_MODIFIED.into_response());
    }
    world.quota = world.quota.map(|left| left.saturating_sub(1));
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(30).clamp(1, PAGE_MAX);
    let skipped = number("cursor").unwrap_or_default();
    let all = world.deliveries.iter().enumerate().rev();
    let page: Vec<_> = all
        .skip(skipped)
        .take(size)
        .map(|(place, one)| {
            let answer = world.answers.get(&one.guid).cloned().unwrap_or_default();
            json!({ "id": place + 1, "guid": one.guid, "delivered_at": one.at, "redelivery": false,
                "status": answer.said, "status_code": answer.status, "event": one.event,
                "action": null })
        })
        .collect();
    let more = skipped + page.len() < world.deliveries.len();
    let mut response = axum::Json(page).into_response();
    response.headers_mut().insert(header::ETAG, HeaderValue::from_str(&etag).expect("digits"));
    if let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok())
        && more
    {
        let next = format!(
            "<http://{host}/{hook}/deliveries?per_page={size}&cursor={}>; rel=\"next\"",
            skipped + size
        );
        let next = HeaderValue::from_str(&next).expect("an address is plain");
        response.headers_mut().insert(header::LINK, next);
    }
    limits(world, response)
}

pub(super) async fn show(
    State(world): State<Shared<World>>,
    Path((_owner, _name, _hook, id)): Path<(String, String, String, usize)>,
    headers: HeaderMap,
) -> Response {
    let shown = {
        let mut world = world.lock();
        if let Some(refused) = refuse(&mut world, &headers) {
            return refused;
        }
        let is_mute = |one: &Delivery| one.payload == json!(0);
        let is_shown =
            !id.checked_sub(1).and_then(|at| world.deliveries.get(at)).is_some_and(is_mute);
        is_shown.then(|| whole(&mut world, id))
    };
    match shown {
        Some(shown) => shown,
        None => std::future::pending().await,
    }
}

/// One delivery, as far as it is shown.
pub(super) fn whole(world: &mut World, id: usize) -> Response {
    world.quota = world.quota.map(|left| left.saturating_sub(1));
    let Some(one) = id.checked_sub(1).and_then(|place| world.deliveries.get(place)) else {
        return says(StatusCode::NOT_FOUND, "Not Found");
    };
    if one.payload.is_null() {
        return says(StatusCode::NOT_FOUND, "Not Found");
    }
    if let Some(status) = one.payload.as_u64().and_then(|status| u16::try_from(status).ok()) {
        return status_code(status).into_response();
    }
    let request = json!({
        "headers": { "X-GitHub-Event": one.event, "X-GitHub-Delivery": one.guid,
            "content-type": "application/json" },
        "payload": one.payload,
    });
    let request = if one.payload == json!(false) { json!({ "headers": null }) } else { request };
    let response = world.answers.get(&one.guid).map(|answer| json!({ "payload": answer.body }));
    let shown = json!({ "id": id, "guid": one.guid, "delivered_at": one.at, "request": request,
        "response": response });
    limits(world, axum::Json(shown).into_response())
}
