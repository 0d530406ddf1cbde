//! Random moments, told by Spacelift's journal and not by the clock: on a slow machine they come
//! later, and hit the same work.

use std::{ops::RangeInclusive, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use simulator::Control;

/// The seed of all random moments of a build, to see a failure again.
const GIVEN_SEED: Option<&str> = option_env!("STACKLY_CHAOS_SEED");
/// How long a system may do nothing before that, too, is a moment: it may wait for us.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Random moments and random choices from one printed seed.
pub struct Moments {
    rng: StdRng,
    spacelift: Control,
    seen: u64,
    count: usize,
}

impl Moments {
    /// Moments of the runs of this account.
    #[expect(clippy::print_stdout, reason = "a failed test shows the seed it failed with")]
    pub fn of(spacelift: &Control) -> Self {
        let seed = GIVEN_SEED.and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
        println!("to see the same moments again, build with STACKLY_CHAOS_SEED={seed}");
        Self::seeded(spacelift, seed)
    }

    /// Moments from a seed that the caller knows, and tells.
    pub fn seeded(spacelift: &Control, seed: u64) -> Self {
        let seen = spacelift.journal(0).last().map_or(0, |entry| entry.number);
        Self { rng: StdRng::seed_from_u64(seed), spacelift: spacelift.clone(), seen, count: 0 }
    }

    /// Waits until the journal has grown by a random number of lines.
    pub async fn next(&mut self, lines: RangeInclusive<u64>) {
        let wanted = self.seen + self.rng.random_range(lines);
        let grown = |entry: &simulator::JournalEntry| entry.number >= wanted;
        // That nothing happens for long is a moment as well.
        let _ = self.spacelift.wait_for_entry(self.seen, IDLE_MAX, grown).await;
        self.seen = self.spacelift.journal(self.seen).last().map_or(self.seen, |it| it.number);
        self.count += 1;
    }

    /// One of these.
    pub fn choose<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.rng).expect("there is something to choose from")
    }

    /// A number.
    pub fn number(&mut self, of: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(of)
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.count
    }
}
