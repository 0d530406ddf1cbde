//! Looking at a commit in a mirror: what differs from before, and its files. Blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use contracts::{CommitSha, change::Paths};
use git::{Error, FileList, History, Mirror, PathChange, Snapshot};
use serde::{Deserialize, Serialize};

use super::files::Unpushed;
use crate::memory::Before;

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
    /// What is known of the branch.
    #[serde(default)]
    pub before: Before,
    /// It is no head of the branch, though no pull request is known: nothing is registered.
    #[serde(default)]
    pub speculative: bool,
}

impl Call {
    /// The head of a branch, as it stands.
    pub fn head_of(repository: &str, branch: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            branch: branch.to_owned(),
            commit: None,
            previous: None,
            pull_request: None,
            on_head: false,
            before: Before::default(),
            speculative: false,
        }
    }

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
    /// Those that differ from the head before alone, if it was compared with an older one.
    pub(super) own: Option<Paths>,
    /// Folders that were renamed, old to new.
    pub(super) moved: BTreeMap<String, String>,
    pub(super) history: History,
    pub(super) files: Snapshot,
    /// The commit that it was compared with.
    pub(super) since: Option<CommitSha>,
    /// What was seen instead, because the branch had gone on.
    pub(super) late: Option<Late>,
    /// Newer code of the branch was read already.
    pub(super) is_behind: bool,
}

/// A push that is told of after a newer one of its branch was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// The newer head, which contains it and is what was looked at.
    pub by: CommitSha,
    /// Whether its changes were among those that the newer one was planned with.
    pub is_planned: bool,
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
    if let Some(newest) = overtaken(mirror, call, &commit, interrupt)? {
        return late(mirror, (call, &commit, &newest), last, interrupt);
    }
    let (files, title) = (mirror.snapshot_after(last, &commit)?, mirror.title(&commit)?);
    // For a pull request, what it adds to the branch it wants to go to.
    let before = match (call.pull_request, mirror.head(&call.branch)?) {
        (Some(_), Some(head)) => mirror.merge_base(&head, &commit)?,
        (None, Some(head)) if call.speculative && call.previous.is_none() => {
            mirror.merge_base(&head, &commit)?
        }
        (None, Some(head)) if call.on_head && call.previous.is_none() => {
            let has_it = contains(mirror, &head, &commit)?;
            if has_it { mirror.parent(&commit)? } else { Some(head) }
        }
        _ => call.previous.as_ref().map(|previous| previous.as_str().to_owned()),
    };
    let (seen, since) = seen_since(mirror, call, (before, &commit), interrupt)?;
    let Seen { paths, own, moved, history } = seen;
    let (late, is_behind) = (None, false);
    Ok(Look { commit, title, paths, own, moved, history, files, since, late, is_behind })
}

/// What differs between two commits.
struct Seen {
    paths: Paths,
    own: Option<Paths>,
    moved: BTreeMap<String, String>,
    history: History,
}

impl Seen {
    fn nothing() -> Self {
        let (paths, own, moved) = (Paths::Unknown, None, BTreeMap::new());
        Self { paths, own, moved, history: History::Rewritten }
    }
}

fn compare(mirror: &Mirror, before: Option<&str>, commit: &str) -> Result<Seen, Error> {
    let comparison = mirror.compare(before, commit)?;
    let paths: BTreeSet<&str> =
        comparison.changes.iter().flat_map(|change| change.paths()).collect();
    let paths = Paths::All(paths.into_iter().map(ToOwned::to_owned).collect());
    let (moved, history) = (moved_folders(&comparison.changes), comparison.history);
    Ok(Seen { paths, own: None, moved, history })
}

/// What differs from before, and the commit it was compared with.
fn seen_since(
    mirror: &Mirror,
    call: &Call,
    (before, commit): (Option<String>, &str),
    interrupt: &AtomicBool,
) -> Result<(Seen, Option<CommitSha>), Error> {
    let is_there = match &before {
        Some(before) => has_or_fetches(mirror, before, interrupt)?,
        None => true,
    };
    let (mut seen, since) = match settled_before(mirror, call, commit)? {
        Some(settled) => (compare(mirror, Some(&settled), commit)?, settled),
        // The old head is nowhere: what differs cannot be told.
        None if !is_there => return Ok((Seen::nothing(), None)),
        None => {
            let seen = compare(mirror, before.as_deref(), commit)?;
            return Ok((seen, before.map(CommitSha::from)));
        }
    };
    if let Some(before) = before.filter(|before| *before != since) {
        let is_forward = is_there && contains(mirror, commit, &before)?;
        seen.history = if is_forward { History::Forward } else { History::Rewritten };
        if is_there {
            seen.own = Some(compare(mirror, Some(&before), commit)?.paths);
        }
    }
    Ok((seen, Some(CommitSha::from(since))))
}

/// The head up to which every change of a branch was planned, if the push leads on from it. Others
/// between it and the push may have been refused, or could not be looked at.
fn settled_before(mirror: &Mirror, call: &Call, commit: &str) -> Result<Option<String>, Error> {
    let is_push = !call.is_proposal() && (call.previous.is_some() || call.on_head);
    let Some(settled) = call.before.settled.as_ref().filter(|_| is_push) else { return Ok(None) };
    let settled = settled.as_str();
    let leads = settled != commit && mirror.has(settled)? && contains(mirror, commit, settled)?;
    Ok(leads.then(|| settled.to_owned()))
}

/// The head that was planned although it was pushed after this commit, if there is one.
fn overtaken(
    mirror: &Mirror,
    call: &Call,
    commit: &str,
    interrupt: &AtomicBool,
) -> Result<Option<String>, Error> {
    let Some(newest) = call.before.newest.as_ref().map(CommitSha::as_str) else { return Ok(None) };
    Ok(is_passed(mirror, call, (commit, newest), interrupt)?.then(|| newest.to_owned()))
}

/// Whether a branch went on from the commit to this newer one, and is still there. A branch that was
/// moved back had what it was moved from before, which does not lead to the commit.
pub(super) fn is_passed(
    mirror: &Mirror,
    call: &Call,
    (commit, newer): (&str, &str),
    interrupt: &AtomicBool,
) -> Result<bool, Error> {
    let is_push = call.commit.is_some() && !call.is_proposal() && !call.on_head;
    if !is_push || newer == commit || !mirror.has(newer)? || !contains(mirror, newer, commit)? {
        return Ok(false);
    }
    if let Some(previous) = &call.previous
        && has_or_fetches(mirror, previous.as_str(), interrupt)?
        && !contains(mirror, commit, previous.as_str())?
    {
        return Ok(false);
    }
    // If the origin is away, as it was when it was last seen.
    let _ = mirror.fetch(&[], interrupt);
    match mirror.head(&call.branch)? {
        Some(head) => contains(mirror, &head, newer),
        None => Ok(true),
    }
}

/// Looks at the newer head in place of a commit that it overtook, for what that one changed.
fn late(
    mirror: &Mirror,
    (call, commit, newest): (&Call, &str, &str),
    last: &mut Option<FileList>,
    interrupt: &AtomicBool,
) -> Result<Look, Error> {
    let previous = match &call.previous {
        Some(previous) if has_or_fetches(mirror, previous.as_str(), interrupt)? => {
            Some(previous.as_str().to_owned())
        }
        _ => mirror.parent(commit)?,
    };
    let is_planned = match (&call.before.since, &previous) {
        (Some(since), Some(previous)) if mirror.has(since.as_str())? => {
            contains(mirror, previous, since.as_str())?
        }
        _ => false,
    };
    let Seen { paths, .. } = compare(mirror, previous.as_deref(), commit)?;
    Ok(Look {
        title: mirror.title(commit)?,
        commit: newest.to_owned(),
        paths,
        own: None,
        moved: BTreeMap::new(),
        history: History::Forward,
        files: mirror.snapshot_after(last, newest)?,
        since: previous.map(CommitSha::from),
        late: Some(Late { by: CommitSha::from(newest), is_planned }),
        is_behind: false,
    })
}

/// Whether a commit is part of what led to a head, or is that head.
fn contains(mirror: &Mirror, head: &str, commit: &str) -> Result<bool, Error> {
    Ok(head == commit || mirror.merge_base(head, commit)?.as_deref() == Some(commit))
}

/// The commit that is meant, once it is here.
pub(crate) fn bring(mirror: &Mirror, call: &Call, interrupt: &AtomicBool) -> Result<String, Error> {
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
    for name in names_of(commit, call.pull_request) {
        // What a host does not have, or does not give by this name, it may give by another.
        let _ = mirror.fetch(&[name], interrupt);
        if mirror.has(commit)? {
            return Ok(commit.to_owned());
        }
    }
    Err(Error::Missing { commit: commit.to_owned() })
}

/// By which names hosts give a commit that no branch holds: most by its own, and that of a pull
/// request GitHub, GitLab, Bitbucket Data Center and Azure DevOps each by another.
fn names_of(commit: &str, pull_request: Option<u64>) -> Vec<String> {
    let of_hosts = pull_request.into_iter().flat_map(|number| {
        [
            format!("refs/pull/{number}/head"),
            format!("refs/merge-requests/{number}/head"),
            format!("refs/pull-requests/{number}/from"),
            format!("refs/pull/{number}/merge"),
        ]
    });
    std::iter::once(commit.to_owned()).chain(of_hosts).collect()
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
    /// Takes along which folders were renamed since the code was `read` last, whatever the commit is
    /// compared with besides: a survey with nothing, a push with the head before it, which nobody
    /// may have told of.
    pub(super) fn follow_from(
        &mut self,
        mirror: &Mirror,
        read: &str,
        interrupt: &AtomicBool,
    ) -> Result<(), Error> {
        let is_compared = self.since.as_ref().is_some_and(|since| since.as_str() == read);
        if is_compared || read == self.commit || !has_or_fetches(mirror, read, interrupt)? {
            return Ok(());
        }
        for (old, new) in compare(mirror, Some(read), &self.commit)?.moved {
            self.moved.entry(old).or_insert(new);
        }
        Ok(())
    }

    /// What is seen if somebody has changed something since, and nothing else counts.
    pub(super) fn with(self, unpushed: &Unpushed) -> Self {
        let renamed = unpushed.renamed.iter().cloned();
        let renamed: Vec<PathChange> =
            renamed.map(|(from, to)| PathChange::Renamed { from, to }).collect();
        let paths = Paths::All(unpushed.paths.clone());
        let (moved, history) = (moved_folders(&renamed), History::Forward);
        Self { paths, own: None, moved, history, ..self }
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
