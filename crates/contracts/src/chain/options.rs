//! How a chain is to be carried out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlannedStep;
use crate::{Code, Reason};

/// How a chain is to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChainOptions {
    /// What becomes of the rest when a step ends badly.
    #[serde(skip_serializing_if = "OnFailure::is_continue")]
    pub on_failure: OnFailure,
    /// A newer chain of the same branch that has all of its stacks ends it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub supersede: bool,
    /// Steps that only follow others run even if nothing they read has changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub run_always: bool,
    /// Every step is planned before any is applied; the policies are asked once about all plans
    /// together, and each apply must then be what was allowed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub plan_all: bool,
}

impl ChainOptions {
    /// Whether nothing special is wanted.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Why nothing of these steps can be planned as a whole before anything is applied, if so: what
    /// applies by itself cannot be held to a plan that was allowed.
    pub fn conflict<'a>(&self, steps: impl Iterator<Item = &'a PlannedStep>) -> Option<Reason> {
        let steps = steps.filter(|step| self.plan_all && step.autodeploy);
        let names: Vec<&str> = steps.map(|step| step.stack.as_str()).collect();
        let text = format!(
            "everything is to be planned before anything is applied, but {} would apply by itself \
             whatever its plan; turn autodeploy off there, or take `stackly:plan-all` away",
            names.join(", ")
        );
        (!names.is_empty()).then(|| Reason::new(Code::AutodeployConflict, text))
    }
}

/// What becomes of the rest of a chain when a step ends badly. What depends on the step never runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Steps that do not depend on it go on.
    #[default]
    Continue,
    /// Nothing new starts; what has a run goes on to its end.
    Stop,
}

impl OnFailure {
    fn is_continue(&self) -> bool {
        *self == Self::Continue
    }
}
