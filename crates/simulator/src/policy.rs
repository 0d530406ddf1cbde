//! Policies that were created. Only one kind has an effect here: a `NOTIFICATION` policy whose
//! body names a webhook routes run events to it.

/// One policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) kind: PolicyType,
    pub(crate) description: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) space: String,
    pub(crate) created_ms: i64,
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
    /// Whether it routes run events to the webhook: its body names it as a string.
    pub(crate) fn routes_to(&self, webhook: &str) -> bool {
        self.kind == PolicyType::Notification && self.body.contains(&format!("\"{webhook}\""))
    }
}
