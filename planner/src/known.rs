//! What the planner knows when it decides: catalogue and graph of one version, and how fresh.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use contracts::{CommitSha, Reason, StackId};
use uuid::Uuid;

use crate::{
    blueprint::{Adoption, Blueprint},
    branches::Branches,
    catalogue::{Catalogue, Loose, Stack, repository_key},
    graph::Graph,
    reader::Surveyed,
};

/// How many stacks are read by their ids; if it is more, the account is.
const STACKS_MAX: usize = 50;

/// One version of the catalogue with its graph.
#[derive(Debug)]
pub struct Known {
    /// The stacks.
    pub catalogue: Catalogue,
    /// Their dependencies.
    pub graph: Graph,
}

impl Known {
    /// What follows from these stacks.
    pub fn new(version: i64, stacks: Vec<Stack>) -> Self {
        Self::with_code(version, stacks, Vec::<Blueprint>::new())
    }

    /// What follows from these stacks and from what code says of them.
    pub fn with_code(
        version: i64,
        stacks: Vec<Stack>,
        blueprints: Vec<impl Into<Arc<Blueprint>>>,
    ) -> Self {
        Self::with_adoptions(version, stacks, blueprints, Vec::new())
    }

    /// The same, where people said of some stacks which code they belong to.
    pub fn with_adoptions(
        version: i64,
        stacks: Vec<Stack>,
        blueprints: Vec<impl Into<Arc<Blueprint>>>,
        adoptions: Vec<Adoption>,
    ) -> Self {
        let blueprints = blueprints.into_iter().map(Into::into).collect();
        Self::with_read(version, stacks, blueprints, adoptions, Branches::all())
    }

    /// The same, where the code of some branches alone was read.
    pub fn with_read(
        version: i64,
        stacks: Vec<Stack>,
        blueprints: Vec<Arc<Blueprint>>,
        adoptions: Vec<Adoption>,
        read: Branches,
    ) -> Self {
        let catalogue = Catalogue::new(version, stacks, blueprints, adoptions, read);
        let graph = Graph::new(&catalogue);
        Self { catalogue, graph }
    }

    /// The same, where these stacks are registered as loose.
    #[must_use]
    pub fn with_loose(self, loose: Loose) -> Self {
        Self { catalogue: self.catalogue.with_loose(loose), ..self }
    }
}

/// What is known, and how fresh it is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The newest version.
    pub known: Arc<Known>,
    /// The account was read no earlier than this.
    pub as_of: DateTime<Utc>,
}

/// Where deciders find what is known, and where they say that they would like to know better.
/// The tables are the copy of record; this is their shadow in one process.
#[derive(Debug)]
pub struct Shelf {
    snapshot: RwLock<Option<Snapshot>>,
    /// Microseconds since the epoch; before it was ever asked for, the beginning of time.
    wanted: AtomicI64,
    /// Stacks of which something has changed since they were read.
    stacks_wanted: Mutex<BTreeSet<StackId>>,
    /// The newest reading that those who waited were told of, likewise.
    announced: AtomicI64,
    /// What code was last asked to be read for.
    surveyed: Mutex<Option<Surveyed>>,
    /// The commit of each branch that was read last, by repository and branch.
    heads: Mutex<HashMap<(String, String), CommitSha>>,
    /// Repositories whose mirrors could not be read, and why.
    away: Mutex<BTreeMap<String, Reason>>,
    /// Tells this process from others, and from what it was before.
    life: Uuid,
}

impl Default for Shelf {
    fn default() -> Self {
        let never = || AtomicI64::new(i64::MIN);
        Self {
            snapshot: RwLock::default(),
            wanted: never(),
            stacks_wanted: Mutex::default(),
            announced: never(),
            surveyed: Mutex::default(),
            heads: Mutex::default(),
            away: Mutex::default(),
            life: Uuid::new_v4(),
        }
    }
}

impl Shelf {
    /// What is known, if the account was ever read.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a newer snapshot in place; whoever was slower with an older one changes nothing.
    pub fn put(&self, snapshot: Snapshot) {
        let version = |snapshot: &Snapshot| snapshot.known.catalogue.version();
        let mut kept = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|kept| version(kept) <= version(&snapshot)) {
            *kept = Some(snapshot);
        }
    }

    /// Somebody would decide better if the account had been read after `at`.
    pub fn want(&self, at: DateTime<Utc>) {
        self.wanted.fetch_max(at.timestamp_micros(), Ordering::Relaxed);
    }

    /// Whether the account should be read again although it was read at `as_of`.
    pub fn wants_newer_than(&self, as_of: DateTime<Utc>) -> bool {
        self.wanted.load(Ordering::Relaxed) > as_of.timestamp_micros()
    }

    /// Somebody would decide better if these stacks had been read after `at`.
    pub fn want_stacks(&self, ids: impl IntoIterator<Item = StackId>, at: DateTime<Utc>) {
        let mut wanted = self.stacks_wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.extend(ids);
        if wanted.len() > STACKS_MAX {
            wanted.clear();
            self.want(at);
        }
    }

    /// Whether there are stacks that should be read again.
    pub fn wants_stacks(&self) -> bool {
        !self.stacks_wanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the stacks that should be read again.
    pub fn take_stacks(&self) -> BTreeSet<StackId> {
        std::mem::take(&mut *self.stacks_wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What code was last asked to be read for; none before it ever was.
    pub fn surveyed(&self) -> Option<Surveyed> {
        *self.surveyed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is to be read for this was asked for.
    pub fn note_surveyed(&self, surveyed: Surveyed) {
        *self.surveyed.lock().unwrap_or_else(PoisonError::into_inner) = Some(surveyed);
    }

    /// Notes commits that were read, of branches of repositories.
    pub fn note_heads(&self, heads: impl IntoIterator<Item = ((String, String), CommitSha)>) {
        let heads = heads
            .into_iter()
            .map(|((repository, branch), commit)| ((repository_key(&repository), branch), commit));
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).extend(heads);
    }

    /// The commit of a branch that was read last.
    pub fn head(&self, repository: &str, branch: &str) -> Option<CommitSha> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.get(&(repository_key(repository), branch.to_owned())).cloned()
    }

    /// The mirror of a repository cannot be read.
    pub fn note_away(&self, repository: &str, why: Reason) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.insert(repository_key(repository), why);
    }

    /// It can be.
    pub fn note_there(&self, repository: &str) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.remove(&repository_key(repository));
    }

    /// Whether the last attempt to read it failed.
    pub fn is_away(&self, repository: &str) -> bool {
        self.away().contains_key(&repository_key(repository))
    }

    /// Repositories whose mirrors could not be read, and why.
    pub fn away(&self) -> BTreeMap<String, Reason> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells this process from others, and from what it was before.
    pub fn life(&self) -> Uuid {
        self.life
    }

    /// Whether a reading at `as_of` is news to those who wait.
    pub fn is_news(&self, as_of: DateTime<Utc>) -> bool {
        self.announced.load(Ordering::Relaxed) < as_of.timestamp_micros()
    }

    /// Those who wait were told of the reading at `as_of`.
    pub fn note_announced(&self, as_of: DateTime<Utc>) {
        self.announced.fetch_max(as_of.timestamp_micros(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
