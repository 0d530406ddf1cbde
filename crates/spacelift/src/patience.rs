//! Waiting: the time one call has, and the pauses between repeated queries.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, error::Source};

/// A query is sent this often before its caller is told.
const ATTEMPTS: u32 = 4;

/// The pause after the first attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The time one call has, from waiting for the rate to reading the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    ends_at: Instant,
    whole: Duration,
}

impl Patience {
    pub(crate) fn new(whole: Duration) -> Self {
        Self { ends_at: Instant::now() + whole, whole }
    }

    /// A connection that takes longer is given up. It is less than any request has, so that a
    /// connection which does not come about is always known for what it is: nothing was sent.
    pub(crate) fn for_connecting(whole: Duration) -> Duration {
        whole / 5
    }

    /// What may be spent on waiting for our turn.
    pub(crate) fn for_waiting(&self) -> Duration {
        self.left() / 2
    }

    /// What a request sent now has. A request that could not be answered in what is left is not
    /// sent at all: it would only make a mutation uncertain.
    pub(crate) fn for_sending(&self) -> Result<Duration, Error> {
        let left = self.left();
        if left < self.whole / 4 { Err(too_slow(self.whole)) } else { Ok(left) }
    }

    /// Waits for `work`, of which nothing is sent on behalf of the call itself.
    pub(crate) async fn bound<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout_at(self.ends_at, work)
            .await
            .unwrap_or_else(|_| Err(too_slow(self.whole)))
    }

    fn left(&self) -> Duration {
        self.ends_at.saturating_duration_since(Instant::now())
    }
}

fn too_slow(whole: Duration) -> Error {
    Error::Unavailable { source: Source::from(format!("not answered within {whole:?}")) }
}

/// How long to wait before a query that ended in `error` is sent again, if it should be. `chance`
/// is between 0 and 1.
pub(crate) fn pause_before_repeating(
    error: &Error,
    attempt: u32,
    timeout: Duration,
    chance: f64,
) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    match error {
        Error::Unreachable { .. } | Error::Unavailable { .. } => {
            let pause = FIRST_PAUSE * 2u32.saturating_pow(attempt.saturating_sub(1));
            Some(pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
        }
        // The rate knows how long to be quiet, and holds the next attempt back.
        Error::RateLimited { retry_after }
            if retry_after.is_none_or(|after| after <= timeout / 2) =>
        {
            Some(Duration::ZERO)
        }
        _ => None,
    }
}

/// The one place of this crate that waits for time to pass.
#[expect(
    clippy::disallowed_methods,
    reason = "back-off and rate are about time itself: there is no condition to wait for"
)]
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
