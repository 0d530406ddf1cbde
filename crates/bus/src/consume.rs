//! The loop: every consumer of every service runs this one.
//!
//! ```text
//! take what waits ─► handle ─► verdict ─┬─ Publish     publish the answers, then acknowledge
//!                                       ├─ Redeliver   nak with a delay
//!                                       └─ DeadLetter  copy with code and reason, then terminate
//! ```
//!
//! Whatever goes wrong in here, the message comes back: nothing is acknowledged before everything
//! it led to is stored.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::anyhow;
use async_nats::jetstream::{AckKind, Message, consumer::pull};
use futures::{FutureExt, StreamExt, future::join_all};
use opentelemetry::KeyValue;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span, debug, error, info_span, warn};
use uuid::Uuid;

use crate::{
    Answers, Bus, BusError, Failure, Handler, Incoming, Receipt,
    connection::Sent,
    dead_letters, failpoint, topology, trace,
    verdict::{Verdict, verdict},
    wire,
};

/// How many batches may wait for their answers to be stored while the next is handled.
const SETTLING_MAX: usize = 4;
/// How long to wait before asking again for a consumer that could not be had.
const PAUSE: Duration = Duration::from_millis(200);

/// One message with its place in the stream.
struct Delivery {
    message: Message,
    /// Absent when the message cannot be read.
    id: Option<Uuid>,
    attempt: usize,
    span: Span,
}

impl Delivery {
    fn receipt(&self, stored: &Result<Vec<u64>, BusError>) -> Option<Receipt> {
        match (self.id, stored) {
            (Some(cause), Ok(sequences)) if !sequences.is_empty() => {
                Some(Receipt { cause, sequences: sequences.clone() })
            }
            _ => None,
        }
    }
}

/// Feeds `handler` until `shutdown`, then lets what is in flight finish.
pub async fn consume<H: Handler>(bus: Bus, handler: Arc<H>, shutdown: CancellationToken) {
    let tasks = TaskTracker::new();
    let settling = Arc::new(Semaphore::new(SETTLING_MAX));
    while !shutdown.is_cancelled() {
        match subscribe(&bus, handler.as_ref()).await {
            Ok(messages) => {
                let mut batches = messages.ready_chunks(bus.options.batch_max);
                loop {
                    let batch = tokio::select! {
                        biased;
                        () = shutdown.cancelled() => break,
                        batch = batches.next() => batch,
                    };
                    let Some(batch) = batch else { break };
                    let (messages, lost): (Vec<_>, Vec<_>) =
                        batch.into_iter().partition(Result::is_ok);
                    let messages: Vec<_> = messages.into_iter().filter_map(Result::ok).collect();
                    if !messages.is_empty() {
                        take(&bus, &handler, messages, &tasks, &settling).await;
                    }
                    if let Some(Err(error)) = lost.into_iter().next() {
                        warn!(consumer = handler.consumer(), %error, "lost the stream for a moment");
                        break;
                    }
                }
            }
            Err(error) => {
                warn!(consumer = handler.consumer(), error = chain(&error), "cannot consume yet");
                let _ = tokio::time::timeout(PAUSE, shutdown.cancelled()).await;
            }
        }
        bus.disturb();
    }
    tasks.close();
    tasks.wait().await;
}

async fn subscribe<H: Handler>(bus: &Bus, handler: &H) -> Result<pull::Stream, BusError> {
    bus.ensure_streams().await?;
    let what = || format!("messages for {}", handler.consumer());
    let consumer = topology::consumer(bus, handler.consumer(), handler.takes()).await?;
    consumer
        .stream()
        .max_messages_per_batch(bus.options.batch_max * 2)
        .heartbeat(Duration::from_secs(2))
        .expires(Duration::from_secs(30))
        .messages()
        .await
        .map_err(|error| BusError::request(what(), error))
}

/// Handles one batch and hands its answers to the connection; their storage and the
/// acknowledgements are awaited beside the next batch.
async fn take<H: Handler>(
    bus: &Bus,
    handler: &Arc<H>,
    messages: Vec<Message>,
    tasks: &TaskTracker,
    settling: &Arc<Semaphore>,
) {
    let started = std::time::Instant::now();
    let consumer = handler.consumer();
    let (deliveries, readable, batch) = read(consumer, messages);
    let results = keep_alive(bus, &deliveries, handle(handler.as_ref(), batch)).await;
    let mut results = results.into_iter();
    let mut settled = Vec::with_capacity(deliveries.len());
    for (delivery, readable) in deliveries.into_iter().zip(readable) {
        let answer = match readable {
            Ok(()) => results.next().unwrap_or_else(|| Err(Failure::retry(anyhow!("no answer")))),
            Err(failure) => Err(failure),
        };
        let verdict = verdict(answer, delivery.attempt);
        // Sent here and not in the task below, so that answers leave in the order of decision.
        let sent = match &verdict {
            Verdict::Publish(answers) if !answers.is_empty() => Some(bus.send(answers).await),
            _ => None,
        };
        settled.push((delivery, verdict, sent));
    }
    record(consumer, started.elapsed(), settled.len());
    let permit = settling.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (bus, handler) = (bus.clone(), handler.clone());
    tasks.spawn(async move {
        settle(&bus, handler.as_ref(), settled).await;
        drop(permit);
    });
}

type Readable = Vec<Result<(), Failure>>;

/// Opens a span for each message and reads it.
fn read(
    consumer: &'static str,
    messages: Vec<Message>,
) -> (Vec<Delivery>, Readable, Vec<Incoming>) {
    let mut deliveries = Vec::with_capacity(messages.len());
    let mut readable = Vec::with_capacity(messages.len());
    let mut batch = Vec::with_capacity(messages.len());
    for message in messages {
        let attempt = message.info().map_or(1, |info| usize::try_from(info.delivered).unwrap_or(1));
        let envelope = wire::envelope(message.headers.as_ref(), &message.payload);
        let id = envelope.as_ref().ok().map(|envelope| envelope.id);
        let span = info_span!(
            "handle",
            otel.kind = "consumer",
            messaging.system = "nats",
            consumer,
            event.id = tracing::field::Empty,
            event.r#type = tracing::field::Empty,
            event.attempt = attempt,
            correlation.id = tracing::field::Empty,
        );
        readable.push(match envelope {
            Ok(envelope) => {
                trace::continue_from(&span, envelope.trace.as_ref());
                span.record("event.id", tracing::field::display(envelope.id));
                span.record("event.type", envelope.kind.as_str());
                span.record("correlation.id", tracing::field::display(envelope.correlation));
                batch.push(Incoming { envelope, span: span.clone() });
                Ok(())
            }
            Err(error) => Err(Failure::Reject { code: "unreadable", source: error.into() }),
        });
        deliveries.push(Delivery { message, id, attempt, span });
    }
    (deliveries, readable, batch)
}

/// A panic outside of a decision concerns the whole batch: all of it comes back.
async fn handle<H: Handler>(handler: &H, batch: Vec<Incoming>) -> Vec<Result<Answers, Failure>> {
    let size = batch.len();
    if size == 0 {
        return Vec::new();
    }
    match AssertUnwindSafe(handler.handle(batch)).catch_unwind().await {
        Ok(results) => results,
        Err(_) => (0..size).map(|_| Err(Failure::retry(anyhow!("the handler panicked")))).collect(),
    }
}

/// Tells the server that the messages are still being worked on, for as long as they are.
async fn keep_alive<T>(bus: &Bus, deliveries: &[Delivery], work: impl Future<Output = T>) -> T {
    let period = bus.options.ack_wait / 2;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                for delivery in deliveries {
                    if let Err(error) = delivery.message.ack_with(AckKind::Progress).await {
                        warn!(%error, "no sign of life sent");
                    }
                }
            }
        }
    }
}

/// Takes the messages of one batch to their end.
async fn settle<H: Handler>(
    bus: &Bus,
    handler: &H,
    settled: Vec<(Delivery, Verdict, Option<Sent>)>,
) {
    let consumer = handler.consumer();
    let ends = settled.into_iter().map(|(delivery, verdict, sent)| {
        let span = delivery.span.clone();
        async move {
            let stored = match sent {
                Some(sent) => bus.stored(sent).await,
                None => Ok(Vec::new()),
            };
            let receipt = delivery.receipt(&stored);
            let done = match stored {
                Err(error) => Err(error.into()),
                Ok(_) => end(bus, consumer, &delivery, verdict).await,
            };
            if let Err(error) = done {
                warn!(error = format!("{error:#}"), "not settled; the message will come back");
            }
            receipt
        }
        .instrument(span)
    });
    let receipts: Vec<_> = join_all(ends).await.into_iter().flatten().collect();
    if !receipts.is_empty() {
        handler.published(receipts).await;
    }
}

async fn end(
    bus: &Bus,
    consumer: &'static str,
    delivery: &Delivery,
    verdict: Verdict,
) -> anyhow::Result<()> {
    let (outcome, code, kind) = match verdict {
        Verdict::Publish(_) => ("answered", "", AckKind::Ack),
        Verdict::Redeliver { after, reason } => {
            let error = format!("{reason:#}");
            warn!(error, attempt = delivery.attempt, ?after, "will try again");
            ("redelivered", "", AckKind::Nak(Some(after)))
        }
        Verdict::DeadLetter { code, reason } => {
            error!(error = format!("{reason:#}"), attempt = delivery.attempt, code, "dead letter");
            dead_letters::bury(bus, consumer, &delivery.message, code, &reason).await?;
            ("dead_letter", code, AckKind::Term)
        }
    };
    count(consumer, outcome, code);
    failpoint("consume.before_ack");
    delivery.message.ack_with(kind).await.map_err(anyhow::Error::from_boxed)
}

fn chain(error: &BusError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn count(consumer: &'static str, outcome: &'static str, code: &'static str) {
    let meter = opentelemetry::global::meter("bus");
    let attributes = [KeyValue::new("consumer", consumer), KeyValue::new("outcome", outcome)];
    meter.u64_counter("stackly_messages").build().add(1, &attributes);
    if !code.is_empty() {
        let attributes = [KeyValue::new("consumer", consumer), KeyValue::new("code", code)];
        meter.u64_counter("stackly_dead_letters").build().add(1, &attributes);
    }
}

fn record(consumer: &'static str, elapsed: Duration, size: usize) {
    debug!(consumer, size, duration_ms = elapsed.as_secs_f64() * 1000.0, "batch handled");
    opentelemetry::global::meter("bus")
        .f64_histogram("stackly_handle_duration")
        .with_unit("s")
        .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
        .build()
        .record(elapsed.as_secs_f64(), &[KeyValue::new("consumer", consumer)]);
}
