//! Which branches' code was read: of the others nobody knows what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::catalogue::{Stack, is_same_repository, repository_key};

/// Of each branch, by repository in lower case and name: the folders and the names of stacks whose
/// code is there and could not be read.
type Broken = BTreeMap<(String, String), BTreeSet<String>>;

/// Branches whose code was read, and what of it could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branches(Option<Arc<Broken>>);

impl Branches {
    /// Every branch there is.
    pub fn all() -> Self {
        Self(None)
    }

    /// Whether this one is among them.
    pub fn have(&self, repository: &str, branch: &str) -> bool {
        self.broken(repository, branch).is_some()
    }

    /// What of this one could not be read; none if nothing of it was.
    pub fn broken(&self, repository: &str, branch: &str) -> Option<&BTreeSet<String>> {
        static NOTHING: BTreeSet<String> = BTreeSet::new();
        match &self.0 {
            Some(read) => read.get(&(repository_key(repository), branch.to_owned())),
            None => Some(&NOTHING),
        }
    }

    /// Whether what a repository says of a stack may count: it is the stack's own one, or it is known
    /// what that one says of it.
    pub fn let_count(&self, repository: &str, stack: &Stack) -> bool {
        let is_known = |broken: &BTreeSet<String>| {
            !broken.contains(&*stack.project_root) && !broken.contains(stack.id.as_str())
        };
        is_same_repository(repository, &stack.repository)
            || self.broken(&stack.repository, &stack.branch).is_some_and(is_known)
    }

    /// With what could not be read of one of them, now that it was read.
    #[must_use]
    pub fn with(mut self, (repository, branch): (&str, &str), broken: &BTreeSet<String>) -> Self {
        if let Some(read) = &mut self.0 {
            let branch = (repository_key(repository), branch.to_owned());
            Arc::make_mut(read).insert(branch, broken.clone());
        }
        self
    }
}

impl FromIterator<((String, String), BTreeSet<String>)> for Branches {
    fn from_iter<I: IntoIterator<Item = ((String, String), BTreeSet<String>)>>(read: I) -> Self {
        Self(Some(Arc::new(read.into_iter().collect())))
    }
}
