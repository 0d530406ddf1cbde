//! Reads the Spacelift account into the catalogue, and keeps this process abreast of it.
//!
//! A reconciler: each turn looks at what is stored and what is wanted, whoever stored or wants it.
//! Any number of replicas may take turns; one of them reads the account at a time: the whole of it now
//! and then, and in between those stacks of which something is said to have changed.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use bus::Failure;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Envelope, List, StackId, Text};
use sqlx::PgPool;
use store::{Engine, SubmitError};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    catalogue::{self, Provider, Stack, repository_key},
    config,
    decider::{Input, Planner, Survey},
    known::{Known, Shelf, Snapshot},
    store::{self as tables, Head, Read, Reading},
};

/// How long a refused API key is left alone: it does not mend itself.
const REFUSED_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// How often code is read again that could not be.
const RETRY_SECONDS: i64 = 300;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// The whole account, at a time.
    Whole(DateTime<Utc>),
    /// Stacks by their ids.
    Some,
}

/// What a turn works with.
#[derive(Clone)]
pub struct Reader {
    /// The tables.
    pub pool: PgPool,
    /// The account.
    pub client: spacelift::Client,
    /// Where deciders look.
    pub shelf: Arc<Shelf>,
    /// Where changes wait for a reading.
    pub engine: Engine<Planner>,
    /// When to read.
    pub options: config::Catalogue,
    /// Whether there are mirrors to read code from.
    pub reads_code: bool,
    /// Ends a reading half way.
    pub shutdown: CancellationToken,
}

impl Reader {
    /// Takes over what other replicas stored, reads the account if it is time, and tells what
    /// changed in it.
    pub async fn turn(&self) -> anyhow::Result<()> {
        self.look().await?;
        self.tell().await
    }

    async fn look(&self) -> anyhow::Result<()> {
        let head = catch_up(&self.pool, &self.shelf).await?;
        self.wake_those_served(&head).await?;
        if self.reads_code {
            self.survey(&head).await?;
        }
        let now = Utc::now();
        if !self.is_due(&head, now) && !self.shelf.wants_stacks() {
            return Ok(());
        }
        let Some(reading) = tables::claim(&self.pool, now).await? else { return Ok(()) };
        let stacks = self.shelf.take_stacks();
        // A replica may have read between our look and our claim.
        if self.is_due(&tables::head(&self.pool).await?, now) {
            self.read(reading, Asked::Whole(now), stacks).await?;
        } else if !stacks.is_empty() {
            self.read(reading, Asked::Some, stacks).await?;
        } else {
            reading.give_up().await?;
        }
        let head = catch_up(&self.pool, &self.shelf).await?;
        self.wake_those_served(&head).await
    }

    fn is_due(&self, head: &Head, now: DateTime<Utc>) -> bool {
        head.as_of.is_none_or(|as_of| {
            as_of + delta(self.options.refresh) <= now || self.shelf.wants_newer_than(as_of)
        })
    }

    /// Reads what is asked for. `stacks` are those that somebody wants to know of: a reading of the
    /// whole account serves them as well.
    async fn read(
        &self,
        reading: Reading,
        asked: Asked,
        stacks: BTreeSet<StackId>,
    ) -> anyhow::Result<()> {
        let read = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Ok(reading.give_up().await?),
            read = self.ask(asked, &stacks) => read,
            () = lost(&reading) => {
                self.note_late(stacks);
                return Ok(());
            }
        };
        let pause = delta(self.options.pause);
        match read {
            Ok(read) => {
                let changed = reading
                    .succeeded(read, Utc::now() + pause, self.reads_code)
                    .await
                    .context("the account was read but not stored")?;
                match changed {
                    Some(true) => info!("the account has changed"),
                    Some(false) => {}
                    None => self.note_late(stacks),
                }
            }
            Err(fault) => {
                self.shelf.want_stacks(stacks, Utc::now());
                let pause = pause.max(pause_after(&fault));
                let mends_itself = !matches!(fault, spacelift::Error::Unauthorized);
                let trouble = format!("{:#}", anyhow::Error::from(fault));
                match mends_itself {
                    true => warn!(error = trouble, "the account cannot be read now"),
                    false => error!(error = trouble, "the account cannot be read"),
                }
                let with_some = matches!(asked, Asked::Some);
                reading.failed(&trouble, with_some, Utc::now() + pause).await?;
            }
        }
        Ok(())
    }

    /// Another replica reads the account by now, but knows nothing of these stacks.
    fn note_late(&self, stacks: BTreeSet<StackId>) {
        warn!("the account is not read in time; another replica reads it now");
        self.shelf.want_stacks(stacks, Utc::now());
    }

    async fn ask(
        &self,
        asked: Asked,
        stacks: &BTreeSet<StackId>,
    ) -> Result<Read, spacelift::Error> {
        if let Asked::Whole(as_of) = asked {
            let stacks = self.client.stacks().await?.into_iter().map(Stack::from);
            return Ok(Read::Whole { stacks: self.ours(stacks), as_of });
        }
        let asked: Vec<StackId> = stacks.iter().cloned().collect();
        let found: Vec<Stack> =
            self.client.stacks_of(&asked).await?.into_iter().map(Stack::from).collect();
        let snapshot = self.shelf.snapshot();
        let is_known = |id: &StackId| {
            let known = snapshot.as_ref().map(|snapshot| &snapshot.known.catalogue);
            found.iter().any(|stack| stack.id == *id)
                || known.is_some_and(|known| known.position(id).is_some())
        };
        // What is named is no stack, or none that we may see by itself.
        if !asked.iter().all(is_known) {
            self.shelf.want(Utc::now());
        }
        Ok(Read::Some { asked, found: self.ours(found.into_iter()) })
    }

    /// Of the stacks of the account, those that are Stackly's.
    fn ours(&self, stacks: impl Iterator<Item = Stack>) -> Vec<Stack> {
        stacks.filter(|stack| self.options.admits(&stack.labels)).collect()
    }

    /// Tells what changed in the account. What was told already is known by its id, and told the
    /// same again.
    async fn tell(&self) -> anyhow::Result<()> {
        for news in tables::news(&self.pool).await? {
            let (id, key) = (news.id, news.repository.clone());
            match self.submit(id, "account.changed", key, Input::Changed(Arc::new(news))).await {
                Err(SubmitError::Failed(Failure::Reject { source, .. })) => {
                    error!(error = format!("{source:#}"), "a change of the account is not told");
                }
                submitted => submitted?,
            }
            tables::forget_news(&self.pool, id).await?;
        }
        Ok(())
    }

    async fn submit(
        &self,
        id: Uuid,
        kind: &str,
        key: String,
        body: Input,
    ) -> Result<(), SubmitError> {
        let envelope = Envelope {
            id,
            kind: kind.to_owned(),
            version: 1,
            key,
            source: self.engine.consumer().to_owned(),
            time: Utc::now(),
            correlation: id,
            causation: None,
            trace: None,
            body,
        };
        self.engine.submit(envelope).await.map(drop)
    }

    /// Has the code of every branch that stacks track read, once for each state of the account:
    /// so that it is known before the first push, and follows what the account changes. What could
    /// not be read is tried again now and then, and at every start.
    async fn survey(&self, head: &Head) -> anyhow::Result<()> {
        let (Some(digest), Some(snapshot)) = (head.digest, self.shelf.snapshot()) else {
            return Ok(());
        };
        let round = Utc::now().timestamp() / RETRY_SECONDS;
        let (is_news, is_round) = (!self.shelf.is_surveyed(digest), !self.shelf.is_retried(round));
        if !is_news && !is_round {
            return Ok(());
        }
        let read: HashSet<(String, String)> =
            tables::branches_read(&self.pool).await?.into_iter().collect();
        let is_due = |repository: &str, branch: &str| {
            !read.contains(&(repository_key(repository), branch.to_owned()))
                || self.shelf.is_away(repository)
        };
        let catalogue = &snapshot.known.catalogue;
        let in_use = tables::branches_in_use(&self.pool).await?;
        let tracked = catalogue.tracked();
        // So that the last stack of a branch is retired as well when the account has it no more.
        let is_left = |(repository, branch): &(&str, &str)| {
            let found = catalogue.repository(repository);
            !found.is_some_and(|found| found.branches.contains_key(*branch))
        };
        let in_use =
            in_use.iter().map(|(repository, branch)| (repository.as_str(), branch.as_str()));
        let left: Vec<_> = in_use.filter(is_left).collect();
        let (due, mut others): (Vec<_>, Vec<_>) =
            tracked.into_iter().partition(|(repository, branch)| is_due(repository, branch));
        others.extend(left);
        let surveys = |branches: Vec<(&str, &str)>| -> Vec<Survey> {
            let survey = |(repository, branch): (&str, &str)| Survey {
                repository: repository.to_owned(),
                branch: branch.to_owned(),
            };
            branches.into_iter().map(survey).collect()
        };
        let (due, others) = (surveys(due), surveys(others));
        self.have_read(due, &format!("{digest}/{}/{round}", self.shelf.life())).await?;
        if is_news {
            self.have_read(others, &digest.to_string()).await?;
        }
        self.shelf.note_surveyed(digest, round);
        Ok(())
    }

    /// Lets the code of these branches have its turn; those who ask for the same are one.
    async fn have_read(&self, surveys: Vec<Survey>, asked_for: &str) -> anyhow::Result<()> {
        for survey in surveys {
            let Survey { repository, branch } = &survey;
            let name = format!("survey/{}/{branch}/{asked_for}", repository_key(repository));
            let id = Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes());
            let key = repository.clone();
            self.submit(id, "code.surveyed", key, Input::Surveyed(survey)).await?;
        }
        Ok(())
    }

    /// Wakes the changes that waited for a reading as recent as the stored one.
    async fn wake_those_served(&self, head: &Head) -> anyhow::Result<()> {
        let Some(as_of) = head.as_of else { return Ok(()) };
        if !self.shelf.announce(as_of) {
            return Ok(());
        }
        let waiting = tables::waiting(&self.pool).await?;
        if !waiting.is_empty() {
            let keys: Vec<_> = waiting.iter().map(|repository| repository.key).collect();
            self.engine.nudge(&keys).await?;
        }
        Ok(())
    }
}

/// Keeps the right to read for as long as it is polled; ends when another replica has it.
async fn lost(reading: &Reading) {
    let mut ticks = interval_at(Instant::now() + Reading::KEPT_EVERY, Reading::KEPT_EVERY);
    loop {
        ticks.tick().await;
        match reading.keep(Utc::now()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => warn!(%error, "the right to read the account is not kept now"),
        }
    }
}

/// Puts what is stored on the shelf, if it is newer than what is there.
pub async fn catch_up(pool: &PgPool, shelf: &Shelf) -> anyhow::Result<Head> {
    let head = tables::head(pool).await?;
    let Some(as_of) = head.as_of else { return Ok(head) };
    if shelf.snapshot().is_none_or(|snapshot| snapshot.as_of != as_of) {
        shelf.note_heads(tables::commits_read(pool).await?);
    }
    match shelf.snapshot() {
        Some(Snapshot { known, .. }) if known.catalogue.version() == head.version => {
            shelf.put(Snapshot { known, as_of });
        }
        _ => {
            if let Some(stored) = tables::load(pool).await? {
                let tables::Stored { version, as_of, stacks, blueprints, adoptions } = stored;
                let build =
                    move || Arc::new(Known::with_adoptions(version, stacks, blueprints, adoptions));
                // For a large account this takes too long for a thread that others wait for.
                let known = tokio::task::spawn_blocking(build).await?;
                info!(
                    version,
                    stacks = known.catalogue.stacks().len(),
                    edges = known.graph.edge_count(),
                    loose_edges = known.graph.loose().len(),
                    "catalogue loaded"
                );
                shelf.put(Snapshot { known, as_of });
            }
        }
    }
    Ok(head)
}

impl From<spacelift::Stack> for Stack {
    fn from(stack: spacelift::Stack) -> Self {
        let texts = |all: Vec<String>| all.into_iter().map(Text::from).collect::<List<Text>>();
        let reference = |it: spacelift::Reference| format!("{} -> {}", it.output, it.input);
        let dependency = |it: spacelift::Dependency| catalogue::Dependency {
            on: it.on,
            references: it.references.into_iter().map(reference).map(Text::from).collect(),
        };
        Self {
            provider: Provider::of(&stack.provider),
            repository: stack.full_repository().into(),
            id: stack.id,
            name: stack.name.into(),
            space: stack.space,
            labels: texts(stack.labels),
            branch: stack.branch.into(),
            project_root: stack.project_root.unwrap_or_default().into(),
            globs: texts(stack.additional_project_globs),
            autodeploy: stack.autodeploy,
            disabled: stack.is_disabled,
            depends_on: stack.depends_on.into_iter().map(dependency).collect(),
            worker_pool: Some(stack.worker_pool),
            cloud_accounts: texts(stack.cloud_integrations),
            settings: stack.settings.map(|it| {
                Box::new(catalogue::Settings {
                    description: it.description,
                    tool: it.tool.map(str::to_owned),
                    tool_version: it.tool_version,
                    worker_pool: None,
                    runner_image: it.runner_image,
                    administrative: Some(stack.administrative),
                    protect_from_deletion: Some(it.protect_from_deletion),
                })
            }),
        }
    }
}

/// How long Spacelift must be left alone after a fault.
fn pause_after(fault: &spacelift::Error) -> TimeDelta {
    match fault {
        spacelift::Error::Unauthorized => REFUSED_PAUSE,
        spacelift::Error::RateLimited { retry_after: Some(after) } => delta(*after),
        _ => TimeDelta::zero(),
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
