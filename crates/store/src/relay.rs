//! The relay: publishes what a crash left unpublished, and refills a broker that lost its data.
//!
//! It alone decides in which era ([`bus::Era`]) the process publishes. Before it enters one, it
//! looks in each other era for the end of what is still there: of another life of the stream,
//! nothing is; of this one, everything up to some sequence, because a broker loses what it stored
//! last. What is beyond is forgotten to be published, and so published again, in the order in which
//! it was decided. Its readers answer from memory what they have answered before.
//!
//! In a cluster, the server that holds the stream may lose what it stored last while the one we are
//! connected to lives on, and the era with it. So the end of our own era is looked at, too, now and
//! again, and when it is lost another era begins. A loss is not noticed if it reaches no further back
//! than the look before, and more than was lost is stored again before the next one.

use std::{collections::HashSet, time::Duration};

use bus::{Bus, BusError, LetterPlace, Receipt, Sight};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::topology::{DEAD_LETTERS, EVENTS};
use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Store, buried, in_pages,
    published::{self, Horizon, Page, Published, Unpublished},
};

mod letters;

/// How often unpublished answers are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How many sweeps lie between two looks at whether the stream is still the same.
const SWEEPS_PER_LOOK: u32 = 5;
/// How often what is old is forgotten.
const PRUNE: Duration = Duration::from_secs(600);
/// How old an unpublished answer must be before the relay takes it for left over.
const GRACE: TimeDelta = TimeDelta::seconds(2);
/// How many rows are published at once.
const BATCH: i64 = 500;
/// For how much longer answers are remembered than a message can come again: as a dead letter.
const MARGIN: TimeDelta = TimeDelta::days(10);

/// Why a sweep was not finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database is away.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    /// The broker is away.
    #[error("the broker did not answer")]
    Bus(#[from] BusError),
}

impl RelayError {
    /// Whether it may come right by itself, unlike a stream that is not as this build needs it.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Bus(error) if !matches!(error, BusError::Topology { .. }))
    }
}

/// Makes missing streams, finds out what they lost since we were here last, and enters their era.
/// Once at the start, so that what is published from then on can be noted.
pub async fn take_stock(store: &Store, bus: &Bus) -> Result<(), RelayError> {
    Relay::new(store.clone(), bus.clone()).look().await
}

/// Runs until `shutdown`; forgets what is old beside it.
pub async fn relay(store: Store, bus: Bus, shutdown: CancellationToken) {
    tokio::join!(forget(&store, &shutdown), publish(store.clone(), bus, &shutdown));
}

async fn forget(store: &Store, shutdown: &CancellationToken) {
    let mut ticks = tokio::time::interval_at(Instant::now() + PRUNE, PRUNE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(Err(error)) = shutdown.run_until_cancelled(prune(store.pool())).await {
            warn!(%error, "what is old is not forgotten yet");
        }
    }
}

/// Forgets what nobody can ask for any more.
async fn prune(pool: &PgPool) -> Result<(), sqlx::Error> {
    let age = EVENTS.max_age.max(DEAD_LETTERS.max_age);
    let before = Utc::now() - TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX) - MARGIN;
    let old = Utc::now() - TimeDelta::from_std(DEAD_LETTERS.max_age).unwrap_or(TimeDelta::MAX);
    buried::prune(pool, old).await?;
    in_pages(|| published::prune(pool, before, BATCH)).await?;
    Ok(())
}

async fn publish(store: Store, bus: Bus, shutdown: &CancellationToken) {
    let mut disturbances = bus.disturbances();
    disturbances.mark_changed();
    let mut relay = Relay::new(store, bus);
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds: u32 = 0;
    loop {
        let is_disturbed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = disturbances.changed() => {
                if changed.is_err() {
                    return;
                }
                true
            }
            _ = ticks.tick() => false,
        };
        // The news of the connection wakes it again.
        if !relay.bus.is_connected() {
            continue;
        }
        let round = async {
            if is_disturbed || relay.bus.era().is_none() || rounds.is_multiple_of(SWEEPS_PER_LOOK) {
                relay.look().await?;
            }
            relay.sweep().await
        };
        let done = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            done = round => done,
        };
        rounds = rounds.wrapping_add(1);
        if let Err(error) = done {
            warn!(error = format!("{:#}", anyhow::Error::from(error)), "the relay waits");
            // Whatever it was, it is not asked for again at once.
            ticks.reset();
            disturbances.mark_unchanged();
            rounds = 0;
        }
    }
}

struct Relay {
    store: Store,
    bus: Bus,
    /// Everything up to this position is published.
    swept: i64,
    /// Rows that the server does not take, by their position.
    too_large: HashSet<i64>,
    /// The era, and the end of the stream of dead letters, in which all of them were there.
    letters: Option<(Uuid, LetterPlace)>,
    /// What stood last when we looked last, and in which life of the stream. Kept until another era
    /// is entered, so that a look that fails in between is made up for.
    newest: Option<(Uuid, Published)>,
    /// How far one could see some time ago.
    seen: Option<Horizon>,
    /// Nothing is on its way: what is unpublished is left over, however young.
    is_urgent: bool,
}

impl Relay {
    fn new(store: Store, bus: Bus) -> Self {
        Self {
            store,
            bus,
            swept: 0,
            too_large: HashSet::new(),
            letters: None,
            newest: None,
            seen: None,
            is_urgent: true,
        }
    }

    /// Makes missing streams; if this is not the era we are in, or it lost its end, finds out what was
    /// lost, and enters it.
    async fn look(&mut self) -> Result<(), RelayError> {
        let sight = self.bus.sight().await?;
        let entered = self.bus.entered(&sight.era);
        let own = entered.unwrap_or(sight.era.id);
        let lost = self.lost(own, &sight).await?;
        if lost.is_some() {
            self.letters = None;
        }
        self.refill_letters(sight.era.id).await?;
        if entered.is_some() && lost.is_none() {
            return Ok(());
        }
        self.bus.leave_era().await;
        for (era, life) in published::eras(self.store.pool()).await? {
            let from = match lost {
                // What was noted later, in whatever era, may have come after the loss.
                Some((sequence, at)) => (sequence.min(sight.last_sequence), at),
                None if era == own => continue,
                None => (sight.last_sequence, DateTime::<Utc>::MAX_UTC),
            };
            self.refill((era, life), &sight, from).await?;
        }
        bus::failpoint("relay.before_era");
        // What was stored before a loss, and is noted only now, must not be noted in the era after it.
        let era = if lost.is_some() { sight.era.anew() } else { sight.era };
        published::note_era(self.store.pool(), &era).await?;
        self.bus.enter_era(era).await;
        self.swept = 0;
        self.too_large.clear();
        self.newest = None;
        self.seen = None;
        self.is_urgent = true;
        Ok(())
    }

    /// Where something stood that is lost, and when that was noted: what stands last in our era, or what
    /// stood last when we looked before; what stands last now may have come after a loss.
    async fn lost(
        &mut self,
        era: Uuid,
        sight: &Sight,
    ) -> Result<Option<(u64, DateTime<Utc>)>, RelayError> {
        let any = (u64::MAX, DateTime::<Utc>::MAX_UTC);
        let newest = published::published_at(self.store.pool(), era, any, 0).await?;
        // What stood in another life proves nothing about this one, which another replica may have
        // refilled already.
        let before = self.newest.iter().filter(|(life, _)| *life == sight.era.life);
        for mark in before.map(|(_, mark)| mark).chain(&newest) {
            // What is below the first was dropped by age.
            if mark.sequence >= sight.first_sequence && !self.is_there(mark).await? {
                return Ok(Some((mark.sequence, mark.at)));
            }
        }
        self.newest = newest.map(|mark| (sight.era.life, mark));
        Ok(None)
    }

    async fn is_there(&self, mark: &Published) -> Result<bool, RelayError> {
        let event = self.bus.event_at(mark.sequence).await?;
        Ok(event.is_some_and(|event| mark.is(event)))
    }

    /// Forgets where the answers of an era stood that are there no more.
    async fn refill(
        &self,
        (era, life): (Uuid, Uuid),
        sight: &Sight,
        from: (u64, DateTime<Utc>),
    ) -> Result<(), RelayError> {
        let pool = self.store.pool();
        let forgotten = if life == sight.era.life {
            let end = self.end_of(era, sight, from).await?;
            published::forget(pool, era, end, DateTime::UNIX_EPOCH).await?
        } else {
            // What the stream would have dropped by age is not lost.
            let age = TimeDelta::from_std(EVENTS.max_age).unwrap_or(TimeDelta::MAX);
            published::forget(pool, era, 0, Utc::now() - age).await?
        };
        if forgotten > 0 {
            warn!(rows = forgotten, "the broker lost what was published; publishing it again");
        }
        Ok(())
    }

    /// The sequence up to which what was published in an era is still there. Looks back from a sequence,
    /// at what was noted by a time.
    async fn end_of(
        &self,
        era: Uuid,
        sight: &Sight,
        (mut sequence, by): (u64, DateTime<Utc>),
    ) -> Result<u64, RelayError> {
        let mut back = 0;
        loop {
            let from = (sequence, by);
            let found = published::published_at(self.store.pool(), era, from, back).await?;
            // Beyond the first of what the stream holds, nothing was lost: it was dropped by age.
            let dropped = sight.first_sequence.saturating_sub(1);
            let Some(found) = found else { return Ok(dropped) };
            if found.sequence <= dropped {
                return Ok(dropped);
            }
            if self.is_there(&found).await? {
                return Ok(found.sequence);
            }
            // Back in growing strides; what is published twice is harmless.
            sequence = found.sequence;
            back = (back * 2).max(1);
        }
    }

    /// Publishes what stands nowhere.
    async fn sweep(&mut self) -> Result<(), RelayError> {
        let Some(era) = self.bus.era() else { return Ok(()) };
        let horizon = published::horizon(self.store.pool()).await?;
        let mut above = self.swept;
        let mut is_noted = false;
        loop {
            let grace = if self.is_urgent { TimeDelta::zero() } else { GRACE };
            let (range, before) = ((above, horizon.position), Utc::now() - grace);
            let page = published::unpublished(self.store.pool(), range, before, BATCH).await?;
            let Some(Page { rows, end }) = page else { break };
            // What stays behind must not be met again and again in one sweep.
            above = end;
            let open = rows.iter().filter(|row| !self.too_large.contains(&row.position));
            let open: Vec<_> = open.collect();
            if let (Some(first), false) = (open.first(), is_noted) {
                self.note_swept(first.position - 1, horizon);
                is_noted = true;
            }
            // What comes after those that are on their way is on its way, too.
            let is_last = !rows.is_empty() && rows.iter().all(|row| row.answers.is_none());
            let ready: Vec<_> = open.into_iter().filter(|row| row.answers.is_some()).collect();
            if !ready.is_empty() {
                info!(rows = ready.len(), "publishing what was left unpublished");
                self.publish(&ready).await?;
            }
            if self.bus.era() != Some(era) {
                return Ok(());
            }
            if is_last {
                break;
            }
        }
        if !is_noted {
            self.note_swept(i64::MAX, horizon);
        }
        self.is_urgent = false;
        Ok(())
    }

    /// Moves up what need not be looked at again in this era: everything up to the position below
    /// which nothing is still to be published, as far as no transaction can add rows there any more.
    fn note_swept(&mut self, below: i64, now: Horizon) {
        match self.seen {
            Some(seen) if seen.begun <= now.ended => {
                self.swept = self.swept.max(seen.position.min(below));
                self.seen = Some(now);
            }
            Some(_) => {}
            None => self.seen = Some(now),
        }
    }

    async fn publish(&mut self, rows: &[&Unpublished]) -> Result<(), RelayError> {
        bus::failpoint("relay.before_publish");
        let mut sent = Vec::with_capacity(rows.len());
        for row in rows {
            let answers = row.answers.as_deref().unwrap_or_default();
            sent.push(self.bus.send(answers).await);
        }
        let deadline = self.bus.deadline();
        let mut receipts: Vec<(&str, Receipt)> = Vec::with_capacity(rows.len());
        let mut failure = None;
        for (row, sent) in rows.iter().zip(sent) {
            match self.bus.receipt(row.event_id, sent, deadline).await {
                Ok(receipt) => receipts.push((&row.consumer, receipt)),
                Err(error @ BusError::TooLarge { .. }) => {
                    // It stays behind for a person; what comes after it must not. It is said, and
                    // tried, once in each era: the server may have come back with other limits.
                    self.too_large.insert(row.position);
                    error!(%error, event.id = %row.event_id, "an answer cannot be published");
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        bus::failpoint("relay.before_mark");
        let mut consumers: Vec<_> = receipts.iter().map(|(consumer, _)| *consumer).collect();
        consumers.sort_unstable();
        consumers.dedup();
        for consumer in consumers {
            let own = receipts.iter().filter(|(other, _)| *other == consumer);
            let own: Vec<_> = own.map(|(_, receipt)| receipt.clone()).collect();
            let rows = rows.iter().filter(|row| row.consumer == consumer);
            let positions = rows.map(|row| (row.event_id, row.position)).collect();
            published::mark(self.store.pool(), &self.bus, consumer, &own, &positions).await?;
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}

#[cfg(test)]
mod tests;
