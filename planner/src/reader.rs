//! Reads the Spacelift account into the catalogue, and keeps this process abreast of it.
//!
//! A reconciler: each turn looks at what is stored and what is wanted, whoever stored or wants it.
//! Any number of replicas may take turns; one of them reads the account at a time: the whole of it now
//! and then, and in between those stacks of which something is said to have changed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

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

mod survey;

pub(crate) use survey::Surveyed;
#[cfg(test)]
pub(crate) use survey::unregistered;

use crate::{
    catalogue::{self, Provider, Stack},
    config,
    decider::{Input, Planner},
    known::{Known, Shelf, Snapshot},
    store::{self as tables, Head, Looked, Read, Reading},
    trail::{Mark, Touched},
};

/// How long a refused API key is left alone: it does not mend itself.
const REFUSED_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// What is asked for.
#[derive(Debug, Clone)]
enum Asked {
    /// The whole account.
    Whole,
    /// What the audit trail says has changed since.
    Changed(Mark),
    /// Stacks by their ids.
    Some,
}

/// What an answer says, and how the audit trail stood before it, if that was looked at.
type Answer = (Option<Read>, Option<Looked>);

/// What a turn works with.
#[derive(Clone)]
pub(crate) struct Reader {
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
    pub(crate) async fn turn(&self) -> anyhow::Result<()> {
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
        if self.due(&head, now).is_none() && !self.shelf.wants_stacks() {
            return Ok(());
        }
        let Some(reading) = tables::claim(&self.pool, now).await? else { return Ok(()) };
        let stacks = self.shelf.take_stacks();
        // A replica may have read between our look and our claim.
        let due = self.due(&tables::head(&self.pool).await?, now);
        match due.or_else(|| (!stacks.is_empty()).then_some(Asked::Some)) {
            Some(asked) => self.read(reading, (asked, now), stacks).await?,
            None => reading.give_up().await?,
        }
        let head = catch_up(&self.pool, &self.shelf).await?;
        self.wake_those_served(&head).await
    }

    /// What it is time for.
    fn due(&self, head: &Head, now: DateTime<Utc>) -> Option<Asked> {
        let refresh = delta(self.options.refresh);
        let whole = if head.trail.is_some() { delta(self.options.whole) } else { refresh };
        let is_old = |as_of: DateTime<Utc>| {
            as_of + whole.max(refresh) <= now || self.shelf.wants_newer_than(as_of)
        };
        if head.as_of.is_none_or(is_old) {
            return Some(Asked::Whole);
        }
        let is_due = head.trail_at.is_some_and(|at| at + refresh <= now);
        head.trail.clone().filter(|_| is_due).map(Asked::Changed)
    }

    /// Reads what is asked for. `stacks` are those that somebody wants to know of: a reading of the
    /// whole account serves them as well.
    async fn read(
        &self,
        reading: Reading,
        (asked, now): (Asked, DateTime<Utc>),
        stacks: BTreeSet<StackId>,
    ) -> anyhow::Result<()> {
        let with_some = !matches!(asked, Asked::Whole);
        let read = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Ok(reading.give_up().await?),
            read = self.ask((asked, now), &stacks) => read,
            () = lost(&reading) => {
                self.note_late(stacks);
                return Ok(());
            }
        };
        let pause = delta(self.options.pause);
        match read {
            Ok((None, looked)) => match looked {
                Some(looked) => reading.found_nothing(looked).await?,
                None => reading.give_up().await?,
            },
            Ok((Some(read), looked)) => {
                let changed = reading
                    .succeeded((read, looked), Utc::now() + pause, self.reads_code)
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
        (asked, at): (Asked, DateTime<Utc>),
        stacks: &BTreeSet<StackId>,
    ) -> Result<Answer, spacelift::Error> {
        let mark = match asked {
            Asked::Whole => return self.ask_for_all(at).await,
            Asked::Some => return Ok((Some(self.ask_for_some(stacks).await?), None)),
            Asked::Changed(mark) => mark,
        };
        let (mark, changed) = match mark.look(&self.client).await {
            Ok((mark, Touched::Stacks(changed))) => (mark, changed),
            // It may not be read any more, or says too much.
            Ok((_, Touched::Account))
            | Err(
                spacelift::Error::Refused { .. }
                | spacelift::Error::NotFound
                | spacelift::Error::Unauthorized,
            ) => {
                return self.ask_for_all(at).await;
            }
            Err(error) => return Err(error),
        };
        let changed: BTreeSet<StackId> = changed.union(stacks).cloned().collect();
        let read = match changed.is_empty() {
            true => None,
            false => Some(self.ask_for_some(&changed).await?),
        };
        Ok((read, Some(Looked { mark: Some(mark), at })))
    }

    /// The account, and how the audit trail stood before it was read.
    async fn ask_for_all(&self, at: DateTime<Utc>) -> Result<Answer, spacelift::Error> {
        let mark = match self.options.whole > self.options.refresh {
            true => Mark::newest(&self.client).await,
            false => None,
        };
        let stacks = self.client.stacks().await?.into_iter().map(Stack::from);
        let read = Read::Whole { stacks: self.ours(stacks), as_of: at };
        Ok((Some(read), Some(Looked { mark, at })))
    }

    async fn ask_for_some(&self, stacks: &BTreeSet<StackId>) -> Result<Read, spacelift::Error> {
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
            bus::failpoint("news.before_forget");
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
        let consumer = self.engine.consumer();
        let envelope = Envelope::first(consumer, id, (kind, key), Utc::now(), body);
        self.engine.submit(envelope).await.map(drop)
    }

    /// Wakes the changes that waited for a reading as recent as the stored one.
    async fn wake_those_served(&self, head: &Head) -> anyhow::Result<()> {
        let Some(as_of) = head.as_of else { return Ok(()) };
        if !self.shelf.is_news(as_of) {
            return Ok(());
        }
        let waiting = tables::waiting(&self.pool).await?;
        if !waiting.is_empty() {
            let keys: Vec<_> = waiting.iter().map(|repository| repository.key).collect();
            self.engine.nudge(&keys).await?;
        }
        // Not before: if the database fails meanwhile, they are still to be woken.
        self.shelf.note_announced(as_of);
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
pub(crate) async fn catch_up(pool: &PgPool, shelf: &Shelf) -> anyhow::Result<Head> {
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
                let tables::Stored { version, as_of, stacks, blueprints, adoptions, read, loose } =
                    stored;
                let build = move || {
                    let known = Known::with_read(version, stacks, blueprints, adoptions, read);
                    Arc::new(known.with_loose(loose))
                };
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
