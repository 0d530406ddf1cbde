//! What differs between two commits.

use gix::{
    Repository,
    diff::{Rewrites, tree_with_rewrites::Change},
};

use crate::{Error, Mirror, parse};

/// How many files may be compared with each other in search of renames. Beyond it, only files
/// that moved unchanged are recognised.
const RENAME_LIMIT: usize = 1_000;

/// What differs between two commits, and how they hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How the new commit hangs together with the old one.
    pub history: History,
    /// The paths that differ, in order.
    pub changes: Vec<PathChange>,
}

/// How a new head hangs together with the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// There is no old head.
    Fresh,
    /// The new head contains the old one.
    Forward,
    /// The old head is not an ancestor of the new one: history was rewritten.
    Rewritten,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathChange {
    /// It is new.
    Added(String),
    /// It is no more.
    Deleted(String),
    /// Its content or kind differs.
    Modified(String),
    /// It has another name; its content may differ too.
    Renamed {
        /// What it was called.
        from: String,
        /// What it is called.
        to: String,
    },
}

impl Mirror {
    /// What leads from `before` (nothing, if absent) to `after`.
    pub fn compare(&self, before: Option<&str>, after: &str) -> Result<Comparison, Error> {
        let repository = self.open()?;
        let history = match before {
            None => History::Fresh,
            Some(before) => self.history(&repository, before, after)?,
        };
        let new = self.tree(&repository, after)?;
        let old = before.map(|before| self.tree(&repository, before)).transpose()?;
        let rewrites = Rewrites { limit: RENAME_LIMIT, ..Rewrites::default() };
        // Without an old tree there is nothing that could have been renamed.
        let rewrites = old.is_some().then_some(rewrites);
        let options = gix::diff::Options::default().with_rewrites(rewrites);
        let found = repository
            .diff_tree_to_tree(old.as_ref(), Some(&new), options)
            .map_err(|error| self.broken(error))?;
        let mut changes: Vec<PathChange> = found.into_iter().filter_map(path_change).collect();
        changes.sort();
        Ok(Comparison { history, changes })
    }

    /// The newest commit that both commits contain.
    pub fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, Error> {
        let repository = self.open()?;
        let base = repository.merge_base(parse(one)?, parse(other)?);
        Ok(base.map_err(|error| self.broken(error))?.map(|base| base.to_string()))
    }

    /// The first parent of a commit; none if it is the first of all.
    pub fn parent(&self, commit: &str) -> Result<Option<String>, Error> {
        let repository = self.open()?;
        let found = repository.find_commit(parse(commit)?);
        let commit = found.map_err(|_| Error::Missing { commit: commit.to_owned() })?;
        Ok(commit.parent_ids().next().map(|parent| parent.to_string()))
    }

    /// The first line of a commit's message.
    pub fn title(&self, commit: &str) -> Result<String, Error> {
        let repository = self.open()?;
        let missing = || Error::Missing { commit: commit.to_owned() };
        let object = repository.find_object(parse(commit)?).map_err(|_| missing())?;
        let commit = object.peel_to_commit().map_err(|_| missing())?;
        let message = commit.message_raw().map_err(|error| self.broken(error))?;
        Ok(message.to_string().lines().next().unwrap_or_default().trim().to_owned())
    }

    fn history(
        &self,
        repository: &Repository,
        before: &str,
        after: &str,
    ) -> Result<History, Error> {
        let (old, new) = (parse(before)?, parse(after)?);
        let base = repository.merge_base(old, new).map_err(|error| self.broken(error))?;
        Ok(match base {
            Some(base) if base.detach() == old => History::Forward,
            _ => History::Rewritten,
        })
    }

    pub(crate) fn tree<'repo>(
        &self,
        repository: &'repo Repository,
        commit: &str,
    ) -> Result<gix::Tree<'repo>, Error> {
        let id = parse(commit)?;
        let missing = || Error::Missing { commit: commit.to_owned() };
        let object = repository.try_find_object(id).map_err(|error| self.broken(error))?;
        // A tag stands for its commit.
        let commit = object.ok_or_else(missing)?.peel_to_commit().map_err(|_| missing())?;
        commit.tree().map_err(|error| self.broken(error))
    }
}

/// Folders are told by what is in them.
fn path_change(change: Change) -> Option<PathChange> {
    let text = |path: gix::bstr::BString| path.to_string();
    match change {
        Change::Addition { location, entry_mode, .. } => {
            (!entry_mode.is_tree()).then(|| PathChange::Added(text(location)))
        }
        Change::Deletion { location, entry_mode, .. } => {
            (!entry_mode.is_tree()).then(|| PathChange::Deleted(text(location)))
        }
        Change::Modification { location, entry_mode, .. } => {
            (!entry_mode.is_tree()).then(|| PathChange::Modified(text(location)))
        }
        Change::Rewrite { entry_mode, .. } if entry_mode.is_tree() => None,
        Change::Rewrite { source_location, location, copy: false, .. } => {
            Some(PathChange::Renamed { from: text(source_location), to: text(location) })
        }
        Change::Rewrite { location, .. } => Some(PathChange::Added(text(location))),
    }
}

impl PathChange {
    /// The paths concerned: for a rename, both.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Added(path) | Self::Deleted(path) | Self::Modified(path) => (path, None),
            Self::Renamed { from, to } => (from, Some(to.as_str())),
        };
        std::iter::once(first.as_str()).chain(second)
    }
}
