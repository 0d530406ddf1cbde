//! A gate as it is loaded, decided and saved.

use chrono::{DateTime, Utc};
use contracts::{Outgoing, Trace, gate::GateOverridden};
use uuid::Uuid;

use crate::gate::Gate;

/// A gate with the story it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredGate {
    /// The gate.
    pub gate: Gate,
    /// The correlation id of its question.
    pub correlation: Uuid,
    /// Where the question stood in its trace.
    pub trace: Option<Trace>,
    /// There is a row of it.
    pub is_stored: bool,
    /// When its question was sent, if it came just now.
    pub sent_at: Option<DateTime<Utc>>,
    /// Nobody waits for it any more.
    pub is_outdated: bool,
    /// Its chain has ended just now.
    pub chain_ends: bool,
    /// What is counted and logged once it is committed: until then it may be decided again.
    pub(crate) afterwards: Vec<Afterwards>,
}

/// What is counted or logged of a decision that is committed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Afterwards {
    /// Policies on trial were asked, and agree or not.
    Tried(bool),
    /// Somebody broke the glass.
    Overridden(GateOverridden),
}

impl StoredGate {
    /// A gate that there is a row of.
    pub fn stored(gate: Gate, correlation: Uuid, trace: Option<Trace>) -> Self {
        Self {
            gate,
            correlation,
            trace,
            is_stored: true,
            sent_at: None,
            is_outdated: false,
            chain_ends: false,
            afterwards: Vec::new(),
        }
    }

    /// The answer, as part of the story that asked for it, whatever caused it.
    pub(super) fn announce(&self, trace: Option<Trace>) -> Outgoing {
        let announcement = self.gate.announcement();
        let reason = announcement.reasons.first().map(ToString::to_string).unwrap_or_default();
        tracing::info!(
            gate.id = %announcement.gate,
            chain.id = %announcement.chain,
            gate.moment = %announcement.moment,
            gate.revision = announcement.revision,
            outcome = self.gate.outcome_word(),
            reason,
            "decided a gate"
        );
        Outgoing::new(&announcement).within(self.correlation, trace)
    }
}
