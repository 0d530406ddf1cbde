//! How many requests we send: a token bucket, kept as the time at which it will be full again.

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A rate shared by all requests of one client.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The time one request takes out of the rate.
    interval: Duration,
    /// How far ahead of the rate a burst may run.
    tolerance: Duration,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// When all that was promised so far is paid for.
    settled_at: Instant,
    /// Spacelift asked us to be quiet until then.
    quiet_until: Instant,
}

impl Budget {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            tolerance: interval * burst.saturating_sub(1),
            schedule: Mutex::new(Schedule { settled_at: now, quiet_until: now }),
        }
    }

    /// Takes the next free place and says how long it is away; if that is longer than `patience`,
    /// takes none and says so.
    pub(crate) fn reserve(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let mut schedule = self.schedule();
        let in_rate = schedule.settled_at.checked_sub(self.tolerance).unwrap_or(now);
        let at = in_rate.max(schedule.quiet_until).max(now);
        let wait = at - now;
        if wait > patience {
            return Err(wait);
        }
        schedule.settled_at = schedule.settled_at.max(at) + self.interval;
        Ok(wait)
    }

    /// Nobody sends before `until`.
    pub(crate) fn be_quiet(&self, until: Instant) {
        let mut schedule = self.schedule();
        schedule.quiet_until = schedule.quiet_until.max(until);
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Two instants cannot be left half changed.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
