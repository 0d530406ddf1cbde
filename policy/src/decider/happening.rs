//! What may happen to a gate.

use contracts::{GateId, chain::ChainFinished, change::ChangePushed, gate::GateRequested, inbound};

use crate::{call::Answer, review::Review};

inbound! {
    /// What happens to a gate.
    #[derive(Debug, Clone)]
    pub enum Happening {
        Requested(GateRequested),
        Pushed(ChangePushed),
        Ended(ChainFinished),
        ; also
        /// A person said something about it.
        Reviewed(Reviewed),
        /// A hook answered.
        Answered(Answered),
        /// Its time has come, or the policies have changed.
        Due(GateId),
    }
}

/// A person said something about a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The gate.
    pub gate: GateId,
    /// What they said.
    pub review: Review,
}

/// A hook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The gate.
    pub gate: GateId,
    /// The hook.
    pub hook: String,
    /// What it said.
    pub answer: Answer,
}

impl Happening {
    /// The gate it is about.
    pub fn gate(&self) -> Option<GateId> {
        match self {
            Self::Requested(request) => Some(request.gate),
            Self::Pushed(_) | Self::Ended(_) => None,
            Self::Reviewed(reviewed) => Some(reviewed.gate),
            Self::Answered(answered) => Some(answered.gate),
            Self::Due(gate) => Some(*gate),
        }
    }
}
