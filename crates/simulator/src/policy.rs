//! Policies that were created. Two kinds have an effect here, by what their Rego says: `NOTIFICATION`
//! routes run events to named webhooks, and `GIT_PUSH` decides what follows from a push.

mod input;
mod program;

pub(crate) use input::{notification, push};
pub(crate) use program::{Decision, Program};

/// One policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) program: Program,
    pub(crate) kind: PolicyType,
    pub(crate) description: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) space: String,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

/// What a policy decides about.
#[derive(async_graphql::Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PolicyType {
    Access,
    Approval,
    GitPush,
    Initialization,
    Login,
    Notification,
    Plan,
    Task,
    TerraformPlan,
    Trigger,
}

impl Policy {
    /// Whether its labels attach it to a stack with these.
    pub(crate) fn attaches_to(&self, labels: &[String]) -> bool {
        attaches(&self.labels, labels)
    }
}

/// `autoattach:<label>` attaches to what carries the label, `autoattach:*` to everything.
pub(crate) fn attaches(own: &[String], labels: &[String]) -> bool {
    let mut wanted = own.iter().filter_map(|label| label.strip_prefix("autoattach:"));
    wanted.any(|wanted| wanted == "*" || labels.iter().any(|label| label == wanted))
}
