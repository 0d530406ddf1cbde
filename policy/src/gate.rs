//! One gate, from the question to its final answer.

use chrono::{DateTime, Utc};
use contracts::{
    GateId, Reason,
    gate::{GateDecided, GateRequested, Moment, Outcome},
};

use crate::{
    evaluate::{self, Ineligible, Verdict, standings},
    model::PolicySet,
    review::Review,
};

/// A gate that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The question, and with it everything the answer depends on besides policies and people.
    pub request: GateRequested,
    /// When it was asked.
    pub requested_at: DateTime<Utc>,
    /// What people said, in the order they said it.
    pub reviews: Vec<Review>,
    /// The answer, as it was announced last.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Rises with each announced answer.
    pub revision: i64,
    /// The digest of the policies that gave this answer.
    pub policy_digest: String,
    /// The digest of the policies that were asked last and had nothing to add.
    pub considered_digest: String,
    /// When the answer was announced.
    pub decided_at: DateTime<Utc>,
}

/// Why a review is not taken down. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewRefused {
    /// The gate has its final answer.
    #[error("{gate} is decided: {decision}")]
    Decided {
        /// The gate.
        gate: GateId,
        /// How it was decided.
        decision: String,
    },
    /// It waits for something, but not for people.
    #[error("{gate} asks for no approval: {waits_for}")]
    NotAsked {
        /// The gate.
        gate: GateId,
        /// What it waits for.
        waits_for: String,
    },
    /// The author of the change wants to approve it.
    #[error("{by} made this change, and policy {policy} wants others to approve it{who}")]
    SelfApproval {
        /// Who.
        by: String,
        /// The policy.
        policy: String,
        /// Who may.
        who: String,
    },
    /// This person may not.
    #[error("policy {policy} gives {by} no say in this{who}")]
    NotAllowed {
        /// Who.
        by: String,
        /// The policy.
        policy: String,
        /// Who may.
        who: String,
    },
    /// Nobody's name is on it.
    #[error("a review needs a name; say who you are with --as")]
    Nameless,
}

impl ReviewRefused {
    /// The code of the problem the asker gets.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Decided { .. } => "gate_decided",
            Self::NotAsked { .. } => "approval_not_asked",
            Self::SelfApproval { .. } => "self_approval",
            Self::NotAllowed { .. } => "not_an_approver",
            Self::Nameless => "reviewer_missing",
        }
    }
}

impl Gate {
    /// Answers a question for the first time.
    pub fn open(set: &PolicySet, request: GateRequested, now: DateTime<Utc>) -> Self {
        let Verdict { outcome, reasons } = evaluate::decide(set, &request, &[], now);
        Self {
            request,
            requested_at: now,
            reviews: Vec::new(),
            outcome,
            reasons,
            revision: 1,
            policy_digest: set.digest.clone(),
            considered_digest: set.digest.clone(),
            decided_at: now,
        }
    }

    /// Whether `request` asks what was asked already. Labels may have changed meanwhile; what the
    /// answer is bound to may not.
    pub fn is_about(&self, request: &GateRequested) -> bool {
        let bound = |request: &GateRequested| {
            let stacks: Vec<_> = request.stacks.iter().map(|stack| stack.stack.clone()).collect();
            let commit = request.change.commit.clone();
            (request.chain, request.kind, request.moment, stacks, commit)
        };
        bound(&self.request) == bound(request)
            && (&self.request.run, self.request.delta) == (&request.run, request.delta)
    }

    /// Decides anew, if it is not decided for good. Returns whether there is something to announce.
    pub fn reconsider(&mut self, set: &PolicySet, now: DateTime<Utc>) -> bool {
        if self.outcome.is_final() {
            return false;
        }
        let Verdict { outcome, reasons } = evaluate::decide(set, &self.request, &self.reviews, now);
        self.considered_digest.clone_from(&set.digest);
        if outcome == self.outcome && reasons == self.reasons {
            return false;
        }
        self.outcome = outcome;
        self.reasons = reasons;
        self.revision += 1;
        self.policy_digest.clone_from(&set.digest);
        self.decided_at = now;
        true
    }

    /// Takes a review down and decides anew. Returns whether there is something to announce.
    pub fn review(
        &mut self,
        set: &PolicySet,
        review: Review,
        now: DateTime<Utc>,
    ) -> Result<bool, ReviewRefused> {
        if self.reviews.iter().any(|other| other.id == review.id) {
            return Ok(false);
        }
        self.accepts(set, &review)?;
        self.reviews.push(review);
        Ok(self.reconsider(set, now))
    }

    /// Whether this review may be taken down.
    pub fn accepts(&self, set: &PolicySet, review: &Review) -> Result<(), ReviewRefused> {
        let gate = self.request.gate;
        let by = review.by.clone();
        if by.trim().is_empty() {
            return Err(ReviewRefused::Nameless);
        }
        if self.outcome.is_final() {
            return Err(ReviewRefused::Decided { gate, decision: self.sentence() });
        }
        let standings = standings(set, &self.request, &self.reviews);
        let refusals = standings.iter().map(|standing| match standing.eligible(&by) {
            // Whoever made a change may take it back.
            Err(Ineligible::Author) if !review.approve => None,
            Err(why) => Some((standing, why)),
            Ok(()) => None,
        });
        let refusals: Vec<_> = refusals.collect();
        match refusals.first() {
            None if review.approve => {
                Err(ReviewRefused::NotAsked { gate, waits_for: self.sentence() })
            }
            Some(Some((standing, why))) if refusals.iter().all(Option::is_some) => {
                let policy = standing.policy.to_owned();
                let who = match standing.left() {
                    Some(left) if left.is_empty() => String::new(),
                    Some(left) => format!("; ask {}", left.join(", ")),
                    None => "; ask somebody else".to_owned(),
                };
                Err(match why {
                    Ineligible::Author => ReviewRefused::SelfApproval { by, policy, who },
                    Ineligible::NotListed => ReviewRefused::NotAllowed { by, policy, who },
                })
            }
            _ => Ok(()),
        }
    }

    /// What is announced about the gate.
    pub fn announcement(&self) -> GateDecided {
        let request = &self.request;
        let stack = match request.moment {
            Moment::BeforeChain => None,
            Moment::BeforePlan | Moment::BeforeApply => request.stacks.first(),
        };
        GateDecided {
            gate: request.gate,
            chain: request.chain,
            moment: request.moment,
            stack: stack.map(|stack| stack.stack.clone()),
            revision: self.revision,
            outcome: self.outcome.clone(),
            reasons: self.reasons.clone(),
            policy_digest: self.policy_digest.clone(),
        }
    }

    /// When time alone may change the answer.
    pub fn hold_until(&self) -> Option<DateTime<Utc>> {
        match self.outcome {
            Outcome::HoldUntil { until } => Some(until),
            Outcome::Pass | Outcome::Deny | Outcome::HoldForApprovals { .. } => None,
        }
    }

    /// The answer in one word, for people.
    pub fn outcome_word(&self) -> &'static str {
        match self.outcome {
            Outcome::Pass => "passed",
            Outcome::Deny => "denied",
            Outcome::HoldUntil { .. } | Outcome::HoldForApprovals { .. } => "held",
        }
    }

    fn sentence(&self) -> String {
        let reason = self.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
        format!("{}, because {reason}", self.outcome_word())
    }
}

#[cfg(test)]
mod tests;
