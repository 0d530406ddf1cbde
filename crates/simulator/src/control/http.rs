//! The control endpoints: JSON over HTTP, each doing what one method of [`Control`] does.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRef, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    account::{DependencySeed, StackSeed},
    control::{Control, ControlError, RunView, StackPatch, StackView},
    engine::Push,
    faults::{Fault, FaultView},
    journal::JournalEntry,
    options::WebhookTarget,
    pace::Pace,
    settings::Settings,
    shared::Shared,
    webhook::{DeliveryRecord, WebhookView},
};

/// So many lines of the journal are given at once.
const LINES_MAX: usize = 10_000;

impl FromRef<Arc<Shared>> for Control {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        Self::new(shared.clone())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        let (status, code) = match self {
            Self::Refused(reason) if reason.ends_with("not found") => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            Self::Refused(_) => (StatusCode::CONFLICT, "refused"),
            Self::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
        };
        (status, Json(json!({ "code": code, "message": message }))).into_response()
    }
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/journal", get(journal).delete(reset_journal))
        .route("/calls", get(calls))
        .route("/stacks", post(add_stack))
        .route("/stacks/{id}", get(stack).patch(patch_stack).delete(remove_stack))
        .route("/stacks/{id}/runs", get(runs))
        .route("/dependencies", post(add_dependency))
        .route("/dependencies/{id}", delete(remove_dependency))
        .route("/runs/{id}", get(run).delete(delete_run))
        .route("/push", post(push))
        .route("/pace", post(pace))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/tokens/expire", post(expire_tokens))
        .route("/time", post(time))
        .route("/settings", get(settings).post(set_settings))
        .route("/webhooks", get(webhooks).post(add_webhook))
        .route("/webhooks/{id}", post(enable_webhook))
        .route("/webhooks/{id}/deliveries", get(deliveries))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lines {
    after: u64,
    limit: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { after: 0, limit: LINES_MAX }
    }
}

#[derive(Serialize)]
struct JournalPage {
    entries: Vec<JournalEntry>,
    /// What to ask for next.
    last: u64,
}

async fn journal(State(control): State<Control>, Query(lines): Query<Lines>) -> Json<JournalPage> {
    let limit = lines.limit.min(LINES_MAX);
    let entries = control
        .shared
        .read(|world| world.journal.after(lines.after).iter().take(limit).cloned().collect());
    let entries: Vec<JournalEntry> = entries;
    let last = entries.last().map_or(lines.after, |entry| entry.number);
    Json(JournalPage { entries, last })
}

async fn calls(State(control): State<Control>) -> Json<BTreeMap<String, u64>> {
    Json(control.calls())
}

async fn reset_journal(State(control): State<Control>) -> StatusCode {
    control.reset_journal();
    StatusCode::NO_CONTENT
}

async fn add_stack(
    State(control): State<Control>,
    Json(seed): Json<StackSeed>,
) -> Result<StatusCode, ControlError> {
    control.add_stack(seed)?;
    Ok(StatusCode::CREATED)
}

async fn stack(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<StackView>, ControlError> {
    let missing = || ControlError::Refused(format!("stack {id} not found"));
    control.stack(&id).map(Json).ok_or_else(missing)
}

async fn patch_stack(
    State(control): State<Control>,
    Path(id): Path<String>,
    Json(patch): Json<StackPatch>,
) -> Result<StatusCode, ControlError> {
    control.patch_stack(&id, patch)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_stack(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<StatusCode, ControlError> {
    control.remove_stack(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn runs(State(control): State<Control>, Path(id): Path<String>) -> Json<Vec<RunView>> {
    Json(control.runs(&id))
}

async fn add_dependency(
    State(control): State<Control>,
    Json(seed): Json<DependencySeed>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let id = control.add_dependency(seed)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn remove_dependency(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<StatusCode, ControlError> {
    control.remove_dependency(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn run(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<Json<RunView>, ControlError> {
    let missing = || ControlError::Refused(format!("run {id} not found"));
    control.run(&id).map(Json).ok_or_else(missing)
}

async fn delete_run(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Result<StatusCode, ControlError> {
    control.delete_run(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn push(
    State(control): State<Control>,
    Json(push): Json<Push>,
) -> Result<Json<Value>, ControlError> {
    Ok(Json(json!({ "runs": control.push(push)? })))
}

async fn pace(State(control): State<Control>, Json(pace): Json<Pace>) -> StatusCode {
    control.set_account_pace(pace);
    StatusCode::NO_CONTENT
}

async fn faults(State(control): State<Control>) -> Json<Vec<FaultView>> {
    Json(control.faults())
}

/// Everything a fault may say. Serde cannot refuse the rest here, and a misspelt `times` would
/// make a fault last for ever.
const FAULT_KEYS: [&str; 7] =
    ["fault", "operations", "times", "probability", "status", "retry_after_s", "delay_ms"];

async fn add_fault(State(control): State<Control>, Json(fault): Json<Value>) -> Response {
    let unknown = fault
        .as_object()
        .and_then(|fields| fields.keys().find(|key| !FAULT_KEYS.contains(&key.as_str())));
    let fault = match unknown {
        Some(key) => Err(format!("a fault has no {key}")),
        None => serde_json::from_value::<Fault>(fault).map_err(|error| error.to_string()),
    };
    match fault {
        Ok(fault) => {
            let id = control.add_fault(fault);
            (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
        }
        Err(message) => {
            let body = Json(json!({ "code": "malformed", "message": message }));
            (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
        }
    }
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    control.clear_faults();
    StatusCode::NO_CONTENT
}

async fn remove_fault(State(control): State<Control>, Path(id): Path<u64>) -> StatusCode {
    if control.remove_fault(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn expire_tokens(State(control): State<Control>) -> StatusCode {
    control.expire_tokens();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    paused: Option<bool>,
    advance_ms: Option<u64>,
}

async fn time(State(control): State<Control>, Json(time): Json<Time>) -> StatusCode {
    match time.paused {
        Some(true) => control.pause(),
        Some(false) => control.resume(),
        None => {}
    }
    if let Some(milliseconds) = time.advance_ms {
        control.advance(milliseconds);
    }
    StatusCode::NO_CONTENT
}

async fn settings(State(control): State<Control>) -> Json<Settings> {
    Json(control.settings())
}

async fn set_settings(
    State(control): State<Control>,
    Json(settings): Json<Settings>,
) -> StatusCode {
    control.set_settings(settings);
    StatusCode::NO_CONTENT
}

async fn webhooks(State(control): State<Control>) -> Json<Vec<WebhookView>> {
    Json(control.webhooks())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    name: String,
    endpoint: String,
    secret: String,
}

async fn add_webhook(
    State(control): State<Control>,
    Json(new): Json<NewWebhook>,
) -> (StatusCode, Json<Value>) {
    let target = WebhookTarget { endpoint: new.endpoint, secret: new.secret };
    let id = control.add_webhook(&new.name, &target);
    (StatusCode::CREATED, Json(json!({ "id": id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enable {
    enabled: bool,
}

async fn enable_webhook(
    State(control): State<Control>,
    Path(id): Path<String>,
    Json(enable): Json<Enable>,
) -> Result<StatusCode, ControlError> {
    control.enable_webhook(&id, enable.enabled)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn deliveries(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Json<Vec<DeliveryRecord>> {
    Json(control.deliveries(&id))
}
