//! What a reading changes in the register, and the events that tell of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contracts::{
    CommitSha, Outgoing, StackId,
    stack::{StackLoosened, StackReassociated, StackRegistered, StackRetired, StackUpdated},
};

use super::{Found, State};
use crate::{
    blueprint::{Adoption, Blueprint},
    mirror::Circle,
    phrase,
};

/// What changed in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It has code.
    Registered,
    /// Its code says something else.
    Updated,
    /// Its code is gone.
    Loosened,
    /// Its code is in another place.
    Reassociated,
    /// The account has it no more.
    Retired,
}

/// What a reading changes in the register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// The repository, as its stacks write it.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit that was read.
    pub commit: Option<CommitSha>,
    /// The stacks that changed, and what changed.
    pub changes: Vec<(What, State)>,
    /// Folders whose code says something else than before, with all that it says; nothing if the
    /// code is gone.
    pub folders: BTreeMap<String, Vec<Arc<Blueprint>>>,
    /// Blocks that stay those of stacks that run elsewhere.
    pub adoptions: Vec<Adoption>,
    /// What is wrong with the code, for people.
    pub faults: Vec<String>,
    /// Folders of code that the changed files touch, whether or not it says something else.
    pub touched: BTreeSet<String>,
    /// The number of the graph that was known, and that of the one with what was read.
    pub versions: (i64, i64),
    /// Folders and names of stacks whose code is there and cannot be read, if they are others than
    /// before, or if nothing of the code was ever read.
    pub broken: Option<BTreeSet<String>>,
}

impl Registration {
    /// Nothing changes, because what was found closes a circle.
    pub fn refused((repository, branch): (&str, &str), found: &Found, circle: &str) -> Self {
        let fault = format!("the code is left as it was, because it closes a circle: {circle}");
        Self {
            repository: repository.to_owned(),
            branch: branch.to_owned(),
            commit: found.commit.clone(),
            faults: std::iter::once(fault).chain(found.faults.iter().cloned()).collect(),
            ..Self::default()
        }
    }

    /// With the circle among the faults that kept some of the code from being taken.
    #[must_use]
    pub fn with_fault(mut self, circle: Option<&Circle>) -> Self {
        if let Some(Circle { text, stacks }) = circle {
            let names = phrase::list(stacks.iter().map(StackId::as_str));
            let fault = format!(
                "the code of {names} is left as it was, because it closes a circle: {text}"
            );
            self.faults.insert(0, fault);
        }
        self
    }

    /// The stacks whose code is gone.
    pub fn loosened(&self) -> Vec<StackId> {
        let gone = self.changes.iter().filter(|(what, _)| *what == What::Loosened);
        gone.map(|(_, state)| state.stack.clone()).collect()
    }

    /// Whether anything changed that the graph is made of, or that says who can run.
    pub fn changes_the_graph(&self) -> bool {
        let loosens = |(what, _): &(What, State)| *what == What::Loosened;
        !self.folders.is_empty() || self.broken.is_some() || self.changes.iter().any(loosens)
    }

    /// The events that tell of it.
    pub fn events(&self) -> impl Iterator<Item = Outgoing> + '_ {
        self.changes.iter().map(|(what, state)| {
            let State { stack, code, reason, .. } = state.clone();
            match what {
                What::Registered => {
                    Outgoing::new(&StackRegistered { stack, code: Some(code), reason })
                }
                What::Updated => {
                    let (code, changes) = (Some(code), Vec::new());
                    Outgoing::new(&StackUpdated { stack, code, changes, reason })
                }
                What::Loosened => Outgoing::new(&StackLoosened { stack, code, reason }),
                What::Reassociated => Outgoing::new(&StackReassociated { stack, code, reason }),
                What::Retired => Outgoing::new(&StackRetired { stack, code: Some(code), reason }),
            }
        })
    }
}
