//! The policies in force: read, and read again when what they are read from changes.

use std::{
    path::Path,
    sync::{Arc, RwLock},
};

use chrono::{DateTime, Utc};
use contracts::CommitSha;
use serde::{Deserialize, Serialize};

use crate::{
    branch::Branch,
    document::{self, File},
    fault::Faults,
    folder,
    line::{self, Stop},
    model::PolicySet,
};

mod seen;
mod source;

use seen::Seen;
pub use source::Source;

/// The policies in force, and how that came about.
#[derive(Debug)]
pub struct Library {
    source: Source,
    /// What people stopped by hand, as a file beside those that are read.
    line: RwLock<Option<File>>,
    shelf: RwLock<Shelf>,
}

/// What a library knows.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The policies in force.
    pub set: Arc<PolicySet>,
    /// Since when.
    pub loaded_at: DateTime<Utc>,
    /// Why what is there now is not in force.
    pub refused: Option<Refused>,
    /// When the origin gave what it has, if it was asked.
    pub fetched_at: Option<DateTime<Utc>>,
    /// Why it gives nothing now.
    pub away: Option<Away>,
    /// What people stopped or let go on by hand, if that is how the set came into force.
    pub switched: Option<String>,
    /// Whether a set was ever read here; only of a trial it may not have been.
    pub is_read: bool,
    /// The files of the set in force.
    sources: Vec<File>,
    /// What was read last.
    seen: Seen,
    /// Whether it was judged already.
    judged: bool,
}

/// A repository that cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why.
    pub text: String,
}

/// Policies that are not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Since when that is known.
    pub at: DateTime<Utc>,
    /// Why.
    pub faults: Faults,
    /// Their commit, if they are in a repository.
    pub commit: Option<CommitSha>,
}

/// What a look led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing new, or nothing that has settled yet.
    Same,
    /// Another set is in force.
    Replaced,
    /// What is there now is faulty; what was in force stays.
    Refused(Faults),
}

/// The set that was in force last, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSet {
    /// The commit it was read from; none of a folder.
    pub commit: Option<CommitSha>,
    /// Its files.
    pub files: Vec<File>,
}

impl Library {
    /// Opens a folder. A faulty set is refused: no old one is known.
    pub fn open(folder: &Path, now: DateTime<Utc>) -> Result<Self, Faults> {
        let seen = Seen::of(None, folder::files(folder));
        let files = seen.files.clone()?;
        let set = document::read(&files)?;
        Ok(Self::with(Source::Folder(folder.to_owned()), (set, files), seen, now))
    }

    /// Opens a folder. If what is there is faulty, the files that were in force last are.
    pub fn open_folder(
        folder: &Path,
        kept: Option<StoredSet>,
        now: DateTime<Utc>,
    ) -> Result<Self, Faults> {
        let faults = match Self::open(folder, now) {
            Ok(library) => return Ok(library),
            Err(faults) => faults,
        };
        let read = |kept: StoredSet| Some((document::read_kept(&kept.files).ok()?, kept.files));
        let Some(read) = kept.and_then(read) else { return Err(faults) };
        let seen = Seen::of(None, folder::files(folder));
        let library = Self::with(Source::Folder(folder.to_owned()), read, seen, now);
        let refused = Some(Refused { at: now, faults, commit: None });
        library.shelf.write().expect("no holder panics").refused = refused;
        Ok(library)
    }

    /// Opens the head of a branch. If that is faulty, or is older than what was in force last
    /// because the origin is away, the kept set is in force.
    pub fn open_branch(
        branch: Arc<Branch>,
        fetched: &anyhow::Result<()>,
        kept: Option<StoredSet>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let head = branch.head()?;
        let commit = kept.as_ref().and_then(|kept| kept.commit.as_ref());
        let is_older = fetched.is_err() && commit.is_some_and(|commit| !branch.has(commit));
        let found = head.clone().filter(|_| !is_older).map(|head| {
            let seen = Seen::at(&branch, head);
            let read = seen.files.clone().and_then(|files| Ok((document::read(&files)?, files)));
            (seen, read)
        });
        let source = Source::Branch(branch.clone());
        let library = match (found, kept) {
            (Some((seen, Ok(read))), _) => Self::with(source, read, seen, now),
            (found, Some(StoredSet { commit, files })) => {
                let read =
                    document::read_kept(&files).map_err(|faults| anyhow::anyhow!("{faults}"))?;
                let (seen, refused) = match found {
                    Some((seen, Err(faults))) => {
                        let commit = seen.commit.clone();
                        (seen, Some(Refused { at: now, faults, commit }))
                    }
                    // What the mirror has is known to be older, and is not to replace this.
                    _ => {
                        let commit = head.or_else(|| commit.clone());
                        (Seen::of(commit, Ok(files.clone())), None)
                    }
                };
                let library = Self::with(source, (read, files), seen, now);
                let mut shelf = library.shelf.write().expect("no holder panics");
                shelf.refused = refused;
                Arc::make_mut(&mut shelf.set).commit = commit;
                drop(shelf);
                library
            }
            (Some((_, Err(faults))), None) => {
                let commit = head.map(|head| head.0).unwrap_or_default();
                anyhow::bail!("{} at {commit}: {faults}", branch.title())
            }
            (None, None) => {
                let why = fetched.as_ref().err().map_or_else(
                    || "there is no such branch".to_owned(),
                    |error| format!("{error:#}"),
                );
                anyhow::bail!("there are no policies to begin with in {}: {why}", branch.title())
            }
        };
        library.note_fetch(fetched, now);
        Ok(library)
    }

    /// Opens policies on trial, as those in force are opened. But nothing depends on them, so it opens
    /// also if nothing that can be read is there or was tried last: that is told by its shelf, and
    /// nothing is tried.
    pub fn open_trial(
        source: Source,
        fetched: &anyhow::Result<()>,
        kept: Option<StoredSet>,
        now: DateTime<Utc>,
    ) -> Result<Self, Faults> {
        let opened = match &source {
            Source::Folder(folder) => Self::open_folder(folder, kept, now).ok(),
            Source::Branch(branch) => Self::open_branch(branch.clone(), fetched, kept, now).ok(),
        };
        if let Some(library) = opened {
            return Ok(library);
        }
        let nothing = Seen::of(None, Ok(Vec::new()));
        let library = Self::with(source, (document::read(&[])?, Vec::new()), nothing, now);
        let mut shelf = library.shelf.write().expect("no holder panics");
        (shelf.is_read, shelf.judged) = (false, false);
        drop(shelf);
        // What is in a folder counts when it is seen twice alike.
        (0..2).for_each(|_| drop(library.look(now)));
        if library.branch().is_some() {
            library.note_fetch(fetched, now);
        }
        Ok(library)
    }

    /// Whether a set of policies was ever read here; only of a trial it may not have been.
    pub fn has_policies(&self) -> bool {
        self.shelf.read().expect("no holder panics").is_read
    }

    fn with(
        source: Source,
        (mut set, sources): (PolicySet, Vec<File>),
        seen: Seen,
        now: DateTime<Utc>,
    ) -> Self {
        set.commit.clone_from(&seen.commit);
        let shelf = Shelf {
            set: Arc::new(set),
            loaded_at: now,
            refused: None,
            fetched_at: None,
            away: None,
            switched: None,
            is_read: true,
            sources,
            seen,
            judged: true,
        };
        Self { source, line: RwLock::default(), shelf: RwLock::new(shelf) }
    }

    /// Where they are read.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The branch they are read from; none for a folder.
    pub fn branch(&self) -> Option<&Arc<Branch>> {
        match &self.source {
            Source::Folder(_) => None,
            Source::Branch(branch) => Some(branch),
        }
    }

    /// The files of the set in force.
    pub fn sources(&self) -> Vec<File> {
        self.shelf.read().expect("no holder panics").sources.clone()
    }

    /// The policies in force.
    pub fn current(&self) -> Arc<PolicySet> {
        self.shelf.read().expect("no holder panics").set.clone()
    }

    /// Everything that is known.
    pub fn shelf(&self) -> Shelf {
        self.shelf.read().expect("no holder panics").clone()
    }

    /// Notes what came of asking the origin. Returns whether that is another state than before.
    pub fn note_fetch(&self, fetched: &anyhow::Result<()>, now: DateTime<Utc>) -> bool {
        let mut shelf = self.shelf.write().expect("no holder panics");
        let was_away = shelf.away.is_some();
        match fetched {
            Ok(()) => {
                shelf.fetched_at = Some(now);
                shelf.away = None;
            }
            Err(error) => {
                let since = shelf.away.as_ref().map_or(now, |away| away.since);
                shelf.away = Some(Away { since, text: format!("{error:#}") });
            }
        }
        shelf.away.is_some() != was_away
    }

    /// Looks whether what is there has changed.
    ///
    /// What is new in a folder counts when it is seen twice alike: an editor may empty a file before
    /// it writes it anew, and for that moment a policy would be gone. A commit is whole.
    pub fn look(&self, now: DateTime<Utc>) -> Look {
        let Some(found) = self.read().filter(|found| self.is_to_be_judged(found)) else {
            return Look::Same;
        };
        let Seen { commit, files, .. } = found;
        let stopped = self.line.read().expect("no holder panics").clone();
        let files = files.map(|files| line::beside(files, stopped.as_ref()));
        // Read before the lock is taken: gates are decided meanwhile, whatever it takes.
        let read = files.and_then(|files| document::read(&files).map(|set| (set, files)));
        let mut shelf = self.shelf.write().expect("no holder panics");
        if *self.line.read().expect("no holder panics") != stopped {
            // Somebody stopped it meanwhile, or let it go on.
            shelf.judged = false;
            return Look::Same;
        }
        match read {
            Err(faults) => {
                shelf.refused = Some(Refused { at: now, faults: faults.clone(), commit });
                Look::Refused(faults)
            }
            Ok((mut set, files)) => {
                shelf.refused = None;
                (shelf.sources, shelf.is_read) = (files, true);
                let is_new = set.digest != shelf.set.digest;
                if is_new {
                    shelf.loaded_at = now;
                    shelf.switched = None;
                }
                // Places, warnings and the commit may differ even where the digest does not.
                set.commit = commit;
                shelf.set = Arc::new(set);
                if is_new { Look::Replaced } else { Look::Same }
            }
        }
    }

    /// Whether what was found is new, and has settled.
    fn is_to_be_judged(&self, found: &Seen) -> bool {
        let mut shelf = self.shelf.write().expect("no holder panics");
        if *found != shelf.seen {
            let has_settled = found.commit.is_some();
            shelf.seen = found.clone();
            shelf.judged = false;
            if !has_settled {
                return false;
            }
        }
        !std::mem::replace(&mut shelf.judged, true)
    }

    /// Puts what people stopped by hand in force, beside the policies that are.
    pub fn switch(&self, stops: &[Stop], now: DateTime<Utc>) -> Look {
        let line = line::file(stops);
        if *self.line.read().expect("no holder panics") == line {
            return Look::Same;
        }
        let mut shelf = self.shelf.write().expect("no holder panics");
        let mut files = shelf.sources.clone();
        files.retain(|file| file.name != line::FILE);
        let files = line::beside(files, line.as_ref());
        *self.line.write().expect("no holder panics") = line;
        match document::read_kept(&files) {
            Err(faults) => Look::Refused(faults),
            Ok(set) => {
                let commit = shelf.set.commit.clone();
                shelf.set = Arc::new(PolicySet { commit, ..set });
                (shelf.sources, shelf.loaded_at) = (files, now);
                shelf.switched = line::news(stops);
                Look::Replaced
            }
        }
    }

    /// What is there now; none if it surely is what was seen before, or cannot be told.
    fn read(&self) -> Option<Seen> {
        match &self.source {
            Source::Folder(folder) => Some(Seen::of(None, folder::files(folder))),
            Source::Branch(branch) => {
                let head = branch.head().ok().flatten()?;
                let is_known = self.shelf.read().expect("no holder panics").seen.is_all_of(&head);
                (!is_known).then(|| Seen::at(branch, head))
            }
        }
    }
}

impl Shelf {
    /// The commit that was read last, in force or not.
    pub fn head(&self) -> Option<&CommitSha> {
        self.seen.commit.as_ref()
    }
}

#[cfg(test)]
mod tests;
