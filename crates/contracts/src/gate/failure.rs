//! What went wrong before a gate was asked.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, SpaceId, StackId};

/// A step that ended badly, and that nobody has mended since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecentFailure {
    /// The chain it is a step of.
    pub chain: ChainId,
    /// The stack.
    pub stack: StackId,
    /// Its space.
    pub space: SpaceId,
    /// Its labels.
    pub labels: Vec<String>,
    /// Where its code lies in the repository; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// When it ended.
    pub at: DateTime<Utc>,
}

impl RecentFailure {
    /// The most that a question names, the newest first.
    pub const MOST: usize = 200;
}
