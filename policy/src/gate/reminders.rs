//! What people are reminded of while a gate waits for them.

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason,
    gate::{GateReminded, Outcome},
};
use serde::{Deserialize, Serialize};

use super::Gate;
use crate::{evaluate::standings, model::PolicySet};

/// People were reminded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The policy that wanted it.
    pub policy: String,
    /// That it is overdue, or that others may approve as well.
    pub code: Code,
}

impl Gate {
    /// What people are to be reminded of, each policy's word once. While nobody could go on anyway
    /// nobody is reminded, and nothing counts as told.
    pub fn reminders(&mut self, set: &PolicySet, now: DateTime<Utc>) -> Vec<GateReminded> {
        let Outcome::HoldForApprovals { .. } = self.outcome else { return Vec::new() };
        if !self.reasons.iter().any(urges) {
            return Vec::new();
        }
        let news: Vec<(Told, Reason)> = standings(set, &self.case(now))
            .iter()
            .filter_map(|standing| {
                let reason = standing.urge()?;
                Some((Told { policy: standing.policy.to_owned(), code: reason.code }, reason))
            })
            .filter(|(told, _)| !self.told.contains(told))
            .collect();
        self.told.extend(news.iter().map(|(told, _)| told.clone()));
        news.into_iter().map(|(told, reason)| self.reminder(told.policy, reason)).collect()
    }

    fn reminder(&self, policy: String, reason: Reason) -> GateReminded {
        let announcement = self.announcement();
        GateReminded {
            gate: announcement.gate,
            chain: announcement.chain,
            moment: announcement.moment,
            stack: announcement.stack,
            repository: self.request.change.repository.clone(),
            policy: Some(policy),
            reason,
        }
    }
}

fn urges(reason: &Reason) -> bool {
    matches!(reason.code, Code::ApprovalOverdue | Code::ApprovalEscalated)
}
