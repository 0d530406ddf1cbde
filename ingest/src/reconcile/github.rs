//! GitHub's API, as far as deliveries of webhooks go.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::api::{Answer, Api, Trouble};

/// One attempt to deliver.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: u64,
    /// The same for all attempts: what the webhook has as `X-GitHub-Delivery`.
    pub(super) guid: String,
    pub(super) delivered_at: DateTime<Utc>,
    #[serde(default)]
    pub(super) event: String,
    /// What GitHub says of it: `OK`, `failed to connect to host`.
    #[serde(default)]
    pub(super) status: String,
    /// What the receiver answered.
    #[serde(default)]
    pub(super) status_code: u16,
}

/// What was, or should have been, delivered.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) headers: Map<String, Value>,
    pub(super) payload: Box<RawValue>,
}

#[derive(Deserialize)]
struct Detail {
    request: Request,
}

/// One delivery, whole.
pub(super) async fn delivery(api: &Api, hook: &str, id: u64) -> Result<Answer<Request>, Trouble> {
    let url = api.url(&format!("{}/deliveries/{id}", hook.trim_matches('/')));
    let Answer { content, usage, next } = api.ask::<Detail>(&url).await?;
    Ok(Answer { content: content.request, usage, next })
}
