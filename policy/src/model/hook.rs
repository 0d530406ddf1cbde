//! Somebody outside who is asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Somebody outside is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// How long they have.
    pub timeout: Duration,
    /// What it means if they say nothing.
    pub on_silence: Silence,
    /// Those of a lower number are asked first.
    pub priority: u64,
    /// How long a yes counts if something else holds the gate meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
}

/// What it means if a hook says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// No.
    #[default]
    Deny,
    /// Yes.
    Pass,
    /// Yes, and it is said.
    Warn,
}

impl Silence {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Pass => "pass",
            Self::Warn => "warn",
        }
    }
}
