//! When wake-ups are looked for next.
//!
//! At the time of the next of them, so that nobody waits longer than asked for; but not for each of
//! many alone, and now and then in any case, because other processes leave wake-ups behind, too.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

/// How often they are looked for if nothing is known of any.
const TICK: Duration = Duration::from_secs(1);
/// How far apart two looks are at least, unless somebody rings.
const GAP: Duration = Duration::from_millis(250);
/// Replicas do not all look at the same time, or each state would be woken by all of them: each
/// does so a little later than asked for, less than this.
const APART_MS: u8 = 32;

/// One for each engine.
pub(super) struct Alarm {
    next: Mutex<Next>,
    changed: Notify,
    apart: TimeDelta,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Next {
    at: Option<DateTime<Utc>>,
    is_now: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        let [random, ..] = *Uuid::new_v4().as_bytes();
        let apart = TimeDelta::milliseconds((random % APART_MS).into());
        Self { next: Mutex::default(), changed: Notify::new(), apart }
    }

    /// Something is due now.
    pub(super) fn ring(&self) {
        self.next().is_now = true;
        self.changed.notify_one();
    }

    /// Something is due then.
    pub(super) fn set(&self, at: DateTime<Utc>) {
        let mut next = self.next();
        let at = at.checked_add_signed(self.apart).unwrap_or(at);
        if next.at.is_none_or(|known| at < known) {
            next.at = Some(at);
            self.changed.notify_one();
        }
    }

    /// Ends when it is time to look again, after a look at `looked`. It is off then.
    pub(super) async fn rung(&self, looked: Instant) {
        loop {
            let until = self.next().until(looked);
            if timeout_at(until, self.changed.notified()).await.is_err() {
                break;
            }
        }
        *self.next() = Next::default();
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().expect("no holder panics")
    }
}

impl Next {
    fn until(self, looked: Instant) -> Instant {
        if self.is_now {
            return looked;
        }
        let left = self.at.map(|at| (at - Utc::now()).to_std().unwrap_or_default());
        let at = left.and_then(|left| Instant::now().checked_add(left));
        // A look shortly before would put off the one that matters.
        match at.filter(|at| *at < looked + TICK + GAP) {
            Some(at) => at.max(looked + GAP),
            None => looked + TICK,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeDelta, Utc};
    use tokio::time::Instant;

    use super::{APART_MS, Alarm, GAP, TICK};

    const APART: Duration = Duration::from_millis(APART_MS as u64);

    /// How long it takes until it rings, on a clock that stands still otherwise.
    async fn rings_after(alarm: &Alarm, looked: Instant) -> Duration {
        let begun = Instant::now();
        alarm.rung(looked).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_time_of_the_next_and_is_off_then() {
        let alarm = Alarm::new();
        let looked = Instant::now();
        alarm.set(Utc::now() + TimeDelta::milliseconds(900));
        alarm.set(Utc::now() + TimeDelta::milliseconds(600));
        alarm.set(Utc::now() + TimeDelta::days(3));
        let after = rings_after(&alarm, looked).await;
        let asked = GAP..Duration::from_millis(610) + APART;
        assert!(asked.contains(&after), "{after:?}");
        assert!(rings_after(&alarm, Instant::now()).await >= TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_looked_for_together_and_whoever_rings_does_not_wait() {
        let alarm = Alarm::new();
        alarm.set(Utc::now());
        assert!(rings_after(&alarm, Instant::now()).await >= GAP);
        alarm.set(Utc::now() + TimeDelta::milliseconds(100));
        alarm.ring();
        assert!(rings_after(&alarm, Instant::now()).await < GAP);
    }

    #[tokio::test(start_paused = true)]
    async fn no_look_puts_off_one_that_is_to_come_soon_after() {
        let alarm = Alarm::new();
        alarm.set(Utc::now() + TimeDelta::milliseconds(1_200));
        let after = rings_after(&alarm, Instant::now()).await;
        assert!(after > TICK + Duration::from_millis(50), "{after:?}");
        alarm.set(Utc::now() + TimeDelta::seconds(9));
        let after = rings_after(&alarm, Instant::now()).await;
        assert!(after < TICK + APART, "{after:?}");
    }
}
