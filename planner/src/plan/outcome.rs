//! What follows from a change, as it is told.

use contracts::{
    Action, Outgoing, Reason, StackId,
    chain::{ChainIgnored, ChainKind, ChainPlanned, ChainRefused},
    change::Change,
};
use serde::{Deserialize, Serialize};

/// What follows from a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// These runs, in this order.
    Planned(ChainPlanned),
    /// Nothing.
    Ignored(ChainIgnored),
    /// People must mend something first.
    Refused(ChainRefused),
}

impl Plan {
    /// Nothing follows from a change that would have led to such a chain.
    pub fn ignored((kind, change): (ChainKind, &Change), reason: Reason) -> Self {
        Self::Ignored(ChainIgnored { change: change.clone(), kind: Some(kind), reason })
    }

    /// It would have led to such a chain, and people must mend something first.
    pub fn refused((kind, change): (ChainKind, &Change), reason: Reason) -> Self {
        Self::Refused(ChainRefused { change: change.clone(), kind: Some(kind), reason })
    }

    /// The event that tells of it.
    pub fn told(&self) -> Outgoing {
        match self {
            Self::Planned(planned) => Outgoing::new(planned),
            Self::Ignored(ignored) => Outgoing::new(ignored),
            Self::Refused(refused) => Outgoing::new(refused),
        }
    }

    /// What it follows from.
    pub fn change(&self) -> &Change {
        match self {
            Self::Planned(planned) => &planned.change,
            Self::Ignored(ignored) => &ignored.change,
            Self::Refused(refused) => &refused.change,
        }
    }

    /// The stacks that it destroys because a person asked for that.
    pub fn destroyed(&self) -> impl Iterator<Item = &StackId> {
        let planned = if let Self::Planned(planned) = self { Some(planned) } else { None };
        let asked_for = planned.filter(|planned| planned.action == Action::Destroy);
        asked_for.into_iter().flat_map(|planned| planned.steps.iter().map(|step| &step.stack))
    }
}
