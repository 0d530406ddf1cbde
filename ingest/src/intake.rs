//! From a request that waits to a commit: natural batching without a timer.
//!
//! Requests queue. One writer takes what waits, commits all of it in one transaction, and only then
//! lets the requests be answered. When nothing waits a delivery costs one commit; under load one
//! commit carries hundreds: half of what is under way, so that the other half is answered, sent and
//! read meanwhile. With all of it in one, ingest and Postgres would wait for each other.

use std::{sync::Arc, time::Duration};

use ::store::Lender;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tracing::{error, warn};
use uuid::Uuid;

use crate::{
    body::Reservation,
    publish::Publisher,
    store::{self, Committed, Delivery},
};

mod speed;

use speed::Speed;

/// The most deliveries in one transaction.
const BATCH_MAX: usize = 500;
/// The most bytes of bodies in one transaction, unless a single body is larger.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Batches are halved down to this many, of which a commit of its own costs as much as it saves.
const FEW: usize = 16;
/// How often others get their turn before a batch is closed.
const TURNS: usize = 2;
/// How long to wait before a commit that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is committed.
    Now,
    /// The fact was committed before, in this delivery.
    Before(Uuid),
    /// The fact was committed before, but what it is about has been elsewhere since, by this
    /// delivery: told again, it is another fact, and not committed yet.
    Returned(Uuid),
    /// The database cannot be reached: it is not known to be committed.
    Not,
    /// The database will not have it.
    Never,
}

/// A delivery that waits for its commit.
pub(crate) struct Waiting {
    delivery: Delivery,
    queued_at: Instant,
    reply: oneshot::Sender<Kept>,
    /// Held until the body is not needed any more, even if the sender went away.
    _reservation: Reservation,
}

/// Where requests queue. Cheap to clone; the writer ends when all clones are gone.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    queue: mpsc::Sender<Waiting>,
    speed: Arc<Speed>,
}

/// The queue's end for [`write`].
pub(crate) struct Queued {
    pub(crate) queue: mpsc::Receiver<Waiting>,
    pub(crate) speed: Arc<Speed>,
}

/// The queue is full, or too slow for its length.
#[derive(Debug)]
pub(crate) struct Full;

/// A queue of deliveries, at most `queue_max` of them and no more than are committed within
/// `wait_max`, and its end for [`write`].
pub(crate) fn queue(queue_max: usize, wait_max: Duration) -> (Intake, Queued) {
    let (sender, receiver) = mpsc::channel(queue_max.max(1));
    let speed = Arc::new(Speed::new(wait_max, Instant::now()));
    let intake = Intake { queue: sender, speed: speed.clone() };
    (intake, Queued { queue: receiver, speed })
}

impl Intake {
    /// Whether what comes now would have to wait for too long. Asked also before a request is read:
    /// to verify what cannot be kept takes the time from what can.
    pub(crate) fn is_behind(&self) -> bool {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        self.speed.is_behind(queued, Instant::now())
    }

    /// Queues a delivery and waits for what becomes of it.
    pub(crate) async fn keep(
        &self,
        delivery: Delivery,
        reservation: Reservation,
    ) -> Result<Kept, Full> {
        if self.is_behind() {
            return Err(Full);
        }
        let (reply, kept) = oneshot::channel();
        let queued_at = Instant::now();
        let waiting = Waiting { delivery, queued_at, reply, _reservation: reservation };
        self.queue.try_send(waiting).map_err(|_| Full)?;
        // A writer that is gone has committed nothing of this.
        Ok(kept.await.unwrap_or(Kept::Not))
    }
}

/// Commits what queues, until nobody can queue any more.
pub(crate) async fn write(
    pool: PgPool,
    Queued { mut queue, speed }: Queued,
    publisher: Publisher,
    patience: Duration,
) {
    let lender = Lender::new(pool);
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let mut most = BATCH_MAX;
    while take(&mut queue, &mut waiting, most).await > 0 {
        let taken = waiting.len();
        while !waiting.is_empty() {
            let batch: Vec<_> = waiting.drain(..first_batch(&waiting)).collect();
            let began = Instant::now();
            let first_at = batch.first().map_or(began, |waiting| waiting.queued_at);
            let (deliveries, replies): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|it| (it.delivery, (it.reply, it._reservation))).unzip();
            let Committed { kept, positions } = commit(&lender, &deliveries, patience).await;
            if !kept.contains(&Kept::Not) {
                speed.note(kept.len(), began.elapsed(), first_at.elapsed(), Instant::now());
            }
            let new = deliveries.into_iter().zip(&kept).filter(|(_, kept)| **kept == Kept::Now);
            publisher.publish(new.filter_map(|(delivery, _)| delivery.event).collect(), positions);
            for ((reply, _), kept) in replies.into_iter().zip(kept) {
                // The sender may have gone; what is kept stays kept.
                let _ = reply.send(kept);
            }
        }
        most = half(taken + queue.len());
    }
}

/// How many to take at most, where so many were under way when the last ones were committed.
fn half(under_way: usize) -> usize {
    under_way.div_ceil(2).clamp(FEW, BATCH_MAX)
}

/// Takes what waits, and gives how many those are: none only when nobody can queue any more.
///
/// What has arrived is read first. Senders who are answered together come again together, and the
/// first of them would be committed alone, for the price of all.
async fn take(
    queue: &mut mpsc::Receiver<Waiting>,
    waiting: &mut Vec<Waiting>,
    most: usize,
) -> usize {
    let taken = queue.recv_many(waiting, most).await;
    if taken == most {
        return taken;
    }
    for _ in 0..TURNS {
        yield_now().await;
    }
    let more = queue.len().min(most - taken);
    if more > 0 { taken + queue.recv_many(waiting, more).await } else { taken }
}

fn first_batch(waiting: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fitting = waiting.iter().take_while(|waiting| {
        bytes += waiting.delivery.body.len();
        bytes <= BATCH_BYTES_MAX
    });
    fitting.count().max(1)
}

/// Commits a batch, trying for as long as the senders can be expected to wait.
///
/// If an answer of the database is lost it may have committed; trying again then finds the very
/// same deliveries, which is as good as committing them.
async fn commit(lender: &Lender, batch: &[Delivery], patience: Duration) -> Committed {
    let deadline = Instant::now() + patience;
    let mut pauses = interval(PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let not = || Committed { kept: vec![Kept::Not; batch.len()], ..Committed::default() };
    loop {
        pauses.tick().await;
        match timeout_at(deadline, store::keep(lender, batch)).await {
            Ok(Ok(committed)) => return committed,
            Ok(Err(fault)) if store::is_about_the_rows(&fault) => {
                warn!(error = %fault, deliveries = batch.len(), "taking a batch apart");
                return one_by_one(lender, batch, deadline).await;
            }
            Ok(Err(fault)) if Instant::now() >= deadline => {
                error!(error = %fault, deliveries = batch.len(), "not kept, so not accepted");
                return not();
            }
            Ok(Err(fault)) => warn!(error = %fault, "cannot commit, trying again"),
            Err(_) => {
                error!(deliveries = batch.len(), "Postgres takes too long; nothing accepted");
                return not();
            }
        }
    }
}

/// Keeps each delivery alone, so that one the database refuses does not take others with it.
async fn one_by_one(lender: &Lender, batch: &[Delivery], deadline: Instant) -> Committed {
    let mut all = Committed::default();
    for delivery in batch {
        let one = std::slice::from_ref(delivery);
        all.kept.push(match timeout_at(deadline, store::keep(lender, one)).await {
            Ok(Ok(Committed { kept, positions })) => {
                all.positions.extend(positions);
                kept.first().copied().unwrap_or(Kept::Not)
            }
            Ok(Err(fault)) if store::is_about_the_rows(&fault) => {
                error!(error = %fault, delivery = %delivery.id, "the database will not have it");
                Kept::Never
            }
            Ok(Err(_)) | Err(_) => Kept::Not,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_under_way_is_taken_unless_a_commit_costs_more_than_that_saves() {
        assert_eq!([0, 20, 32, 129, 4000].map(half), [FEW, FEW, FEW, 65, BATCH_MAX]);
    }
}
