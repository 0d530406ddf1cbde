//! Mirrors of the repositories that stacks are made from, and the reading of their code: the edge
//! to Git. It is an effect like others, so nothing of it happens inside a deciding transaction, and
//! everything that blocks does so on a thread of its own.
//!
//! One reading of a repository is under way at a time, whatever the replicas: the lane of the
//! effect sees to that. What a reading changes in the register is decided with its result.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use code::path::is_within;
use contracts::{
    Reason, StackId,
    chain::ChainKind,
    change::{Change, Paths},
};
use git::Mirror;
use sqlx::PgPool;
use tokio::runtime::Handle;

use crate::{
    blueprint::{Adoption, Blueprint},
    catalogue::repository_key,
    config,
    errand::asked_for,
    known::{Known, Shelf, Snapshot},
    memory::{self, Before},
    reader::catch_up,
    register::{self, Found, Registered, Registration},
    store as tables,
};

mod circle;
mod files;
mod homes;
pub(crate) mod judge;
mod look;
mod origin;
mod reader;
mod reading;
mod reads;

pub(crate) use circle::Circle;
use circle::Taken;
pub(crate) use files::Unpushed;
use files::{Changed, Files};
pub(crate) use look::bring;
pub(crate) use look::{Call, Late};
pub(crate) use origin::AUTO;
use origin::{NoOrigin, Origins};
use reader::ReadCache;
pub(crate) use reading::Reading;
pub(crate) use reads::{Reads, undecidable, unreadable};

/// The mirrors of all repositories, in one folder.
pub struct Mirrors {
    origins: Origins,
    patience: Duration,
    pool: PgPool,
    shelf: Arc<Shelf>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<ReadCache>>>>,
}

impl Mirrors {
    /// Mirrors as configured.
    pub fn new(options: config::Git, pool: PgPool, shelf: Arc<Shelf>) -> anyhow::Result<Self> {
        let patience = options.patience;
        let origins = Origins::new(options).context("the table [git]")?;
        Ok(Self { origins, patience, pool, shelf, locks: Mutex::default() })
    }

    /// Where they are kept; none if there are none.
    pub fn folder(&self) -> Option<&Path> {
        self.origins.folder()
    }

    pub(crate) fn mirror(&self, repository: &str) -> anyhow::Result<Mirror> {
        let known = self.shelf.snapshot().map(|snapshot| snapshot.known);
        let found = known.as_ref().and_then(|known| known.catalogue.repository(repository));
        let provider = found.map(|found| found.provider).unwrap_or_default();
        Ok(self.origins.mirror(repository, provider)?)
    }

    pub(crate) fn lock(&self, repository: &str) -> Arc<tokio::sync::Mutex<ReadCache>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(repository_key(repository)).or_default().clone()
    }

    /// Looks at a commit and reads its code, as long as it takes.
    pub(crate) async fn read(self: Arc<Self>, call: Call) -> anyhow::Result<Reading> {
        self.read_with(call, None).await
    }

    /// The same, with what was changed since the commit.
    async fn read_with(
        self: Arc<Self>,
        call: Call,
        unpushed: Option<Unpushed>,
    ) -> anyhow::Result<Reading> {
        let mut kept = self.lock(&call.repository).lock_owned().await;
        let (Snapshot { known, as_of }, before) = self.registered(&call, &mut kept).await?;
        if let Some(reading) = of_nobody(&call, &known, &before) {
            return Ok(Reading { as_of: Some(as_of), ..reading });
        }
        let newest = tables::commit_read(&self.pool, (&call.repository, &call.branch)).await?;
        let version = tables::next_version(&self.pool).await?;
        let runtime = Handle::current();
        let read = tokio::task::spawn_blocking(move || {
            let look = self.look((&call, newest.as_deref()), &mut kept)?;
            self.shelf.note_there(&call.repository);
            // It may have taken so long that code which left another branch meanwhile comes to this one.
            let (Snapshot { known, as_of }, before) =
                runtime.block_on(self.registered(&call, &mut kept))?;
            let as_of = Some(as_of);
            let Some(look) = look else {
                return Ok(Reading { as_of, ..without_branch(call, &known, &before) });
            };
            let seen = match unpushed {
                Some(unpushed) => (look.with(&unpushed), unpushed),
                None => (look, Unpushed::default()),
            };
            let reading = reckon((&call, seen), &mut kept, &before, &known, version);
            let reading = Reading { as_of, ..reading };
            if let Some(commit) = reading.registration.as_ref().and_then(|it| it.commit.clone())
                && !call.on_head
            {
                let branch = (call.repository.clone(), call.branch.clone());
                self.shelf.note_heads([(branch, commit)]);
            }
            Ok(reading)
        });
        read.await.context("reading it panicked")?
    }

    /// What there is to see of a commit, if its branch is there. `newest` is the commit of the branch
    /// that was read last. Blocks.
    fn look(
        &self,
        (call, newest): (&Call, Option<&str>),
        kept: &mut ReadCache,
    ) -> anyhow::Result<Option<look::Look>> {
        let mirror = self.mirror(&call.repository)?;
        let interrupt = AtomicBool::new(false);
        let mut look = match look::look(&mirror, call, &mut kept.files, &interrupt) {
            // Who asks what would follow is told that it is missing.
            Err(git::Error::Missing { .. }) if call.commit.is_none() && !call.on_head => {
                return Ok(None);
            }
            look => look?,
        };
        if let Some(newest) = newest {
            let commits = (look.commit.as_str(), newest);
            look.is_behind = look::is_passed(&mirror, call, commits, &interrupt)?;
            if !(look.is_behind || look.late.is_some() || call.is_proposal()) {
                look.follow_from(&mirror, newest, &interrupt)?;
            }
        }
        Ok(Some(look))
    }

    /// What is known, and what is registered of a branch. The latter is never the older of the two:
    /// a stack whose code is known to have left another branch is registered as loose. The lane lets
    /// nobody else change what is registered of this one meanwhile.
    async fn registered(
        &self,
        Call { repository, branch, .. }: &Call,
        kept: &mut ReadCache,
    ) -> anyhow::Result<(Snapshot, Registered)> {
        let version = tables::versions(&self.pool).await?;
        // How stacks are registered goes with what code and people say of them.
        let is_current = |it: &Snapshot| it.known.catalogue.version() == version.0;
        if !self.shelf.snapshot().is_some_and(|snapshot| is_current(&snapshot)) {
            catch_up(&self.pool, &self.shelf).await?;
        }
        let snapshot = self.shelf.snapshot().context("the account was not read yet")?;
        let read = kept.states.of(version, branch).filter(|_| is_current(&snapshot));
        let known = &snapshot.known;
        let states = match read {
            Some(states) => states,
            None => {
                let stacks = known.catalogue.stacks().iter();
                let stacks = stacks.filter(|stack| stack.tracks(repository, branch));
                let stacks: Vec<&str> = stacks.map(|stack| stack.id.as_str()).collect();
                let place = (repository.as_str(), branch.as_str());
                let read = Arc::new(tables::states(&self.pool, place, &stacks).await?);
                kept.states.keep(version, branch, read.clone());
                read
            }
        };
        let blueprints = known.catalogue.blueprints().iter();
        let blueprints = blueprints.filter(|it| it.is_of(repository, branch)).cloned().collect();
        let broken = known.catalogue.read().broken(repository, branch).cloned();
        Ok((snapshot, Registered { states, blueprints, broken }))
    }

    /// Reads a commit as it would be read if it were pushed.
    pub(crate) async fn what_if(
        self: Arc<Self>,
        call: Call,
        unpushed: Option<Unpushed>,
    ) -> anyhow::Result<Reading> {
        self.check()?;
        self.read_with(call, unpushed).await
    }

    /// What is known of the branch of a change, for who asks what would follow: what those before it
    /// left over comes along, and a newer head is no reason not to look.
    pub(crate) async fn before(&self, kind: ChainKind, change: &Change) -> anyhow::Result<Before> {
        let key = memory::key(&change.repository);
        let mut connection = self.pool.acquire().await?;
        let memory = tables::load_memories(&mut connection, &[key]).await?.remove(&key);
        let settled = memory.and_then(|memory| memory.looked_at_since(kind, change));
        Ok(Before { settled, ..Before::default() })
    }

    /// Whether there may be mirrors at all.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.folder().map(drop).ok_or_else(|| NoOrigin::NoFolder.into())
    }
}

/// What there is to see of a branch that no stack tracks any more.
fn of_nobody(call: &Call, known: &Arc<Known>, before: &Registered) -> Option<Reading> {
    let branch = (call.repository.as_str(), call.branch.as_str());
    let is_left = call.commit.is_none() && !known.catalogue.tracks(branch.0, branch.1);
    let registration = || Arc::new(register::retire(branch, before, known));
    is_left.then(|| Reading::unseen(call.clone(), registration(), known.clone()))
}

/// What there is to see of a branch that is not there: its stacks are left as they are.
fn without_branch(call: Call, known: &Arc<Known>, before: &Registered) -> Reading {
    let Call { repository, branch, .. } = &call;
    let fault = format!("{repository} has no branch {branch}; its stacks are left as they are");
    let registration = Registration {
        repository: repository.clone(),
        branch: branch.clone(),
        faults: vec![fault],
        broken: before.broken.is_none().then(BTreeSet::new),
        ..Registration::default()
    };
    Reading::unseen(call, Arc::new(registration), known.clone())
}

/// What follows from what was seen. Pure, but long for a large repository.
fn reckon(
    (of, (look, unpushed)): (&Call, (look::Look, Unpushed)),
    kept: &mut ReadCache,
    before: &Registered,
    known: &Arc<Known>,
    version: i64,
) -> Reading {
    let (repository, branch, commit) = (&*of.repository, &*of.branch, &*look.commit);
    let place = reader::Place { repository, branch, commit };
    let changed = (&look.paths, look.own.as_ref(), kept);
    let files = Changed { files: Files(&look.files), by: &unpushed };
    let reader::Read { found, by_code, own } =
        reader::read(place, &files, (&known.catalogue, &before.states, &look.moved), changed);
    let found = Found { moved: look.moved, ..found }.with_broken_as_before(&before.blueprints);
    let branch = (repository, branch);
    // Newer code is registered already: this must not take its place.
    let is_behind = look.is_behind || look.late.is_some();
    let from = known.catalogue.version();
    let was = known.clone();
    let Taken { known, found, adoptions, circle } = match is_behind {
        true => Taken::nothing(known, found),
        false => circle::take(known, of, found, before, version),
    };
    let registration = match &circle {
        _ if is_behind => None,
        Some(circle) if circle.stacks.is_empty() => {
            Some(Registration::refused(branch, &found, &circle.text))
        }
        circle => {
            let versions = (from, known.catalogue.version());
            let left = circle.as_ref().map(|circle| circle.folders(&known)).unwrap_or_default();
            let mut touched = touched(&found, &look.paths, &by_code);
            touched.retain(|folder| !left.contains(folder.as_str()));
            let registration = register::register(branch, before, &found, &known);
            let registration = Registration { adoptions, touched, versions, ..registration };
            Some(registration.with_fault(circle.as_ref()))
        }
    };
    let gone = registration.as_ref().map(Registration::loosened).unwrap_or_default();
    // What is merely proposed is not registered, and lets nothing be destroyed.
    let registration = registration.filter(|_| !of.is_proposal()).map(Arc::new);
    let asked = registration.as_ref().map(|_| asked_for(&gone, &known, &was)).unwrap_or_default();
    let own = look.own.zip(own).map(|(paths, by_code)| (paths, ids(&known, branch, by_code)));
    let by_code = ids(&known, branch, by_code);
    let (paths, history, title) = (look.paths, look.history, Some(look.title));
    Reading {
        call: of.clone(),
        title,
        paths,
        history,
        known: Some(known),
        as_of: None,
        before: Some(was),
        registration,
        gone,
        asked,
        by_code,
        own,
        circle,
        trouble: None,
        is_missing: false,
        is_undecidable: false,
        since: look.since,
        late: look.late,
    }
}

/// The folders of code that changed files touch.
fn touched(found: &Found, paths: &Paths, by_code: &BTreeMap<String, Reason>) -> BTreeSet<String> {
    let Paths::All(paths) = paths else { return BTreeSet::new() };
    let is_touched = |blueprint: &&Arc<Blueprint>| {
        by_code.contains_key(&blueprint.name)
            || paths.iter().any(|path| is_within(path, &blueprint.path))
    };
    found.blueprints.iter().filter(is_touched).map(|it| it.path.clone()).collect()
}

/// The stacks that go by these names in the code of a branch.
fn ids(
    known: &Known,
    (repository, branch): (&str, &str),
    mut by_name: BTreeMap<String, Reason>,
) -> Vec<(StackId, Reason)> {
    if by_name.is_empty() {
        return Vec::new();
    }
    let stacks = known.catalogue.stacks().iter().enumerate();
    let told = stacks.filter_map(|(position, stack)| {
        let said = known.catalogue.blueprint(position)?;
        let reason = said.is_of(repository, branch).then(|| by_name.remove(&said.name))??;
        Some((stack.id.clone(), reason))
    });
    told.collect()
}

/// Catalogue and graph with what was found, and adopted with it, in place of what was known of the
/// branch.
fn with_code(
    known: &Arc<Known>,
    call: &Call,
    (found, adopted): (&Found, &[Adoption]),
    version: i64,
) -> Arc<Known> {
    let branch = (call.repository.as_str(), call.branch.as_str());
    let old = reader::by_place(known.catalogue.blueprints(), branch);
    let is_known = |new: &Arc<Blueprint>| {
        let old = old.get(&(new.path.as_str(), new.name.as_str()));
        old.is_some_and(|old| old.is_like(new))
    };
    let read = known.catalogue.read();
    let same = old.len() == found.blueprints.len()
        && found.blueprints.iter().all(is_known)
        && read.broken(branch.0, branch.1) == Some(&found.broken);
    if same && adopted.is_empty() {
        return known.clone();
    }
    let is_elsewhere = |blueprint: &&Arc<Blueprint>| !blueprint.is_of(branch.0, branch.1);
    let others = known.catalogue.blueprints().iter().filter(is_elsewhere);
    let blueprints: Vec<Arc<Blueprint>> = others.chain(&found.blueprints).cloned().collect();
    let stacks = known.catalogue.stacks().to_vec();
    let is_new = |it: &&Adoption| adopted.iter().any(|new| new.stack == it.stack);
    let adoptions = known.catalogue.adoptions().iter().filter(|it| !is_new(it)).chain(adopted);
    let read = read.clone().with(branch, &found.broken);
    let new = Known::with_read(version, stacks, blueprints, adoptions.cloned().collect(), read);
    Arc::new(new.with_loose(known.catalogue.loose().clone()))
}

#[cfg(test)]
pub(crate) mod tests;
