//! Other policies over decisions that were made: which would have been others?

use chrono::{DateTime, Utc};
use contracts::{
    CommitSha, Reason,
    gate::{GateRequested, Outcome},
};
use serde::{Deserialize, Serialize};

use crate::{
    call::Call,
    evaluate::{Case, Crowd, Crowds, judge},
    gate::Gate,
    model::PolicySet,
    review::Review,
};

/// A decision with everything it depends on besides the policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The question.
    pub request: GateRequested,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// When it was asked again though it had passed, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_again_at: Option<DateTime<Utc>>,
    /// What people said.
    pub reviews: Vec<Review>,
    /// What hooks said.
    pub calls: Vec<Call>,
    /// Who came before it, where a policy counted chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowds: Option<Vec<Crowd>>,
    /// The answer.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// When it was given.
    pub decided_at: DateTime<Utc>,
    /// The policies that gave it.
    pub policy_digest: String,
    /// The commit they were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_commit: Option<CommitSha>,
}

/// A decision that other policies would not have made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What was decided.
    pub record: Record,
    /// What would have been.
    pub would: Outcome,
    /// Why.
    pub because: Vec<Reason>,
}

impl Record {
    /// The record of a gate.
    pub fn of(gate: Gate) -> Self {
        let Gate { request, requested_at, asked_again_at, reviews, calls, crowds, .. } = gate;
        let Gate { outcome, reasons, decided_at, policy_digest, policy_commit, .. } = gate;
        Self {
            request,
            requested_at,
            asked_again_at,
            reviews,
            calls,
            crowds,
            outcome,
            reasons,
            decided_at,
            policy_digest,
            policy_commit,
        }
    }

    /// Puts the same question to other policies, with the same reviews at the same time. `None` if
    /// they give the same answer.
    pub fn differs(&self, set: &PolicySet) -> Option<Difference> {
        let case = Case {
            request: &self.request,
            reviews: &self.reviews,
            calls: &self.calls,
            crowds: Crowds::or_free(self.crowds.as_deref()),
            asked_at: self.requested_at,
            asked_again_at: self.asked_again_at,
            now: self.decided_at,
        };
        let verdict = judge(set, &case);
        (!verdict.outcome.is_like(&self.outcome)).then(|| Difference {
            record: self.clone(),
            would: verdict.outcome,
            because: verdict.reasons,
        })
    }
}
