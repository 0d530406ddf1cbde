//! Events that are committed go out, many at once; what does not, the relay sends later.

use std::collections::HashMap;

use bus::{Answers, Bus};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tracing::warn;
use uuid::Uuid;

use crate::store;

/// The most batches that wait to be published; what does not fit is left to the relay.
const BATCHES_MAX: usize = 64;
/// The most events handed to the broker before its acknowledgements are awaited.
const EVENTS_MAX: usize = 1_000;

/// Where committed events go.
#[derive(Debug, Clone)]
pub(crate) struct Publisher(mpsc::Sender<Batch>);

/// Events that are committed, and where they are remembered.
pub(crate) type Batch = (Vec<Answers>, HashMap<Uuid, i64>);

/// A publisher and its end for [`run`].
pub(crate) fn queue() -> (Publisher, mpsc::Receiver<Batch>) {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    (Publisher(sender), receiver)
}

impl Publisher {
    /// Never waits: the database has them, so nothing is lost if nobody takes them.
    pub(crate) fn publish(&self, events: Vec<Answers>, positions: HashMap<Uuid, i64>) {
        if !events.is_empty() && self.0.try_send((events, positions)).is_err() {
            warn!("the broker is behind; the relay will publish what is committed");
        }
    }
}

/// Publishes until all publishers are gone.
pub(crate) async fn run(pool: PgPool, bus: Bus, mut queue: mpsc::Receiver<Batch>) {
    let mut batches = Vec::new();
    while queue.recv_many(&mut batches, BATCHES_MAX).await > 0 {
        let (events, positions): (Vec<_>, Vec<_>) = batches.drain(..).unzip();
        let events: Vec<_> = events.into_iter().flatten().collect();
        let positions = positions.into_iter().flatten().collect();
        for events in events.chunks(EVENTS_MAX) {
            publish(&pool, &bus, events, &positions).await;
        }
    }
}

async fn publish(pool: &PgPool, bus: &Bus, events: &[Answers], positions: &HashMap<Uuid, i64>) {
    if !bus.is_connected() {
        warn!(events = events.len(), "the broker is away; the relay will publish when it is back");
        return;
    }
    let mut sent = Vec::with_capacity(events.len());
    for event in events {
        sent.push(bus.send(event).await);
    }
    let deadline = bus.deadline();
    let mut receipts = Vec::with_capacity(events.len());
    for (event, sent) in events.iter().zip(sent) {
        let Some(cause) = event.first().map(|event| event.id) else { continue };
        match bus.receipt(cause, sent, deadline).await {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => {
                // Each further acknowledgement would be waited for in vain, one after the other.
                let left = events.len() - receipts.len();
                warn!(%error, events = left, "not published; the relay will do it");
                break;
            }
        }
    }
    bus::failpoint("ingest.before_mark");
    let marked = ::store::mark(pool, bus, store::CONSUMER, &receipts, positions).await;
    if let Err(error) = marked {
        warn!(%error, "published, but not noted; the relay will publish it again");
    }
}
