//! Mirrors of the repositories that stacks are made from, and the reading of their code: the edge
//! to Git. It is an effect like others, so nothing of it happens inside a deciding transaction, and
//! everything that blocks does so on a thread of its own.
//!
//! One reading of a repository is under way at a time, whatever the replicas: the lane of the
//! effect sees to that. What a reading changes in the register is decided with its result.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use chrono::{TimeDelta, Utc};
use contracts::{Code, Reason, StackId};
use git::{Mirror, Origin};
use sqlx::PgPool;
use store::{Claim, Performed, Performer};

use crate::{
    catalogue::repository_key,
    config,
    decider::{Input, Planner},
    known::{Known, Shelf},
    register::{self, Found, Registered, Registration},
    store as tables,
};

mod look;
mod reader;
mod reading;

pub use look::Call;
pub use reading::Reading;

/// For how long one attempt waits. What takes longer goes on, and the next attempt finds it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// The mirrors of all repositories, in one folder.
pub struct Mirrors {
    options: config::Git,
    pool: PgPool,
    shelf: Arc<Shelf>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<code::Reader>>>>,
}

impl Mirrors {
    /// Mirrors as configured.
    pub fn new(options: config::Git, pool: PgPool, shelf: Arc<Shelf>) -> Self {
        Self { options, pool, shelf, locks: Mutex::default() }
    }

    pub(crate) fn mirror(&self, repository: &str) -> Mirror {
        let url = self.options.url.replace("{repository}", repository.trim_matches('/'));
        let token = self.options.token.clone();
        let has_token = !secrecy::ExposeSecret::expose_secret(&token).is_empty();
        let origin = Origin {
            url,
            username: self.options.username.clone(),
            token: has_token.then_some(token),
        };
        Mirror::new(PathBuf::from(&self.options.folder).join(folder_of(repository)), origin)
    }

    pub(crate) fn lock(&self, repository: &str) -> Arc<tokio::sync::Mutex<code::Reader>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(repository_key(repository)).or_default().clone()
    }

    /// Looks at a commit and reads its code, as long as it takes.
    pub(crate) async fn read(self: Arc<Self>, call: Call) -> anyhow::Result<Reading> {
        let lock = self.lock(&call.repository).lock_owned().await;
        // The lane lets nobody else change what is registered of this repository meanwhile.
        let before = tables::registered(&self.pool, &call.repository, &call.branch).await?;
        let version = tables::next_version(&self.pool).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut kept = lock;
            let mirror = self.mirror(&call.repository);
            let look = look::look(&mirror, &call, &AtomicBool::new(false))?;
            let snapshot = self.shelf.snapshot().context("the account was not read yet")?;
            Ok(reckon(&call, (look, &mut *kept), &before, &snapshot.known, version))
        });
        read.await.context("reading it panicked")?
    }
}

impl Mirrors {
    /// Reads a commit as it would be read if it were pushed.
    pub(crate) async fn what_if(self: Arc<Self>, call: Call) -> anyhow::Result<Reading> {
        self.check()?;
        self.read(call).await
    }

    /// Whether there may be mirrors at all.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.options.folder.is_empty(),
            "the planner has no mirrors (`git.folder`), so it cannot look at a commit"
        );
        Ok(())
    }
}

/// What follows from what was seen. Pure, but long for a large repository.
fn reckon(
    of: &Call,
    (look, kept): (look::Look, &mut code::Reader),
    before: &Registered,
    known: &Arc<Known>,
    version: i64,
) -> Reading {
    let (repository, branch, commit) = (&*of.repository, &*of.branch, &*look.commit);
    let place = reader::Place { repository, branch, commit };
    let changed = (&look.paths, kept);
    let reader::Read { found, by_code } =
        reader::read(place, &look.files, &known.catalogue, changed);
    let found = Found { moved: look.moved, ..found }.with_broken_as_before(&before.blueprints);
    let branch = (repository, branch);
    let (known, circle) = match with_code(known, of, &found, version) {
        Ok(known) => (known, None),
        Err(circle) => (known.clone(), Some(circle)),
    };
    let registration = match (&circle, of.pull_request) {
        (_, Some(_)) => None,
        (None, None) => Some(Arc::new(register::register(branch, before, &found, &known))),
        (Some(circle), None) => Some(Arc::new(Registration::refused(branch, &found, circle))),
    };
    let by_code = ids(&known, branch, by_code);
    let (paths, history) = (look.paths, look.history);
    let (call, known, trouble) = (of.clone(), Some(known), None);
    Reading { call, paths, history, known, registration, by_code, circle, trouble }
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

/// Catalogue and graph with what was found in place of what was known of the branch; or the circle
/// that this would close, in words.
fn with_code(
    known: &Arc<Known>,
    call: &Call,
    found: &Found,
    version: i64,
) -> Result<Arc<Known>, String> {
    let is_here =
        |blueprint: &&crate::blueprint::Blueprint| blueprint.is_of(&call.repository, &call.branch);
    let old: BTreeMap<_, _> = known
        .catalogue
        .blueprints()
        .iter()
        .filter(is_here)
        .map(|blueprint| (blueprint.place(), blueprint))
        .collect();
    let same = old.len() == found.blueprints.len()
        && found
            .blueprints
            .iter()
            .all(|new| old.get(&new.place()).is_some_and(|old| old.says_the_same_as(new)));
    if same {
        return Ok(known.clone());
    }
    let others = known.catalogue.blueprints().iter().filter(|blueprint| !is_here(blueprint));
    let blueprints = others.chain(&found.blueprints).cloned().collect();
    let new = Known::with_code(version, known.catalogue.stacks().to_vec(), blueprints);
    match new.graph.cycle().filter(|_| known.graph.cycle().is_none()) {
        Some(cycle) => Err(cycle.named((&new.catalogue, &new.graph)).to_string()),
        None => Ok(Arc::new(new)),
    }
}

/// The performer of readings.
pub(crate) struct Reads(pub(crate) Arc<Mirrors>);

impl Performer for Reads {
    type Decider = Planner;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        let call: Call = match serde_json::from_value(claim.body.clone()) {
            Ok(call) => call,
            // Only a newer build can have written it; it will perform it.
            Err(error) => {
                let why = Reason::new(Code::Unreadable, format!("this build cannot read: {error}"));
                return Performed::Later { after: PAUSE, why, uncertain: false };
            }
        };
        let what = format!("{} of {}", call.branch, call.repository);
        let text = match self.attempt(call.clone()).await {
            Ok(reading) => return Performed::Done(Input::Read(Arc::new(reading))),
            Err(error) => format!("the mirror cannot give {what}: {error:#}"),
        };
        let why = Reason::new(Code::GitUnavailable, text);
        let patience = TimeDelta::from_std(self.0.options.patience).unwrap_or(TimeDelta::MAX);
        if Utc::now() - claim.created_at < patience {
            return Performed::Later { after: PAUSE, why, uncertain: false };
        }
        Performed::Done(Input::Read(Arc::new(Reading::failed(call, why))))
    }
}

impl Reads {
    async fn attempt(&self, call: Call) -> anyhow::Result<Reading> {
        if self.0.options.folder.is_empty() {
            return Err(anyhow!("no folder for mirrors is configured any more"));
        }
        // What takes longer than an attempt goes on beside it; a second one waits for the first.
        let reading = tokio::spawn(self.0.clone().read(call));
        let in_time = tokio::time::timeout(ATTEMPT, reading).await;
        in_time.map_err(|_| anyhow!("it is still being fetched"))?.context("reading it panicked")?
    }
}

/// A folder name that tells repositories apart and cannot lead elsewhere.
fn folder_of(repository: &str) -> String {
    let key = repository_key(repository);
    let plain: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(80)
        .collect();
    let digest = crate::memory::key(repository).simple().to_string();
    format!("{plain}-{}.git", &digest[..8])
}

#[cfg(test)]
pub(crate) mod tests;
