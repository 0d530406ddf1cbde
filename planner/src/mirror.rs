//! Mirrors of the repositories that stacks are made from, and the reading of their code: the edge
//! to Git. It is an effect like others, so nothing of it happens inside a deciding transaction, and
//! everything that blocks does so on a thread of its own.
//!
//! One reading of a repository is under way at a time, whatever the replicas: the lane of the
//! effect sees to that. What a reading changes in the register is decided with its result.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use contracts::{Code, Reason, StackId};
use git::Mirror;
use sqlx::PgPool;
use store::{Claim, Performed, Performer};

use crate::{
    blueprint::{Adoption, Blueprint},
    catalogue::repository_key,
    config,
    decider::{Input, Planner},
    known::{Known, Shelf},
    register::{self, Found, Registered, Registration},
    store as tables,
    under_way::UnderWay,
    validate::{self, Validator},
};

mod circle;
mod files;
mod homes;
pub(crate) mod judge;
mod look;
mod origin;
mod reader;
mod reading;

pub use circle::Circle;
use circle::Taken;
pub(crate) use files::Unpushed;
use files::{Changed, Files};
pub use look::Call;
pub use origin::AUTO;
use origin::{NoOrigin, Origins, is_lasting};
use reader::Kept;
pub use reading::Reading;

/// For how long one attempt waits. What takes longer goes on, and the next attempt finds it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// The mirrors of all repositories, in one folder.
pub struct Mirrors {
    origins: Origins,
    patience: Duration,
    pool: PgPool,
    shelf: Arc<Shelf>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Kept>>>>,
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

    pub(crate) fn lock(&self, repository: &str) -> Arc<tokio::sync::Mutex<Kept>> {
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
        let branch = (call.repository.as_str(), call.branch.as_str());
        let before = self.registered(branch, &mut kept).await?;
        let version = tables::next_version(&self.pool).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mirror = self.mirror(&call.repository)?;
            let look = look::look(&mirror, &call, &mut kept.files, &AtomicBool::new(false))?;
            self.shelf.note_there(&call.repository);
            let snapshot = self.shelf.snapshot().context("the account was not read yet")?;
            let seen = match unpushed {
                Some(unpushed) => (look.with(&unpushed), unpushed),
                None => (look, Unpushed::default()),
            };
            Ok(reckon((&call, seen), &mut kept, &before, &snapshot.known, version))
        });
        read.await.context("reading it panicked")?
    }

    /// What is registered of a branch. The lane lets nobody else change it meanwhile.
    async fn registered(
        &self,
        (repository, branch): (&str, &str),
        kept: &mut Kept,
    ) -> anyhow::Result<Registered> {
        let (version, registered) = tables::versions(&self.pool).await?;
        let snapshot = self.shelf.snapshot();
        let known = snapshot.map(|it| it.known).filter(|it| it.catalogue.version() == version);
        let blueprints = match known {
            Some(known) => {
                let all = known.catalogue.blueprints().iter();
                all.filter(|blueprint| blueprint.is_of(repository, branch)).cloned().collect()
            }
            None => tables::blueprints_of(&self.pool, repository, branch).await?,
        };
        let states = match kept.states.of(registered, branch) {
            Some(states) => states,
            None => {
                let read = Arc::new(tables::states(&self.pool, repository, branch).await?);
                kept.states.keep(registered, branch, read.clone());
                read
            }
        };
        Ok(Registered { states, blueprints })
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

    /// Whether there may be mirrors at all.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.folder().map(drop).ok_or_else(|| NoOrigin::NoFolder.into())
    }
}

/// What follows from what was seen. Pure, but long for a large repository.
fn reckon(
    (of, (look, unpushed)): (&Call, (look::Look, Unpushed)),
    kept: &mut Kept,
    before: &Registered,
    known: &Arc<Known>,
    version: i64,
) -> Reading {
    let (repository, branch, commit) = (&*of.repository, &*of.branch, &*look.commit);
    let place = reader::Place { repository, branch, commit };
    let changed = (&look.paths, kept);
    let files = Changed { files: Files(&look.files), by: &unpushed };
    let reader::Read { found, by_code } =
        reader::read(place, &files, (&known.catalogue, &before.states, &look.moved), changed);
    let found = Found { moved: look.moved, ..found }.with_broken_as_before(&before.blueprints);
    let branch = (repository, branch);
    let Taken { known, found, adoptions, circle } = circle::take(known, of, found, before, version);
    let registration = match &circle {
        _ if of.is_proposal() => None,
        Some(circle) if circle.stacks.is_empty() => {
            Some(Registration::refused(branch, &found, &circle.text))
        }
        circle => {
            let registration = register::register(branch, before, &found, &known);
            Some(Registration { adoptions, ..registration }.with_fault(circle.as_ref()))
        }
    };
    let registration = registration.map(Arc::new);
    let by_code = ids(&known, branch, by_code);
    let (paths, history, title) = (look.paths, look.history, Some(look.title));
    let (call, known, trouble) = (of.clone(), Some(known), None);
    Reading { call, title, paths, history, known, registration, by_code, circle, trouble }
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
    let same = old.len() == found.blueprints.len() && found.blueprints.iter().all(is_known);
    if same && adopted.is_empty() {
        return known.clone();
    }
    let is_elsewhere = |blueprint: &&Arc<Blueprint>| !blueprint.is_of(branch.0, branch.1);
    let others = known.catalogue.blueprints().iter().filter(is_elsewhere);
    let blueprints: Vec<Arc<Blueprint>> = others.chain(&found.blueprints).cloned().collect();
    let stacks = known.catalogue.stacks().to_vec();
    let is_new = |it: &&Adoption| adopted.iter().any(|new| new.stack == it.stack);
    let adoptions = known.catalogue.adoptions().iter().filter(|it| !is_new(it)).chain(adopted);
    Arc::new(Known::with_adoptions(version, stacks, blueprints, adoptions.cloned().collect()))
}

/// The performer of readings, and of validations.
pub(crate) struct Reads {
    mirrors: Arc<Mirrors>,
    validator: Validator,
    under_way: UnderWay<anyhow::Result<Reading>>,
}

impl Performer for Reads {
    type Decider = Planner;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        if claim.kind == validate::KIND {
            return self.validator.perform(claim).await;
        }
        let call: Call = match serde_json::from_value(claim.body.clone()) {
            Ok(call) => call,
            // Only a newer build can have written it; it will perform it.
            Err(error) => {
                let why = Reason::new(Code::Unreadable, format!("this build cannot read: {error}"));
                return Performed::Later { after: PAUSE, why, uncertain: false };
            }
        };
        let what = format!("{} of {}", call.branch, call.repository);
        let trouble = match self.attempt(claim.id, call.clone()).await {
            Ok(reading) => return Performed::Done(Input::Read(Arc::new(reading))),
            Err(trouble) => trouble,
        };
        let shelf = &self.mirrors.shelf;
        let patience = match &trouble {
            Trouble::Slow => self.mirrors.patience,
            // It was waited for already, and most likely nothing has changed.
            Trouble::Failed(error) if is_lasting(error) || shelf.is_away(&call.repository) => {
                Duration::ZERO
            }
            Trouble::Failed(_) => self.mirrors.patience,
        };
        let text = match &trouble {
            Trouble::Slow => format!("the mirror cannot give {what}: it is still being fetched"),
            Trouble::Failed(error) => format!("the mirror cannot give {what}: {error:#}"),
        };
        let why = Reason::new(Code::GitUnavailable, text);
        if Utc::now() - claim.created_at < TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX) {
            return Performed::Later { after: PAUSE, why, uncertain: false };
        }
        if let Trouble::Failed(_) = trouble {
            tracing::warn!(repository = call.repository, reason = why.text, "no mirror");
            shelf.note_away(&call.repository, why.clone());
        }
        drop(self.under_way.take(claim.id));
        Performed::Done(Input::Read(Arc::new(Reading::failed(call, why))))
    }
}

/// Why an attempt gave nothing.
enum Trouble {
    /// It goes on, and a later attempt may find it.
    Slow,
    Failed(anyhow::Error),
}

impl Reads {
    pub(crate) fn new(mirrors: Arc<Mirrors>, validator: Validator) -> Self {
        Self { mirrors, validator, under_way: UnderWay::default() }
    }

    async fn attempt(&self, id: uuid::Uuid, call: Call) -> Result<Reading, Trouble> {
        let reading = self.mirrors.clone().read(call);
        let in_time = self.under_way.wait((id, ATTEMPT), reading).await.ok_or(Trouble::Slow)?;
        in_time.context("reading it panicked").flatten().map_err(Trouble::Failed)
    }
}

#[cfg(test)]
pub(crate) mod tests;
