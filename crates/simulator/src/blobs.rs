//! State files and uploaded workspaces: fetched and put by URL, outside GraphQL.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::json;

use crate::{shared::Shared, stack::Stack};

/// The state file of a stack, in Terraform's format.
pub(crate) fn state_file(stack: &Stack) -> Bytes {
    let outputs: serde_json::Map<String, serde_json::Value> = stack
        .outputs
        .iter()
        .map(|(name, output)| {
            let value = json!({
                "value": output.value, "type": "string", "sensitive": output.sensitive,
            });
            (name.clone(), value)
        })
        .collect();
    let resources: Vec<serde_json::Value> = stack
        .entities
        .iter()
        .map(|entity| {
            json!({
                "mode": "managed", "type": "terraform_data", "name": entity.name,
                "provider": "provider[\"terraform.io/builtin/terraform\"]",
                "instances": [{ "schema_version": 0, "attributes": { "id": entity.id.to_string() } }],
            })
        })
        .collect();
    let state = json!({
        "version": 4, "terraform_version": stack.seed.vendor.terraform_version(),
        "serial": stack.entities.len(), "lineage": &*stack.id,
        "outputs": outputs, "resources": resources,
    });
    Bytes::from(state.to_string())
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/blobs/{id}", get(fetch).put(store))
}

async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Bytes, StatusCode> {
    shared.read(|world| world.blobs.get(&id).cloned()).ok_or(StatusCode::NOT_FOUND)
}

async fn store(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    shared.act(|world| {
        if !world.workspaces.contains_key(&id) {
            return StatusCode::NOT_FOUND;
        }
        world.blobs.insert(id, body);
        StatusCode::OK
    })
}
