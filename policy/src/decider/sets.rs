//! The policies of one decision.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{gate::Gate, library::Library, model::PolicySet};

/// The policies that one decision is made by. Taken once: others that are put in force meanwhile
/// count for the next decision.
pub(super) struct Sets {
    pub(super) in_force: Arc<PolicySet>,
    trial: Option<Arc<PolicySet>>,
    /// What a branch has on trial was perhaps never there, or is faulty.
    has_trial: bool,
}

impl Sets {
    /// Those of now.
    pub(super) fn of(library: &Library, shadow: Option<&Library>) -> Self {
        Self {
            in_force: library.current(),
            has_trial: shadow.is_some_and(Library::has_policies),
            trial: shadow.map(Library::current),
        }
    }

    /// Policies on trial are asked as well, so whoever they speak about is not cleared either.
    pub(super) fn clear(&self, gate: &mut Gate, now: DateTime<Utc>, is_news: bool) -> bool {
        let sets = [Some(&self.in_force), self.trial.as_ref()];
        let sets: Vec<&PolicySet> = sets.into_iter().flatten().map(AsRef::as_ref).collect();
        gate.clear(&sets, now, is_news)
    }

    /// Whether policies on trial agree to what was just decided; none if there are none.
    pub(super) fn try_on(&self, gate: &mut Gate, now: DateTime<Utc>) -> Option<bool> {
        let trial = self.trial.as_ref().filter(|_| self.has_trial)?;
        Some(gate.try_on(trial, now))
    }
}
