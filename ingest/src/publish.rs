//! Events that are committed go out, many at once; what does not, the relay sends later.

use std::{collections::HashMap, time::Duration};

use bus::{Answers, Bus, Receipt};
use sqlx::PgPool;
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at},
};
use tracing::warn;
use uuid::Uuid;

use crate::store;

/// The most batches that wait to be published; what does not fit is left to the relay.
const BATCHES_MAX: usize = 64;
/// The most events handed to the broker before its acknowledgements are awaited.
const EVENTS_MAX: usize = 1_000;
/// As many events at once come of a load, not of one change whose followers wait for it.
const MANY: usize = 4;
/// How long events wait for others to be published with after [`MANY`] were: the broker spends half as
/// much on each where fifty come together.
const GATHER: Duration = Duration::from_millis(4);
/// How long what is published waits for others to be marked with: nobody waits for a mark.
const LINGER: Duration = Duration::from_millis(20);

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

/// Publishes until all publishers are gone, and marks beside it what is published.
pub(crate) async fn run(pool: PgPool, bus: Bus, queue: mpsc::Receiver<Batch>) {
    let (published, marking) = mpsc::unbounded_channel();
    tokio::join!(publish(&bus, queue, published), mark(&pool, &bus, marking));
}

/// What the broker has stored, and where it is remembered.
type Published = (Vec<Receipt>, HashMap<Uuid, i64>);

async fn publish(
    bus: &Bus,
    mut queue: mpsc::Receiver<Batch>,
    published: mpsc::UnboundedSender<Published>,
) {
    let mut batches = Vec::new();
    let mut many = false;
    while queue.recv_many(&mut batches, BATCHES_MAX).await > 0 {
        if many {
            pause(GATHER).await;
            batches.extend(std::iter::from_fn(|| queue.try_recv().ok()));
        }
        let (events, positions): (Vec<_>, Vec<_>) = batches.drain(..).unzip();
        let events: Vec<_> = events.into_iter().flatten().collect();
        let mut positions: HashMap<_, _> = positions.into_iter().flatten().collect();
        many = events.len() >= MANY;
        for events in events.chunks(EVENTS_MAX) {
            let receipts = send(bus, events).await;
            // Whoever marks is there for as long as we are.
            let _ = published.send((receipts, std::mem::take(&mut positions)));
        }
    }
}

/// Sends events, and gives the receipts of those that are stored.
async fn send(bus: &Bus, events: &[Answers]) -> Vec<Receipt> {
    if !bus.is_connected() {
        warn!(events = events.len(), "the broker is away; the relay will publish when it is back");
        return Vec::new();
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
    receipts
}

/// Marks what is published, that of several batches together.
async fn mark(pool: &PgPool, bus: &Bus, mut marking: mpsc::UnboundedReceiver<Published>) {
    while let Some((mut receipts, mut positions)) = marking.recv().await {
        pause(LINGER).await;
        while let Ok((more, places)) = marking.try_recv() {
            receipts.extend(more);
            positions.extend(places);
        }
        bus::failpoint("ingest.before_mark");
        let marked = ::store::mark(pool, bus, store::CONSUMER, &receipts, &positions).await;
        if let Err(error) = marked {
            warn!(%error, "published, but not noted; the relay will publish it again");
        }
    }
}

async fn pause(time: Duration) {
    interval_at(Instant::now() + time, time).tick().await;
}
