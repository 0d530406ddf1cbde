//! The engine: everything that happens to one kind of state, decided one batch after the other.
//!
//! Messages of the bus, results of effects, wake-ups and what the process submits go through one
//! queue. Its worker takes whatever waits, decides it in one transaction, and hands the answers to
//! the connection before it takes the next: so the answers of one process leave in the order of
//! decision. Pages of a swarm of wake-ups are decided beside it, as another process might. Between
//! processes (replicas) the order is that of decision only for what one decision has to see of the
//! other; readers must be right in any order anyway.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use anyhow::anyhow;
use bus::{Answers, Bus, Failure, Handler, Receipt, Sent};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Envelope;
use futures::FutureExt;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info_span, warn};
use uuid::Uuid;

use crate::{
    Claim, Decider, Lender, Store,
    effects::Born,
    presence::Presence,
    wakeups::{self, Due},
};

mod alarm;
mod arrival;
mod batch;
mod fault;
mod handler;
mod keys;
mod settle;
mod timer;

use alarm::Alarm;
use arrival::{Arrival, Decided, Handed, Job, Origin};

/// When a batch is large enough to leave the rest to the next.
const BATCH_MAX: usize = 256;
/// How many sources may wait for their turn.
const JOBS_MAX: usize = 4096;
/// How many answers may wait to be marked before their rows are looked up instead.
const POSITIONS_MAX: usize = 16_384;
/// How long receipts wait for others to be marked with: nobody waits for a mark, and the relay takes
/// what has none for left over only after seconds.
const LINGER: Duration = Duration::from_millis(20);

/// Why an input of this process itself was not decided.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// It was refused or cannot be decided now.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Runs one decider. Cheap to clone.
pub struct Engine<D: Decider>(Arc<Inner<D>>);

struct Inner<D: Decider> {
    consumer: &'static str,
    decider: D,
    store: Store,
    bus: Bus,
    /// Of connections, to whoever decides a batch.
    lender: Lender,
    inbox: mpsc::Sender<Job<D::Input>>,
    inbox_end: Mutex<Option<mpsc::Receiver<Job<D::Input>>>>,
    born: mpsc::UnboundedSender<Claim>,
    born_end: Mutex<Option<Born>>,
    alarm: Alarm,
    /// The last batch met something that was answered before.
    recalls: AtomicBool,
    /// What waits until answers are stored.
    publishing: TaskTracker,
    /// Where answers stand that were decided here and are not marked yet, by what they answer.
    positions: Mutex<HashMap<Uuid, i64>>,
    /// Receipts to be marked, by whoever comes next to it.
    receipts: Mutex<Vec<Receipt>>,
    marking: tokio::sync::Mutex<()>,
}

impl<D: Decider> Clone for Engine<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Decider> Engine<D> {
    /// An engine whose answers are remembered under `consumer`.
    pub fn new(consumer: &'static str, decider: D, store: Store, bus: Bus) -> Self {
        let (inbox, inbox_end) = mpsc::channel(JOBS_MAX);
        let (born, born_end) = mpsc::unbounded_channel();
        let lender = Lender::new(store.pool().clone());
        Self(Arc::new(Inner {
            consumer,
            decider,
            store,
            lender,
            bus,
            inbox,
            inbox_end: Mutex::new(Some(inbox_end)),
            born,
            born_end: Mutex::new(Some(born_end)),
            alarm: Alarm::new(),
            recalls: AtomicBool::new(true),
            publishing: TaskTracker::new(),
            positions: Mutex::default(),
            receipts: Mutex::default(),
            marking: tokio::sync::Mutex::default(),
        }))
    }

    /// The durable consumer's name.
    pub fn consumer(&self) -> &'static str {
        self.0.consumer
    }

    /// The decider.
    pub fn decider(&self) -> &D {
        &self.0.decider
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.0.store.pool()
    }

    fn lender(&self) -> &Lender {
        &self.0.lender
    }

    pub(crate) fn lease(&self) -> Duration {
        self.0.store.lease()
    }

    pub(crate) fn presence(&self) -> &Presence {
        self.0.store.presence()
    }

    /// When this process, which makes calls, last found gone another one that made them. What was
    /// told to that one and not answered is told again only when the broker gives it up.
    pub fn missed_at(&self) -> Option<DateTime<Utc>> {
        self.presence().missed_at()
    }

    /// How many processes make calls for this service, this one among them, as far as they have said so
    /// in its schema. They come and go, and this follows within a second.
    pub fn processes(&self) -> u32 {
        self.presence().there()
    }

    fn body_max(&self) -> usize {
        self.0.bus.body_max()
    }

    pub(crate) fn take_born(&self) -> Option<Born> {
        self.0.born_end.lock().expect("no holder panics").take()
    }

    /// Decides an input that does not come over the bus, as if it had. Needs [`Engine::run_inbox`]
    /// to be running.
    pub async fn submit(&self, envelope: Envelope<D::Input>) -> Result<Answers, SubmitError> {
        self.enqueue(envelope, Origin::Message).await
    }

    pub(crate) async fn conclude(
        &self,
        envelope: Envelope<D::Input>,
        effect: Uuid,
        fence: i64,
    ) -> Result<(), SubmitError> {
        self.enqueue(envelope, Origin::Effect(effect, fence)).await.map(drop)
    }

    async fn enqueue(
        &self,
        envelope: Envelope<D::Input>,
        origin: Origin,
    ) -> Result<Answers, SubmitError> {
        let span = info_span!(
            "handle",
            consumer = self.0.consumer,
            event.id = %envelope.id,
            event.r#type = envelope.kind,
            correlation.id = %envelope.correlation,
        );
        bus::trace::continue_from(&span, envelope.trace.as_ref());
        let arrivals = vec![Arrival { envelope, span, origin }];
        let results = self.ask(arrivals, false).await.ok_or(SubmitError::Stopping)?;
        let result = results.into_iter().next().ok_or(SubmitError::Stopping)?;
        Ok(result.map(|handed| handed.answers)?)
    }

    /// Has arrivals decided by the worker; one result for each, unless it stopped.
    async fn ask(
        &self,
        arrivals: Vec<Arrival<D::Input>>,
        is_awaited: bool,
    ) -> Option<Vec<Result<Handed, Failure>>> {
        let (reply, replied) = oneshot::channel();
        self.0.inbox.send(Job { arrivals, is_awaited, reply }).await.ok()?;
        replied.await.ok()
    }

    /// Wakes states now.
    pub async fn nudge(&self, keys: &[Uuid]) -> Result<(), sqlx::Error> {
        wakeups::nudge(self.pool(), self.0.consumer, keys).await?;
        self.0.alarm.ring();
        Ok(())
    }

    /// The worker: decides everything, until `shutdown` and until nothing waits. Then waits until
    /// what was handed over is stored.
    /// Whom a batch wakes comes first in the next one: it has waited longer than what is in line.
    pub async fn run_inbox(&self, shutdown: CancellationToken) {
        let taken = self.0.inbox_end.lock().expect("no holder panics").take();
        let mut inbox = taken.expect("an inbox has one reader");
        let mut woken = Vec::new();
        loop {
            let job = match self.wake(std::mem::take(&mut woken)) {
                Some(job) => Some(job),
                None => tokio::select! {
                    biased;
                    job = inbox.recv() => job,
                    () = shutdown.cancelled() => None,
                },
            };
            let Some(job) = job else { break };
            let mut size = job.arrivals.len();
            let mut jobs = vec![job];
            while size < BATCH_MAX
                && let Ok(job) = inbox.try_recv()
            {
                size += job.arrivals.len();
                jobs.push(job);
            }
            woken = self.work(jobs).await;
        }
        self.0.publishing.close();
        self.0.publishing.wait().await;
        self.0.lender.close();
    }

    /// Decides what these bring and hands the answers over; gives the states that are to be woken
    /// because of it.
    async fn work(&self, jobs: Vec<Job<D::Input>>) -> Vec<Due> {
        let mut arrivals = Vec::new();
        let mut sources = Vec::with_capacity(jobs.len());
        for Job { arrivals: own, is_awaited, reply } in jobs {
            let causes: Vec<_> = own.iter().map(|arrival| arrival.envelope.id).collect();
            sources.push((causes, is_awaited, reply));
            arrivals.extend(own);
        }
        let (results, woken) = self.settle(arrivals).await;
        let mut results = results.into_iter();
        bus::failpoint("engine.before_publish");
        let mut beside = Vec::new();
        for (causes, is_awaited, reply) in sources {
            let mut replies = Vec::with_capacity(causes.len());
            for (cause, result) in causes.into_iter().zip(results.by_ref()) {
                let mut handed = self.hand_over(result).await;
                if !is_awaited
                    && let Ok(handed) = &mut handed
                    && let Some(sent) = handed.sent.take()
                {
                    beside.push((cause, sent));
                }
                replies.push(handed);
            }
            // Whoever asked may have gone; what was decided stays decided.
            let _ = reply.send(replies);
        }
        self.await_beside(beside);
        woken
    }

    async fn hand_over(&self, result: Result<Decided, Failure>) -> Result<Handed, Failure> {
        let Decided { answers, is_published } = result?;
        let sent = match is_published || answers.is_empty() {
            true => None,
            false => Some(self.0.bus.send(&answers).await),
        };
        Ok(Handed { answers, sent })
    }

    /// Notes where answers stand. Not for long: what cannot be published is marked by the relay,
    /// which finds out by itself.
    fn note_positions(&self, answered: Vec<(Uuid, i64)>) {
        let mut positions = self.0.positions.lock().expect("no holder panics");
        if positions.len() + answered.len() > POSITIONS_MAX {
            positions.clear();
        }
        positions.extend(answered);
    }

    fn receipts(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.0.receipts.lock().expect("no holder panics")
    }

    fn take_positions(&self, receipts: &[Receipt]) -> HashMap<Uuid, i64> {
        let mut positions = self.0.positions.lock().expect("no holder panics");
        receipts.iter().filter_map(|receipt| positions.remove_entry(&receipt.cause)).collect()
    }

    /// Waits beside the next batch until answers are stored. What is not stored by the deadline,
    /// or while the broker is away, is left to the relay.
    fn await_beside(&self, sent: Vec<(Uuid, Sent)>) {
        if sent.is_empty() {
            return;
        }
        let engine = self.clone();
        self.0.publishing.spawn(async move {
            let deadline = engine.0.bus.deadline();
            let mut receipts = Vec::with_capacity(sent.len());
            for (cause, sent) in sent {
                match engine.0.bus.receipt(cause, sent, deadline).await {
                    Ok(receipt) => receipts.push(receipt),
                    Err(error) => {
                        warn!(%error, "not published; the relay will do it");
                        break;
                    }
                }
            }
            engine.published(receipts).await;
        });
    }
}
