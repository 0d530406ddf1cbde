//! What the service answers people: written here, and read by the command line.

use chrono::{DateTime, Utc};
use contracts::{ChainId, Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// `deliveries`: what people were told about a chain, or about a change without one; and `notices`: about
/// anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deliveries {
    /// The calls, in the order in which they were begun; of `notices`, the newest attempts first.
    pub deliveries: Vec<Delivery>,
}

/// `notice`: one call, with what it says and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The record of it.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// The chain it is about; none if it is about something else.
    pub chain: Option<ChainId>,
    /// What the call says; none if it is forgotten, which is sooner than the record.
    pub said: Option<Value>,
    /// It is not over: it is made just now, or made again.
    pub open: bool,
    /// Why it waits, if it does.
    pub reason: Option<Reason>,
}

/// `notice.retry`: what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retried {
    /// In the order in which they were named.
    pub notices: Vec<ToldAgain>,
}

/// What came of one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldAgain {
    /// The call that told it before.
    pub effect: Uuid,
    /// `told_again`, `tried_now`, or why nothing is done: `under_way`, `forgotten`, `unknown`.
    pub code: String,
    /// The same in a sentence.
    pub message: String,
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
