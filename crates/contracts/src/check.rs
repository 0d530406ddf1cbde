//! Health checks that somebody outside answers.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChainId, Message, StackId, change::Change};

/// Whoever knows is asked whether all is well after a wave, and answers with the command
/// `check.answer` in time. Silence means that it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckAsked {
    /// Who is asked: the `hook` of the check.
    pub hook: String,
    /// The name of the check.
    pub check: String,
    /// The chain that waits for it.
    pub chain: ChainId,
    /// Which of the looks at the health of this chain it belongs to, counted from one.
    pub look: u32,
    /// The wave that may be to blame: `wave 2`, `the canary wave`.
    pub wave: String,
    /// The stacks of that wave.
    pub stacks: Vec<StackId>,
    /// What set the chain off.
    pub change: Change,
    /// From when on silence counts.
    pub deadline: DateTime<Utc>,
}

impl Message for CheckAsked {
    const TYPE: &'static str = "check.asked";
    const MEANING: &'static str =
        "An external system or a person is asked for a health check after a wave.";

    fn key(&self) -> String {
        self.hook.clone()
    }
}

/// Whether all is well after a wave. The first answer to a look counts. Sent as a request to the
/// executor, which commits it before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerCheck {
    /// The chain that asked.
    pub chain: ChainId,
    /// The name of the check.
    pub check: String,
    /// The look it belongs to; the one under way if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<u32>,
    /// Whether all is well.
    pub pass: bool,
    /// Who answers.
    pub by: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The groups that the issuer of their ID token says they belong to, by its own names; absent if
    /// they answer without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

impl Message for AnswerCheck {
    const TYPE: &'static str = "check.answer";
    const MEANING: &'static str = "A health check says whether all is well after a wave.";

    fn key(&self) -> String {
        self.chain.to_string()
    }
}
