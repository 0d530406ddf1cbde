//! `/live`, `/ready`, `/metrics` and `PUT /log-level`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

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

/// What keeps a service from its work besides its servers, as far as it knows by itself, and what
/// it works with although it is not as it should be: each by the name of what it is with.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<Noted>>);

#[derive(Debug, Clone, Default)]
struct Noted {
    troubles: Sentences,
    warnings: Sentences,
}

type Sentences = BTreeMap<&'static str, String>;

impl Troubles {
    /// From now on it is not ready, and why: one sentence, without secrets.
    pub fn note(&self, with: &'static str, why: &str) {
        self.0.lock().expect("no holder panics").troubles.insert(with, why.to_owned());
    }

    /// From now on its readiness says so, and it is ready all the same.
    pub fn warn(&self, of: &'static str, why: &str) {
        self.0.lock().expect("no holder panics").warnings.insert(of, why.to_owned());
    }

    /// Not any more.
    pub fn clear(&self, with: &'static str) {
        let mut noted = self.0.lock().expect("no holder panics");
        noted.troubles.remove(with);
        noted.warnings.remove(with);
    }

    fn all(&self) -> Noted {
        self.0.lock().expect("no holder panics").clone()
    }
}

/// The pages. `/live`: the process runs. `/ready`: it can do its work now.
pub fn router(bus: Bus, store: Store, troubles: Troubles) -> Router {
    Router::new()
        .route("/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/ready", get(ready))
        .route("/metrics", get(|| async { telemetry::metrics_page() }))
        .route("/log-level", put(log_level))
        .with_state((bus, store, troubles))
}

async fn ready(State((bus, store, troubles)): State<(Bus, Store, Troubles)>) -> impl IntoResponse {
    let Noted { troubles, warnings } = troubles.all();
    let (bus, store) = (bus.is_connected(), store.is_ready().await);
    let ready = bus && store && troubles.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut page = json!({ "ready": ready, "bus": bus, "store": store });
    if !troubles.is_empty() {
        page["troubles"] = json!(troubles);
    }
    if !warnings.is_empty() {
        page["warnings"] = json!(warnings);
    }
    (status, Json(page))
}

async fn log_level(directives: String) -> impl IntoResponse {
    match telemetry::set_log(directives.trim()) {
        Ok(()) => (StatusCode::OK, Json(json!({ "log": directives.trim() }))),
        Err(message) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "code": "malformed", "message": message })))
        }
    }
}
