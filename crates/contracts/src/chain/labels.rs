//! What code has to do with the labels of a stack.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{List, Text};

/// The labels of a stack that its code alone says or said. Who writes the code writes them, so they
/// may hold what is done with it, and never let it go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeLabels {
    /// Those of its labels that Spacelift does not have.
    #[serde(default, skip_serializing_if = "<[Text]>::is_empty")]
    pub added: List<Text>,
    /// What its code said before the change, which takes it away: it holds the change still.
    #[serde(default, skip_serializing_if = "<[Text]>::is_empty")]
    pub taken: List<Text>,
}

impl CodeLabels {
    /// Whether there is nothing to say.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.taken.is_empty()
    }
}
