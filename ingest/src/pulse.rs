//! How late this process is.
//!
//! Under a flood requests wait in line for the threads that serve them, before they come to the queue
//! whose length is known. A beat that should come every [`BEAT`] tells how long that line is. One that
//! is late says nothing, because a machine stands still now and then; if all of them are late for
//! [`PERSISTS`], a growing share of requests is refused, at once and cheaply, until they are on time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How often it should beat.
pub(crate) const BEAT: Duration = Duration::from_millis(50);
/// How late a beat may be. Where other processes take all cores for a while, beats are late by half of
/// that, and nobody outside notices.
const LATE: Duration = Duration::from_millis(100);
/// For how long beats must be late before anything is refused.
const PERSISTS: Duration = Duration::from_millis(500);
/// How much more is refused for each beat that is late, in per mille of all requests.
const UP: u32 = 100;
/// How much less for each that is on time: slowly, so that it does not swing.
const DOWN: u32 = 25;
/// Some are always taken, or nobody would see that it is over.
const SHARE_MAX: u32 = 950;
const ALL: u32 = 1_000;

/// Beats, and tells who is refused.
#[derive(Debug)]
pub(crate) struct Pulse {
    heart: Mutex<Heart>,
    /// Of so many in [`ALL`] requests.
    share: AtomicU32,
    turn: AtomicU32,
}

#[derive(Debug)]
struct Heart {
    last: Instant,
    late_since: Option<Instant>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        let heart = Heart { last: Instant::now(), late_since: None };
        Self { heart: Mutex::new(heart), share: AtomicU32::new(0), turn: AtomicU32::new(0) }
    }

    /// It is time for a beat, or was.
    pub(crate) fn beat(&self) {
        let now = Instant::now();
        let mut heart = self.heart.lock().expect("no holder panics");
        let share = self.share.load(Ordering::Relaxed);
        let share = heart.beat(now, share);
        self.share.store(share, Ordering::Relaxed);
    }

    /// Whether the request that comes now is one of those to be refused.
    pub(crate) fn refuses(&self) -> bool {
        let share = self.share.load(Ordering::Relaxed);
        share > 0 && self.turn.fetch_add(share, Ordering::Relaxed) % ALL + share >= ALL
    }
}

impl Heart {
    /// Gives the share that is refused from now on.
    fn beat(&mut self, now: Instant, share: u32) -> u32 {
        let late = (now - self.last).saturating_sub(BEAT);
        self.last = now;
        if late <= LATE {
            self.late_since = None;
            return share.saturating_sub(DOWN);
        }
        let since = *self.late_since.get_or_insert(now - late);
        match share > 0 || now - since >= PERSISTS {
            true => (share + UP).min(SHARE_MAX),
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::{BEAT, LATE, Pulse};

    const LAG: Duration = Duration::from_millis(250);

    async fn beats(pulse: &Pulse, count: usize, late: Duration) {
        for _ in 0..count {
            advance(BEAT + late).await;
            pulse.beat();
        }
    }

    fn refused(pulse: &Pulse) -> usize {
        (0..1_000).filter(|_| pulse.refuses()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_stands_still_for_a_moment_refuses_nobody() {
        let pulse = Pulse::new();
        beats(&pulse, 3, LATE).await;
        beats(&pulse, 1, Duration::from_millis(450)).await;
        assert_eq!(refused(&pulse), 0);
        beats(&pulse, 1, Duration::ZERO).await;
        beats(&pulse, 1, Duration::from_millis(450)).await;
        assert_eq!(refused(&pulse), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_stays_late_refuses_more_and_more_but_never_all() {
        let pulse = Pulse::new();
        beats(&pulse, 2, LAG).await;
        assert_eq!(refused(&pulse), 100);
        beats(&pulse, 3, LAG).await;
        assert_eq!(refused(&pulse), 400);
        beats(&pulse, 50, LAG).await;
        assert_eq!(refused(&pulse), 950);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_beats_are_on_time_again() {
        let pulse = Pulse::new();
        beats(&pulse, 4, LAG).await;
        assert_eq!(refused(&pulse), 300);
        beats(&pulse, 6, Duration::ZERO).await;
        assert_eq!(refused(&pulse), 150);
        beats(&pulse, 6, LATE).await;
        assert_eq!(refused(&pulse), 0);
    }
}
