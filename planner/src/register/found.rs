//! What a reading of the code of one branch found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contracts::CommitSha;

use crate::blueprint::Blueprint;

/// What a reading of the code of one branch found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The commit that was read.
    pub commit: Option<CommitSha>,
    /// What the code says, of every stack of the branch.
    pub blueprints: Vec<Arc<Blueprint>>,
    /// Names of stacks and folders that are there but cannot be read.
    pub broken: BTreeSet<String>,
    /// Folders that were renamed since the last reading, old to new.
    pub moved: BTreeMap<String, String>,
    /// What is wrong with the code, for people.
    pub faults: Vec<String>,
}

impl Found {
    /// Keeps what was said before by code that is there but cannot be read just now.
    #[must_use]
    pub fn with_broken_as_before(mut self, before: &[Arc<Blueprint>]) -> Self {
        if self.broken.is_empty() {
            return self;
        }
        let is_broken = |old: &Arc<Blueprint>| old.is_among(&self.broken);
        let is_read = |old: &Arc<Blueprint>| {
            self.blueprints.iter().any(|new| new.path == old.path && new.name == old.name)
        };
        let kept = before.iter().map(|old| self.there(old)).filter(is_broken);
        let kept: Vec<Arc<Blueprint>> = kept.filter(|old| !is_read(old)).collect();
        self.blueprints.extend(kept);
        self
    }

    /// What was said before, where it is now: what was renamed and cannot be read is where it was
    /// renamed to.
    fn there(&self, old: &Arc<Blueprint>) -> Arc<Blueprint> {
        let folder = old.said_in.as_ref().unwrap_or(&old.path);
        let new = self.moved.get(folder).filter(|new| self.broken.contains(*new));
        match new.filter(|_| !self.broken.contains(folder)) {
            None => old.clone(),
            Some(new) if old.said_in.is_some() => {
                Arc::new(Blueprint { said_in: Some(new.clone()), ..(**old).clone() })
            }
            Some(new) => Arc::new(Blueprint { path: new.clone(), ..(**old).clone() }),
        }
    }
}
