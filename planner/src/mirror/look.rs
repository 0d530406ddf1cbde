//! Looking at a commit in a mirror: what differs from before, and its files. Blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use contracts::{CommitSha, change::Paths};
use git::{Error, FileList, History, Mirror, PathChange, Snapshot};
use serde::{Deserialize, Serialize};

use super::files::Unpushed;

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `owner/name`.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit; the newest of the branch, if absent.
    pub commit: Option<CommitSha>,
    /// The head before, if any.
    pub previous: Option<CommitSha>,
    /// The pull request whose commit it is.
    pub pull_request: Option<u64>,
    /// Without a head before: compare with the head of the branch, or, if the branch has the
    /// commit already, with the commit's first parent.
    #[serde(default)]
    pub on_head: bool,
    /// It is no head of the branch, though no pull request is known: nothing is registered.
    #[serde(default)]
    pub speculative: bool,
}

impl Call {
    /// Whether the commit is merely proposed for the branch.
    pub fn is_proposal(&self) -> bool {
        self.speculative || self.pull_request.is_some()
    }
}

/// What is seen.
pub(super) struct Look {
    pub(super) commit: String,
    /// The first line of its message.
    pub(super) title: String,
    /// The paths that differ from before.
    pub(super) paths: Paths,
    /// Folders that were renamed, old to new.
    pub(super) moved: BTreeMap<String, String>,
    pub(super) history: History,
    pub(super) files: Snapshot,
}

/// Looks at a commit, fetching it first if it is not here. `last` is what was listed of the
/// repository before.
pub(super) fn look(
    mirror: &Mirror,
    call: &Call,
    last: &mut Option<FileList>,
    interrupt: &AtomicBool,
) -> Result<Look, Error> {
    let commit = bring(mirror, call, interrupt)?;
    if call.on_head && call.previous.is_none() {
        // Who asks what would follow means the branch as it is now. If the origin is away, as it
        // was when it was last seen.
        let _ = mirror.fetch(&[], interrupt);
    }
    let (files, title) = (mirror.snapshot_after(last, &commit)?, mirror.title(&commit)?);
    // For a pull request, what it adds to the branch it wants to go to.
    let before = match (call.pull_request, mirror.head(&call.branch)?) {
        (Some(_), Some(head)) => mirror.merge_base(&head, &commit)?,
        (None, Some(head)) if call.speculative && call.previous.is_none() => {
            mirror.merge_base(&head, &commit)?
        }
        (None, Some(head)) if call.on_head && call.previous.is_none() => {
            let has_it = mirror.merge_base(&head, &commit)?.as_ref() == Some(&commit);
            if has_it { mirror.parent(&commit)? } else { Some(head) }
        }
        _ => call.previous.as_ref().map(|previous| previous.as_str().to_owned()),
    };
    let before = match before {
        Some(before) if !has_or_fetches(mirror, &before, interrupt)? => {
            // The old head is nowhere: what differs cannot be told.
            let (paths, moved) = (Paths::Unknown, BTreeMap::new());
            let history = History::Rewritten;
            return Ok(Look { commit, title, paths, moved, history, files });
        }
        before => before,
    };
    let comparison = mirror.compare(before.as_deref(), &commit)?;
    let paths: BTreeSet<&str> =
        comparison.changes.iter().flat_map(|change| change.paths()).collect();
    let paths = Paths::All(paths.into_iter().map(ToOwned::to_owned).collect());
    let moved = moved_folders(&comparison.changes);
    let history = comparison.history;
    Ok(Look { commit, title, paths, moved, history, files })
}

/// The commit that is meant, once it is here.
fn bring(mirror: &Mirror, call: &Call, interrupt: &AtomicBool) -> Result<String, Error> {
    let Some(commit) = &call.commit else {
        mirror.fetch(&[], interrupt)?;
        let missing = || Error::Missing { commit: format!("the head of {}", call.branch) };
        return mirror.head(&call.branch)?.ok_or_else(missing);
    };
    let commit = commit.as_str();
    if mirror.has(commit)? {
        return Ok(commit.to_owned());
    }
    mirror.fetch(&[], interrupt)?;
    if mirror.has(commit)? {
        return Ok(commit.to_owned());
    }
    let elsewhere = match call.pull_request {
        Some(number) => format!("refs/pull/{number}/head"),
        None => commit.to_owned(),
    };
    mirror.fetch(&[elsewhere], interrupt)?;
    match mirror.has(commit)? {
        true => Ok(commit.to_owned()),
        false => Err(Error::Missing { commit: commit.to_owned() }),
    }
}

fn has_or_fetches(mirror: &Mirror, commit: &str, interrupt: &AtomicBool) -> Result<bool, Error> {
    if mirror.has(commit)? {
        return Ok(true);
    }
    // Hosts keep what no branch holds any more for a while, and give it to who knows its name.
    match mirror.fetch(&[commit.to_owned()], interrupt) {
        Ok(()) => mirror.has(commit),
        Err(_) => Ok(false),
    }
}

impl Look {
    /// What is seen if somebody has changed something since, and nothing else counts.
    pub(super) fn with(self, unpushed: &Unpushed) -> Self {
        let renamed = unpushed.renamed.iter().cloned();
        let renamed: Vec<PathChange> =
            renamed.map(|(from, to)| PathChange::Renamed { from, to }).collect();
        let paths = Paths::All(unpushed.paths.clone());
        Self { paths, moved: moved_folders(&renamed), history: History::Forward, ..self }
    }
}

/// Where most of the files of a folder went, if they went to one other folder.
fn moved_folders(changes: &[PathChange]) -> BTreeMap<String, String> {
    let mut votes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for change in changes {
        let PathChange::Renamed { from, to } = change else { continue };
        // `a/b/c.tf` to `x/b/c.tf` says that `a/b` went to `x/b`, and `a` to `x`.
        let (mut from, mut to) = (from.as_str(), to.as_str());
        while !from.is_empty() && !to.is_empty() {
            let ((old, last), (new, same)) = (split(from), split(to));
            if last != same || old == new {
                break;
            }
            *votes.entry((old, new)).or_default() += 1;
            (from, to) = (old, new);
        }
    }
    let mut moved: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for ((old, new), count) in votes {
        let best = moved.entry(old).or_insert((new, count));
        if count > best.1 {
            *best = (new, count);
        }
    }
    moved.into_iter().map(|(old, (new, _))| (old.to_owned(), new.to_owned())).collect()
}

/// A path's folder, empty for the root, and what is in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use git::PathChange;

    use super::moved_folders;

    #[test]
    fn a_folder_went_where_most_of_its_files_went() {
        let renamed =
            |from: &str, to: &str| PathChange::Renamed { from: from.to_owned(), to: to.to_owned() };
        let moved = moved_folders(&[
            renamed("net/eu/main.tf", "network/eu/main.tf"),
            renamed("net/eu/b.tf", "network/eu/b.tf"),
            renamed("net/eu/c.tf", "attic/c.tf"),
            renamed("x/old.tf", "x/new.tf"),
            renamed("main.tf", "shop/main.tf"),
            PathChange::Added("y/a.tf".to_owned()),
        ]);
        let moved: Vec<_> = moved.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(moved, [("", "shop"), ("net", "network"), ("net/eu", "network/eu")]);
    }
}
