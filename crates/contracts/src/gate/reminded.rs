//! Reminders.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::{ChainId, GateId, Message, Reason, StackId};

/// A gate waits for people for longer than its policy wants; told once for each policy, and once more
/// when others may approve as well. `reason.code` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateReminded {
    /// The gate.
    pub gate: GateId,
    /// The chain it belongs to.
    pub chain: ChainId,
    /// When it was asked.
    pub moment: Moment,
    /// The stack it is about; absent before a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// The repository of the change that waits.
    pub repository: String,
    /// The policy that wants people reminded; absent where it was not said yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What waits, since when, and who may still approve.
    pub reason: Reason,
}

impl Message for GateReminded {
    const TYPE: &'static str = "gate.reminded";
    const MEANING: &'static str = "A gate has waited for approvals longer than its policy allows.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}
