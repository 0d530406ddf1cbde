//! What a chain is there for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a chain does with what its stacks manage, and why.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Brings a change of code to them.
    #[default]
    Deliver,
    /// Puts right what differs from code that has not changed.
    FixDrift,
    /// Destroys it, because a person asked for that.
    Destroy,
    /// Destroys it, because the code is gone and a policy says so.
    Deregister,
}

impl Action {
    /// The action as written in messages and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::FixDrift => "fix_drift",
            Self::Destroy => "destroy",
            Self::Deregister => "deregister",
        }
    }

    /// Whether nothing is left of what the stacks manage.
    pub const fn destroys(self) -> bool {
        matches!(self, Self::Destroy | Self::Deregister)
    }

    /// Whether it is the usual one.
    pub fn is_deliver(&self) -> bool {
        *self == Self::Deliver
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
