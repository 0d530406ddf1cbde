//! How many places each limit has: what the configuration says, and what the code of stacks says
//! that run or wait. The smallest number of one name counts.

use std::collections::{HashMap, hash_map::Entry};

use contracts::{
    StackId, Text,
    chain::{LimitedBy, PlannedStep, SaidLimit},
};

use super::{CLOUD, LABEL, Limits, PROVIDER};

/// The numbers that count at a moment.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    configured: &'a Limits,
    said: HashMap<String, Said>,
}

/// The smallest number that code says for a name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    most: usize,
    by: StackId,
}

impl<'a> Numbers<'a> {
    /// Those of the configuration, and of steps that run or wait for a place.
    pub(crate) fn new<'s>(
        configured: &'a Limits,
        steps: impl IntoIterator<Item = &'s PlannedStep>,
    ) -> Self {
        let mut said: HashMap<String, Said> = HashMap::new();
        for step in steps {
            for limit in &step.limits {
                let it = Said { most: limit.most as usize, by: step.stack.clone() };
                match said.entry(name(limit)) {
                    Entry::Occupied(kept) if *kept.get() <= it => {}
                    Entry::Occupied(mut kept) => _ = kept.insert(it),
                    Entry::Vacant(none) => _ = none.insert(it),
                }
            }
        }
        Self { configured, said }
    }

    /// The limits a stack is under, in the words of reasons.
    pub(crate) fn of(&self, planned: &PlannedStep) -> Vec<String> {
        let mut under = self.configured.of(planned);
        if self.said.is_empty() {
            return under;
        }
        let named = |kind: &'static str, names: &[Text]| -> Vec<String> {
            names.iter().map(|name| format!("{kind} {name}")).collect()
        };
        let said = [
            named(LABEL, &planned.labels),
            named(PROVIDER, &planned.uses.providers),
            named(CLOUD, &planned.uses.cloud_accounts),
        ];
        for limit in said.into_iter().flatten() {
            if self.said.contains_key(&limit) && !under.contains(&limit) {
                under.push(limit);
            }
        }
        under
    }

    /// How many places a limit has.
    pub(crate) fn most(&self, limit: &str) -> usize {
        let said = self.said.get(limit).map_or(usize::MAX, |said| said.most);
        self.configured.most(limit).min(said)
    }

    /// Whose share of the places a stack takes.
    pub(crate) fn share(&self, planned: &PlannedStep) -> String {
        self.configured.share(planned)
    }

    /// How many of them are kept free for those that have no run: none of those that code alone
    /// says, because it knows nothing of spaces and teams.
    pub(crate) fn kept_free(&self, limit: &str) -> usize {
        match self.said_by(limit) {
            Some(_) => 0,
            None => self.configured.kept_free(limit, self.most(limit)),
        }
    }

    /// The stack whose code says how many places a limit has, unless the configuration does.
    pub(crate) fn said_by(&self, limit: &str) -> Option<&StackId> {
        let said = self.said.get(limit)?;
        (said.most < self.configured.most(limit)).then_some(&said.by)
    }
}

/// A limit that code says, in the words of reasons.
pub(crate) fn name(limit: &SaidLimit) -> String {
    let kind = match limit.of {
        LimitedBy::Label => LABEL,
        LimitedBy::Provider => PROVIDER,
        LimitedBy::CloudAccount => CLOUD,
    };
    format!("{kind} {}", limit.name)
}
