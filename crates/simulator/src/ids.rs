//! Ids that sort by time, and chances, from one seed.

use rand::{Rng, SeedableRng, rngs::StdRng};
use ulid::Ulid;

/// Draws ULIDs that always rise, even within one millisecond.
#[derive(Debug)]
pub(crate) struct Ids {
    random: StdRng,
    last: Ulid,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), last: Ulid(0) }
    }

    pub(crate) fn next(&mut self, now_ms: i64) -> Ulid {
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        let drawn = Ulid::from_parts(now_ms, self.random.random::<u128>());
        self.last = if drawn > self.last { drawn } else { Ulid(self.last.0 + 1) };
        self.last
    }

    /// True once in `1 / probability` times.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability >= 1.0 || self.random.random::<f64>() < probability
    }

    /// A secret of 32 bytes in hexadecimal.
    pub(crate) fn secret(&mut self) -> String {
        hex::encode(self.random.random::<[u8; 32]>())
    }
}
