//! How fast deliveries are committed, and how long what comes now may have to wait because of it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::BATCH_MAX;

/// Of fewer at once the time goes to the commit itself, and says nothing about many.
const MANY: usize = BATCH_MAX / 8;
/// For how long deliveries must have been late on end, and some refused because of it, before it is a
/// flood: a disk stands still for less, a queue that is late but short is not for want of room, and
/// what is refused comes again only where its sender sends it again.
const PERSISTS_MS: u64 = 200;
/// In a flood so much of the usual wait is left. Senders whose next delivery waits for the answer to
/// the one before hear soon, be it yes or no; otherwise those that are taken in the end would have
/// waited there.
const SHORT: u32 = 6;
/// A flood is over when nothing had to be refused for as long.
const CALM_MS: u64 = 1_000;
/// After so long a flood must show itself once more, with the usual wait: who is refused and comes
/// again at once would otherwise keep up by himself what he was refused for.
const QUESTIONED_MS: u64 = 30_000;
/// How long what was noted says something: after so long without many at once there is no flood. Nor
/// does it say anything while the database is away: what queues meanwhile is bounded by number alone.
const FRESH_MS: u64 = 1_000;
const NEVER: u64 = u64::MAX;

/// How fast commits are of late. Times are milliseconds since it began.
#[derive(Debug)]
pub(crate) struct Speed {
    began: Instant,
    /// For how long a delivery may have to wait for its turn.
    wait_max: Duration,
    /// Nanoseconds for each delivery, where many were committed at once.
    each: AtomicU64,
    noted_at: AtomicU64,
    /// Since when every commit found deliveries that had waited for too long.
    late_since: AtomicU64,
    /// When somebody would have had to wait for longer than the usual wait.
    refused_at: AtomicU64,
    flood_since: AtomicU64,
    flood_until: AtomicU64,
}

impl Speed {
    pub(super) fn new(wait_max: Duration, began: Instant) -> Self {
        Self {
            began,
            wait_max,
            each: AtomicU64::new(0),
            noted_at: AtomicU64::new(0),
            late_since: AtomicU64::new(NEVER),
            refused_at: AtomicU64::new(0),
            flood_since: AtomicU64::new(0),
            flood_until: AtomicU64::new(0),
        }
    }

    /// Notes a commit: of how many, how long it took, and how long the first of them had waited when
    /// it was done.
    pub(crate) fn note(&self, committed: usize, took: Duration, waited: Duration, now: Instant) {
        self.note_wait(waited, self.millis(now));
        if committed < MANY {
            return;
        }
        let each = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / committed as u64;
        let smooth = match self.is_fresh(now) {
            true => self.each.load(Ordering::Relaxed) / 4 * 3 + each / 4,
            false => each,
        };
        self.each.store(smooth, Ordering::Relaxed);
        self.noted_at.store(self.millis(now), Ordering::Relaxed);
    }

    fn note_wait(&self, waited: Duration, now: u64) {
        if waited <= self.wait_max / 2 {
            return self.late_since.store(NEVER, Ordering::Relaxed);
        }
        let since = self.late_since.load(Ordering::Relaxed);
        if since == NEVER {
            self.late_since.store(now, Ordering::Relaxed);
        } else if now - since >= PERSISTS_MS && self.refused_at.load(Ordering::Relaxed) >= since {
            if !self.is_flood(now) {
                self.flood_since.store(now, Ordering::Relaxed);
            }
            self.prolong(now);
        }
    }

    /// Whether one more than so many would have to wait for too long, as far as that is known.
    pub(super) fn is_behind(&self, queued: usize, now: Instant) -> bool {
        let wait = self.wait(queued, now);
        let now = self.millis(now);
        if wait > self.wait_max {
            self.refused_at.store(now, Ordering::Relaxed);
        }
        if !self.is_flood(now) {
            return wait > self.wait_max;
        }
        let is_behind = wait > self.wait_max / SHORT;
        if is_behind {
            self.prolong(now);
        }
        is_behind
    }

    fn is_flood(&self, now: u64) -> bool {
        now < self.flood_until.load(Ordering::Relaxed)
    }

    fn prolong(&self, now: u64) {
        let questioned_at = self.flood_since.load(Ordering::Relaxed) + QUESTIONED_MS;
        self.flood_until.store(questioned_at.min(now + CALM_MS), Ordering::Relaxed);
    }

    fn wait(&self, queued: usize, now: Instant) -> Duration {
        match self.is_fresh(now) {
            true => {
                let each = self.each.load(Ordering::Relaxed);
                Duration::from_nanos(each.saturating_mul(queued as u64))
            }
            false => Duration::ZERO,
        }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.each.load(Ordering::Relaxed) > 0
            && self.millis(now) <= self.noted_at.load(Ordering::Relaxed) + FRESH_MS
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from((now - self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
