//! How large, how old and how unlucky something may be.

use std::{fmt, time::Duration};

use contracts::gate::Moment;
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;

/// Money, to the hundredth, in the currency of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Cost(i64);

impl From<f64> for Cost {
    fn from(amount: f64) -> Self {
        // What is too large for a number of hundredths is the largest there is.
        Self((amount * 100.0).round() as i64)
    }
}

impl From<Cost> for f64 {
    fn from(cost: Cost) -> Self {
        cost.0 as Self / 100.0
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", f64::from(*self))
    }
}

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
    /// What it adds to the costs of a month, where anybody says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_delta: Option<Cost>,
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
        self.counts()
            || !self.protected_types.is_empty()
            || self.max_plan_age.is_some()
            || self.max_cost_delta.is_some()
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
