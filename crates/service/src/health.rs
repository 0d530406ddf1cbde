//! `/live`, `/ready`, `/metrics` and `PUT /log-level`.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, put},
};
use bus::Bus;
use serde::Deserialize;
use serde_json::json;
use store::Store;

use crate::telemetry;

/// Where health is served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `host:port`; empty for nowhere.
    pub listen: String,
}

/// The pages. `/live`: the process runs. `/ready`: it can do its work now.
pub fn router(bus: Bus, store: Store) -> Router {
    Router::new()
        .route("/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/ready", get(ready))
        .route("/metrics", get(|| async { telemetry::metrics_page() }))
        .route("/log-level", put(log_level))
        .with_state((bus, store))
}

async fn ready(State((bus, store)): State<(Bus, Store)>) -> impl IntoResponse {
    let (bus, store) = (bus.is_connected(), store.is_ready().await);
    let status = if bus && store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": bus && store, "bus": bus, "store": store })))
}

async fn log_level(directives: String) -> impl IntoResponse {
    match telemetry::set_log(directives.trim()) {
        Ok(()) => (StatusCode::OK, Json(json!({ "log": directives.trim() }))),
        Err(message) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "code": "malformed", "message": message })))
        }
    }
}
