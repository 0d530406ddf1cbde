//! What the service answers people: written here, and read by the command line.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `deliveries`: what people were told about a chain, or about a change without one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deliveries {
    /// The calls, in the order in which they were begun.
    pub deliveries: Vec<Delivery>,
}

/// One call to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The effect that makes it.
    pub effect: Uuid,
    /// Which channel.
    pub channel: String,
    /// What the call does there.
    pub kind: String,
    /// A channel, a commit, the name of an endpoint: never an address or a secret.
    pub target: String,
    /// The event or what the call says, in a few words.
    pub about: String,
    /// `delivered`, `waiting` or `given_up`.
    pub standing: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The HTTP status of the last answer, if there was one.
    pub last_status: Option<i32>,
    /// Why it failed last.
    pub error: Option<String>,
    /// When it was tried first.
    pub first_attempt_at: DateTime<Utc>,
    /// When it was tried last.
    pub last_attempt_at: DateTime<Utc>,
    /// When it is tried again.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the other side took it.
    pub delivered_at: Option<DateTime<Utc>>,
}
