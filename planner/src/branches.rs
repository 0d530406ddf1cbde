//! Which branches' code was read: of the others nobody knows what they say.

use std::{collections::BTreeSet, sync::Arc};

use crate::catalogue::{Stack, is_same_repository, repository_key};

/// Branches whose code was read, by repository in lower case and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branches(Option<Arc<BTreeSet<(String, String)>>>);

impl Branches {
    /// Every branch there is.
    pub fn all() -> Self {
        Self(None)
    }

    /// Whether this one is among them.
    pub fn have(&self, repository: &str, branch: &str) -> bool {
        let named = || (repository_key(repository), branch.to_owned());
        self.0.as_ref().is_none_or(|read| read.contains(&named()))
    }

    /// Whether what a repository says of a stack may count: it is the stack's own one, or it is known
    /// what that one says.
    pub fn let_count(&self, repository: &str, stack: &Stack) -> bool {
        is_same_repository(repository, &stack.repository)
            || self.have(&stack.repository, &stack.branch)
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, repository: &str, branch: &str) -> Self {
        if !self.have(repository, branch)
            && let Some(read) = &mut self.0
        {
            Arc::make_mut(read).insert((repository_key(repository), branch.to_owned()));
        }
        self
    }
}

impl FromIterator<(String, String)> for Branches {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(read: I) -> Self {
        Self(Some(Arc::new(read.into_iter().collect())))
    }
}
