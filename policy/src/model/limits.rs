//! How large, how old and how unlucky something may be.

use std::time::Duration;

use contracts::gate::Moment;
use serde::Serialize;

use crate::pattern::Pattern;

/// The most there may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Steps of a chain.
    pub max_stacks: Option<u64>,
    /// Resources a plan touches.
    pub max_resources: Option<u64>,
    /// Resources it adds.
    pub max_added: Option<u64>,
    /// Resources it changes.
    pub max_changed: Option<u64>,
    /// Resources it deletes.
    pub max_deleted: Option<u64>,
    /// Types of resources of which none may be deleted.
    pub protected_types: Vec<Pattern>,
    /// How old a plan may be when it is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_plan_age: Option<Duration>,
}

/// How much may end badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Steps, of the stacks that the policy is about.
    pub max_failures: u64,
    /// Within this time.
    pub within: Duration,
    /// Only those of the chain that asks.
    pub of_chain: bool,
}

impl Limits {
    /// Whether any of them counts what a plan changes.
    pub fn counts(&self) -> bool {
        let counts = [self.max_resources, self.max_added, self.max_changed, self.max_deleted];
        counts.iter().any(Option::is_some)
    }

    /// Whether any of them is about a plan.
    pub fn of_plan(&self) -> bool {
        self.counts() || !self.protected_types.is_empty() || self.max_plan_age.is_some()
    }

    /// The size of a chain is known before it, that of a plan after it.
    pub(super) fn moments(&self) -> &'static [Moment] {
        match (self.max_stacks.is_some(), self.of_plan()) {
            (true, true) => &[Moment::BeforeChain, Moment::BeforeApply],
            (true, false) => &[Moment::BeforeChain],
            (false, _) => &[Moment::BeforeApply],
        }
    }
}
