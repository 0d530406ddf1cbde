//! The loop: every consumer of every service runs this one.
//!
//! ```text
//! take what waits ─► answer ─► verdict ─┬─ Answered    wait until the answers are stored, then ack
//!                                       ├─ Keep        try again in a moment, with the next batch
//!                                       ├─ Redeliver   nak with a delay
//!                                       └─ DeadLetter  copy with code and reason, then terminate
//! ```
//!
//! Whatever goes wrong in here, the message comes back: nothing is acknowledged before everything
//! it led to is stored.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::anyhow;
use async_nats::jetstream::AckKind;
use contracts::topology::EVENTS;
use futures::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Span, debug, info_span, warn};
use uuid::Uuid;

use crate::{
    Bus, Failure, Handler, Incoming,
    connection::Sent,
    dead_letters,
    held::Held,
    metrics::Metrics,
    pull::{Delivery, Puller},
    settle::{Settled, settle},
    trace,
    verdict::{Failures, Verdict, verdict},
    wire,
};

/// How many batches may wait for their answers to be stored while the next is handled.
const SETTLING_MAX: usize = 4;
/// How long to keep messages back when what everybody needs is away.
const PAUSE: Duration = Duration::from_millis(500);
/// With which delay messages that were not looked at are given back.
const GIVE_BACK: Duration = Duration::from_millis(10);

/// Feeds `handler` until `shutdown`, then lets what is in flight finish.
pub async fn consume<H: Handler>(bus: Bus, handler: Arc<H>, shutdown: CancellationToken) {
    let metrics = Arc::new(Metrics::of(handler.consumer()));
    let batch_max = bus.options.batch_max;
    let (arrived, mut waiting) = mpsc::channel(batch_max * 2);
    let puller = Puller {
        bus: bus.clone(),
        consumer: handler.consumer(),
        takes: handler.takes(),
        held: Arc::new(Held::default()),
        metrics: metrics.clone(),
    };
    let tasks = TaskTracker::new();
    // Signs of life are sent until everything is settled, longer than messages are taken.
    let settled = CancellationToken::new();
    let signs = signs_of_life(bus.clone(), puller.held.clone(), settled.clone());
    let signs = tokio::spawn(signs);
    let taking = tasks.spawn(puller.run(arrived, shutdown.clone()));
    let settling = Arc::new(Semaphore::new(SETTLING_MAX));
    let mut work = Loop { bus, handler, metrics, tasks, settling, failures: Failures::default() };
    let mut batch = Vec::new();
    while let Some(()) = next(&mut waiting, &mut batch, batch_max, &shutdown).await {
        work.note_pending(&batch, waiting.len());
        batch = work.take(std::mem::take(&mut batch)).await;
    }
    let _ = taking.await;
    waiting.close();
    while let Some(delivery) = waiting.recv().await {
        batch.push(delivery);
    }
    give_back(batch).await;
    work.tasks.close();
    work.tasks.wait().await;
    settled.cancel();
    let _ = signs.await;
}

async fn signs_of_life(bus: Bus, held: Arc<Held>, settled: CancellationToken) {
    tokio::select! {
        () = held.keep_alive(&bus) => {}
        () = settled.cancelled() => {}
    }
}

/// Fills the batch with what waits; what was kept back comes first, after a pause.
async fn next(
    waiting: &mut mpsc::Receiver<Delivery>,
    batch: &mut Vec<Delivery>,
    batch_max: usize,
    shutdown: &CancellationToken,
) -> Option<()> {
    if batch.is_empty() {
        let taken = tokio::select! {
            biased;
            () = shutdown.cancelled() => 0,
            taken = waiting.recv_many(batch, batch_max) => taken,
        };
        return (taken > 0).then_some(());
    }
    if tokio::time::timeout(PAUSE, shutdown.cancelled()).await.is_ok() {
        return None;
    }
    while batch.len() < batch_max
        && let Ok(delivery) = waiting.try_recv()
    {
        batch.push(delivery);
    }
    Some(())
}

/// Messages that were not looked at go to somebody else at once, not when they are missed.
async fn give_back(batch: Vec<Delivery>) {
    for delivery in batch {
        if let Err(error) = delivery.message.ack_with(AckKind::Nak(Some(GIVE_BACK))).await {
            warn!(%error, "not given back; the message comes back when it is missed");
        }
    }
}

struct Loop<H: Handler> {
    bus: Bus,
    handler: Arc<H>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    settling: Arc<Semaphore>,
    failures: Failures,
}

impl<H: Handler> Loop<H> {
    fn note_pending(&self, batch: &[Delivery], waiting: usize) {
        let last = batch.last().and_then(|delivery| delivery.message.info().ok());
        if let Some(info) = last {
            self.metrics.pending(info.pending + waiting as u64);
        }
    }

    /// Handles one batch; what it leads to is stored and acknowledged beside the next batch. Gives
    /// what must be tried again.
    async fn take(&mut self, batch: Vec<Delivery>) -> Vec<Delivery> {
        let started = std::time::Instant::now();
        let size = batch.len();
        let (batch, mut settled) = self.meant(batch);
        let (read, incoming) = read(self.handler.consumer(), batch);
        let mut results = self.handle(incoming).await.into_iter();
        let mut kept = Vec::new();
        for Read { delivery, span, readable } in read {
            let (cause, answer) = match readable {
                Ok(id) => {
                    let missing = || Err(Failure::retry(anyhow!("no answer")));
                    (Some(id), results.next().unwrap_or_else(missing))
                }
                Err(failure) => (None, Err(failure)),
            };
            let attempt = cause.map_or(1, |id| self.failures.attempt(id, &answer));
            match verdict(answer, attempt, delivery.attempt) {
                Verdict::Keep { reason } => {
                    if kept.is_empty() {
                        warn!(error = format!("{reason:#}"), "messages are kept for a moment");
                    }
                    kept.push(delivery);
                }
                verdict => settled.push(Settled { delivery, cause, verdict, span }),
            }
        }
        let elapsed = started.elapsed();
        self.metrics.handled(elapsed);
        debug!(
            consumer = self.handler.consumer(),
            size,
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "batch handled"
        );
        self.settle(settled).await;
        kept
    }

    /// What is for this handler, and what is only to be acknowledged: given back to somebody else.
    fn meant(&self, batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<Settled>) {
        let is_meant = |delivery: &Delivery| {
            dead_letters::is_for(delivery.message.headers.as_ref(), self.handler.consumer())
        };
        let (meant, other): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_meant);
        let unseen = other.into_iter().map(|delivery| Settled {
            delivery,
            cause: None,
            verdict: Verdict::Answered(None),
            span: Span::none(),
        });
        (meant, unseen.collect())
    }

    /// A panic outside of a decision concerns the whole batch: all of it comes back.
    async fn handle(&self, batch: Vec<Incoming>) -> Vec<Result<Option<Sent>, Failure>> {
        let size = batch.len();
        if size == 0 {
            return Vec::new();
        }
        let panicked = || Err(Failure::retry(anyhow!("the handler panicked")));
        let handled = AssertUnwindSafe(self.handler.answer(&self.bus, batch)).catch_unwind().await;
        handled.unwrap_or_else(|_| (0..size).map(|_| panicked()).collect())
    }

    async fn settle(&self, settled: Vec<Settled>) {
        if settled.is_empty() {
            return;
        }
        let permit = self.settling.clone().acquire_owned().await.expect("it is never closed");
        let (bus, handler, metrics) =
            (self.bus.clone(), self.handler.clone(), self.metrics.clone());
        self.tasks.spawn(async move {
            let receipts = settle(&bus, &*handler, &metrics, settled).await;
            if !receipts.is_empty() {
                handler.published(receipts).await;
            }
            drop(permit);
        });
    }
}

struct Read {
    delivery: Delivery,
    span: Span,
    /// Its id, or why it cannot be read.
    readable: Result<Uuid, Failure>,
}

/// Opens a span for each message and reads it.
fn read(consumer: &'static str, batch: Vec<Delivery>) -> (Vec<Read>, Vec<Incoming>) {
    let mut incoming = Vec::with_capacity(batch.len());
    let read = batch.into_iter().map(|delivery| {
        let message = &delivery.message;
        let readable = wire::envelope(message.headers.as_ref(), &message.payload);
        let known = readable.as_ref().ok();
        // All at once: what is recorded later costs more.
        let span = info_span!(
            "handle",
            otel.name = known.map(|envelope| format!("process {}", envelope.kind)),
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.r#type = "process",
            messaging.destination.name = EVENTS.name,
            messaging.consumer.group.name = consumer,
            messaging.message.id = known.map(|envelope| display(envelope.id)),
            consumer,
            event.id = known.map(|envelope| display(envelope.id)),
            event.r#type = known.map(|envelope| envelope.kind.as_str()),
            event.attempt = delivery.attempt,
            correlation.id = known.map(|envelope| display(envelope.correlation)),
        );
        let readable = match readable {
            Ok(envelope) => {
                trace::continue_from(&span, envelope.trace.as_ref());
                let id = envelope.id;
                let is_requeued = dead_letters::is_requeued(message.headers.as_ref());
                incoming.push(Incoming { envelope, span: span.clone(), is_requeued });
                Ok(id)
            }
            Err(error) => Err(Failure::Reject { code: "unreadable", source: error.into() }),
        };
        Read { delivery, span, readable }
    });
    (read.collect(), incoming)
}
