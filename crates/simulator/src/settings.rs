//! Switches of the whole account that tests turn.

use serde::{Deserialize, Serialize};

/// Switches of the whole account.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Spacelift's quirk: a parent that was skipped counts as passed, so that the grandchildren
    /// of a failure still run. Switched off, a skipped parent breaks the chain.
    pub skipped_parent_passes: bool,
    /// Whether native dependencies start runs at all.
    pub native_dependencies: bool,
    /// How long a new token is good for.
    pub token_lifetime_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { skipped_parent_passes: true, native_dependencies: true, token_lifetime_s: 3_600 }
    }
}
