//! Which steps of a chain need not ask.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::StackId;

/// The steps of a chain pass their gates without asking, because no policy speaks about them; save
/// those that are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clearance {
    /// From then on everything is asked about again.
    pub until: DateTime<Utc>,
    /// The gates that are asked for all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedGates>,
    /// For how many seconds policies look back at what ended badly; absent if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_back: Option<u64>,
}

/// The gates of one stack that policies speak at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedGates {
    /// The stack.
    pub stack: StackId,
    /// The moments.
    pub moments: Vec<Moment>,
    /// Whether anything that speaks before the apply looks at single resources of the plan, so that
    /// they must be read. Where nobody says, something does.
    #[serde(default = "yes")]
    pub reads_plan: bool,
}

fn yes() -> bool {
    true
}

impl Clearance {
    /// Whether a step passes at this moment without asking.
    pub fn covers(&self, stack: &StackId, moment: Moment, now: DateTime<Utc>) -> bool {
        let is_asked =
            |asked: &AskedGates| asked.stack == *stack && asked.moments.contains(&moment);
        now < self.until && !self.asked.iter().any(is_asked)
    }

    /// For how many seconds policies look back at what ended badly, as far as is known; for ever
    /// where nothing is cleared any more.
    pub fn looks_back(&self, now: DateTime<Utc>) -> Option<u64> {
        if now < self.until { self.looks_back } else { Some(u64::MAX) }
    }

    /// Whether the gate before the apply of this stack is to be shown the resources of its plan.
    pub fn reads_plan(&self, stack: &StackId, now: DateTime<Utc>) -> bool {
        now >= self.until
            || self.asked.iter().any(|asked| asked.stack == *stack && asked.reads_plan)
    }
}
