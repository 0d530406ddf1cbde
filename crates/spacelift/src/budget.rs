//! How many requests we send: a token bucket, kept as the time at which it will be full again.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How much of the whole comes back with each second after Spacelift said that it was too much.
const RECOVERY: f64 = 0.05;

/// The least that is left of the rate, however often Spacelift says so.
const LEAST: f64 = 1.0 / 32.0;

/// A rate shared by all requests of one client, and with the clients of other processes. When Spacelift
/// says that it is too much, it is halved and nothing is sent at once any more; then both come back
/// little by little.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The time one request takes out of the whole rate.
    interval: Duration,
    /// How many may go at once at best.
    burst: u32,
    /// Among how many processes both are divided.
    processes: AtomicU32,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// When all that was promised so far is paid for.
    settled_at: Instant,
    /// Spacelift asked us to be quiet until then.
    quiet_until: Instant,
    /// What was left of the rate then, and of the burst: shares of the whole.
    left: Share,
}

#[derive(Debug, Clone, Copy)]
struct Share {
    rate: f64,
    burst: f64,
}

const WHOLE: Share = Share { rate: 1.0, burst: 1.0 };

impl Budget {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let schedule = Schedule { settled_at: now, quiet_until: now, left: WHOLE };
        Self { interval, burst, processes: AtomicU32::new(1), schedule: Mutex::new(schedule) }
    }

    /// Takes its part of the whole, one of so many, from now on.
    pub(crate) fn share_among(&self, processes: u32) {
        self.processes.store(processes.max(1), Ordering::Relaxed);
    }

    /// Takes the next free place and says how long it is away; if that is longer than `patience`,
    /// takes none and says so.
    pub(crate) fn reserve(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let mut schedule = self.schedule();
        let share = schedule.share(now);
        let processes = self.processes.load(Ordering::Relaxed);
        let interval = self.interval.div_f64(share.rate) * processes;
        let burst = (self.burst / processes).saturating_sub(1);
        let ahead = interval.mul_f64(f64::from(burst) * share.burst);
        let in_rate = schedule.settled_at.checked_sub(ahead).unwrap_or(now);
        let at = in_rate.max(schedule.quiet_until).max(now);
        let wait = at - now;
        if wait > patience {
            return Err(wait);
        }
        schedule.settled_at = schedule.settled_at.max(at) + interval;
        Ok(wait)
    }

    /// Spacelift says that it is too much: nobody sends before `until`, and then less. What was
    /// under way with the first to be told counts as told once.
    pub(crate) fn be_quiet(&self, now: Instant, until: Instant) {
        let mut schedule = self.schedule();
        let share = schedule.share(now);
        let rate = match now < schedule.quiet_until {
            true => share.rate,
            false => (share.rate / 2.0).max(LEAST),
        };
        schedule.left = Share { rate, burst: 0.0 };
        schedule.quiet_until = schedule.quiet_until.max(until);
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Instants and shares cannot be left half changed.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Schedule {
    /// What has come back by now.
    fn share(&self, now: Instant) -> Share {
        let back = now.saturating_duration_since(self.quiet_until).as_secs_f64() * RECOVERY;
        Share { rate: (self.left.rate + back).min(1.0), burst: (self.left.burst + back).min(1.0) }
    }
}
