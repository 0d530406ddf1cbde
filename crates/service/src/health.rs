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
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Store;

use crate::{frame::ITSELF, telemetry};

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

/// What readiness is judged by.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) troubles: Troubles,
    /// Without the broker it can do nothing. Who takes nothing from it goes on and keeps what it
    /// gives: ingest must not be taken out of a load balancer, because webhooks that are refused
    /// are lost.
    pub(crate) needs_bus: bool,
}

/// The pages. `/live`: the process runs. `/ready`: it can do its work now.
pub(crate) fn router(checked: Checked) -> Router {
    Router::new()
        .route("/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/ready", get(ready))
        .route("/metrics", get(|| async { telemetry::metrics_page() }))
        .route("/log-level", put(log_level))
        .with_state(checked)
}

/// Whether a service can do its work now, and what speaks against it: the page `/ready`, and the
/// answer of the question `ready`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// It can.
    pub ready: bool,
    /// It is connected to the broker.
    pub bus: bool,
    /// Its database answers, and takes what is written.
    pub store: bool,
    /// Why not, although both are there, by what it is with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub troubles: BTreeMap<String, String>,
    /// What is not as it should be, although it can.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, String>,
}

impl Readiness {
    /// Whether all that the service does was begun; it may be kept from its work all the same.
    pub fn has_begun(&self) -> bool {
        !self.troubles.contains_key(ITSELF)
    }
}

impl Checked {
    pub(crate) async fn readiness(&self) -> Readiness {
        let Noted { troubles, mut warnings } = self.troubles.all();
        let (bus, store) = (self.bus.is_connected(), self.store.is_ready().await);
        let ready = (bus || !self.needs_bus) && store && troubles.is_empty();
        if !self.needs_bus {
            let how = match (bus, self.bus.era()) {
                (true, Some(_)) => None,
                // For a moment after each reconnect, and for as long as it refuses the streams.
                (true, None) => Some(
                    "it is there, but what it holds is not known yet; if that lasts, the log says why",
                ),
                (false, _) => Some("away"),
            };
            let kept = |how| format!("{how}; what comes in is kept, and published later");
            warnings.extend(how.map(|how| ("bus", kept(how))));
        }
        let owned = |sentences: Sentences| {
            sentences.into_iter().map(|(with, why)| (with.to_owned(), why)).collect()
        };
        Readiness { ready, bus, store, troubles: owned(troubles), warnings: owned(warnings) }
    }
}

async fn ready(State(checked): State<Checked>) -> impl IntoResponse {
    let readiness = checked.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn log_level(directives: String) -> impl IntoResponse {
    match telemetry::set_log(directives.trim()) {
        Ok(()) => (StatusCode::OK, Json(json!({ "log": directives.trim() }))),
        Err(message) => {
            (StatusCode::BAD_REQUEST, Json(json!({ "code": "malformed", "message": message })))
        }
    }
}
