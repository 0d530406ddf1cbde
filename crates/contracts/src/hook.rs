//! What senders say that Stackly knows only by configuration, and hooks that nobody waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ChainId, Message, change::Change, label, step::StepSummary};

/// A sender that is described by configuration alone said something, rightly signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookReceived {
    /// Who: `standard/<name>` or `custom/<name>`, as in the path it sends to.
    pub source: String,
    /// The sender's own name for what happened; `unknown` where it gives none.
    pub kind: String,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// What it said: the JSON it sent.
    pub data: Value,
}

impl Message for HookReceived {
    const TYPE: &'static str = "hook.received";
    const MEANING: &'static str = "A custom or Standard Webhooks source sent a delivery.";

    fn key(&self) -> String {
        self.source.clone()
    }
}

/// After what a hook is called that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// A plan is known: it waits to be applied, or was all that was asked for.
    PostPlan,
    /// A run that applies has ended well.
    PostApply,
    /// A run that destroys has ended well.
    PostDestroy,
}

impl After {
    /// As `stackly.hcl` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PostPlan => "post_plan",
            Self::PostApply => "post_apply",
            Self::PostDestroy => "post_destroy",
        }
    }

    /// The hook that a label of a stack wants to be called after this, if it wants one.
    pub fn hook_of(self, label: &str) -> Option<&str> {
        let (after, hook) = label.strip_prefix(label::HOOK)?.split_once(':')?;
        (after == self.as_str() && !hook.is_empty()).then_some(hook)
    }
}

/// A hook is called after something, because the `stackly.hcl` of the stack names it. Nobody waits
/// for an answer: whoever subscribes to it does what is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookCalled {
    /// The name of the hook.
    pub hook: String,
    /// After what.
    pub after: After,
    /// The chain.
    pub chain: ChainId,
    /// What set the chain off.
    pub change: Change,
    /// The step, with its run and what that changes, as far as it is known.
    pub step: StepSummary,
}

impl Message for HookCalled {
    const TYPE: &'static str = "hook.called";
    const MEANING: &'static str = "A hook of a stack is called after a plan, an apply or a destroy; nothing waits for an answer.";

    fn key(&self) -> String {
        self.hook.clone()
    }
}

/// A person has deliveries read again. Sent as a request to ingest, which commits what comes of it
/// before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayDeliveries {
    /// Which, in the order in which they are read.
    pub deliveries: Vec<Uuid>,
    /// Only say what would be read differently.
    #[serde(default)]
    pub dry_run: bool,
    /// Who says so.
    pub by: String,
}

impl Message for ReplayDeliveries {
    const TYPE: &'static str = "delivery.replay";
    const MEANING: &'static str = "Process stored deliveries again with this build.";

    fn key(&self) -> String {
        self.deliveries.first().map(Uuid::to_string).unwrap_or_default()
    }
}

/// A person has something told again: a message, a status, a comment or a webhook. Sent as a request
/// to the notifier, which commits what comes of it before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryNotices {
    /// Which, by the calls that told it.
    pub notices: Vec<Uuid>,
    /// Who says so.
    pub by: String,
}

impl Message for RetryNotices {
    const TYPE: &'static str = "notice.retry";
    const MEANING: &'static str = "Send a notice again: a message, a status, a webhook.";

    fn key(&self) -> String {
        self.notices.first().map(Uuid::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_the_hook_that_is_called_after_what_it_says() {
        let label = "stackly:hook=post_apply:notify:slack";
        assert_eq!(After::PostApply.hook_of(label), Some("notify:slack"));
        assert_eq!(After::PostPlan.hook_of(label), None);
        assert_eq!(After::PostApply.hook_of("stackly:hook=post_apply:"), None);
        assert_eq!(After::PostApply.hook_of("stackly:hook=pre_apply:x"), None);
    }
}
