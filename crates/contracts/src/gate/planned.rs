//! What plans would change, as gates are shown it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Reason, RunId, StackId, run::Delta};

/// One resource that a plan would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedChange {
    /// Its address, `module.net.aws_subnet.a`.
    pub address: String,
    /// Its type, `aws_subnet`.
    pub resource_type: String,
    /// What would happen to it: `added`, `changed` or `deleted`; a replacement is both of two.
    pub action: String,
    /// The stack it belongs to, where the gate is about the plans of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
}

/// The plan of one stack, where a gate is about the plans of a whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackPlan {
    /// The stack.
    pub stack: StackId,
    /// The run that shows it; it plans only, and applies nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What it would change; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// Why it is not known, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Reason>,
}
