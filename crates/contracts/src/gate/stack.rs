//! The stack that a gate is about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    SpaceId, StackId, Text,
    chain::{PlannedStep, WorkerPool},
};

/// The stack a gate is about; a gate before a chain is about all of its stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateStack {
    /// The stack.
    pub stack: StackId,
    /// Its space.
    pub space: SpaceId,
    /// Its labels, with those that its code had before the change.
    pub labels: Vec<String>,
    /// Those of them that only its code says or said: they hold the stack, and let it go from
    /// nothing, because the change itself may have written them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_labels: Vec<String>,
    /// It applies without asking: the gate before its plan is the last there is.
    #[serde(default)]
    pub autodeploy: bool,
    /// Where its code lies in the repository; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The change itself does not touch it: it is there because of what it depends on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
    /// The worker pool its runs use; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_pool: Option<WorkerPool>,
}

impl From<&PlannedStep> for GateStack {
    fn from(step: &PlannedStep) -> Self {
        let by_code = &step.by_code;
        let texts = |one: &[Text], other: &[Text]| {
            [one, other].concat().iter().map(Text::to_string).collect()
        };
        Self {
            stack: step.stack.clone(),
            space: step.space.clone(),
            labels: texts(&step.labels, &by_code.taken),
            code_labels: texts(&by_code.added, &by_code.taken),
            autodeploy: step.autodeploy,
            path: step.path.clone().map(String::from),
            follows: step.follows(),
            worker_pool: step.uses.worker_pool.clone(),
        }
    }
}
