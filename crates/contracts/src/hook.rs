//! What senders say that Stackly knows only by configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Message;

/// A sender that is described by configuration alone said something, rightly signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookReceived {
    /// Who: `standard/<name>` or `custom/<name>`, as in the path it sends to.
    pub source: String,
    /// The sender's own name for what happened; `unknown` where it gives none.
    pub kind: String,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// What it said: the JSON it sent.
    pub data: Value,
}

impl Message for HookReceived {
    const TYPE: &'static str = "hook.received";
    const MEANING: &'static str = "A sender known by configuration alone said something.";

    fn key(&self) -> String {
        self.source.clone()
    }
}

/// A person has deliveries read again. Sent as a request to ingest, which commits what comes of it
/// before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayDeliveries {
    /// Which, in the order in which they are read.
    pub deliveries: Vec<Uuid>,
    /// Only say what would be read differently.
    #[serde(default)]
    pub dry_run: bool,
    /// Who says so.
    pub by: String,
}

impl Message for ReplayDeliveries {
    const TYPE: &'static str = "delivery.replay";
    const MEANING: &'static str = "A person has deliveries read again by this build.";

    fn key(&self) -> String {
        self.deliveries.first().map(Uuid::to_string).unwrap_or_default()
    }
}
