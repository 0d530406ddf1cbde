//! What the Spacelift account says about itself besides runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Message;

/// Something in the Spacelift account was changed (its audit trail says so).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountAudited {
    /// The account's name.
    pub account: String,
    /// `<entity>.<verb>`, such as `stack.create`.
    pub action: String,
    /// `<source>::<identity>`, such as `api::01H…`.
    pub actor: String,
    /// The entity, where the entry names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

impl Message for AccountAudited {
    const TYPE: &'static str = "account.audited";
    const MEANING: &'static str = "The Spacelift account was changed.";

    fn key(&self) -> String {
        self.account.clone()
    }
}

/// Spacelift reports a fault of its own or of the account's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountAlerted {
    /// The account's name.
    pub account: String,
    /// `INFO`, `WARNING` or `ERROR`.
    pub severity: String,
    /// One line.
    pub title: String,
    /// The details.
    pub text: String,
}

impl Message for AccountAlerted {
    const TYPE: &'static str = "account.alerted";
    const MEANING: &'static str = "Spacelift reported an error of the account.";

    fn key(&self) -> String {
        self.account.clone()
    }
}
