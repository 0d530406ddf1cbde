//! What becomes of a message: the one decision of the loop, kept pure.

use std::time::Duration;

use crate::{Answers, Failure};

/// `BACKOFF[n]` is the wait before attempt `n + 2`; when they are used up, the message is dead.
///
/// The consumer on the server has no `backoff` of its own: the server would add it to ours.
pub const BACKOFF: [Duration; 8] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
];

/// Deliveries the server may make: ours, and one more in case the dead letter cannot be written.
pub(crate) const DELIVERIES_MAX: i64 = BACKOFF.len() as i64 + 2;

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Publish the answers, then acknowledge.
    Publish(Answers),
    /// Ask for it again.
    Redeliver { after: Duration, reason: anyhow::Error },
    /// Copy it to the dead letters, then terminate it.
    DeadLetter { code: &'static str, reason: anyhow::Error },
}

/// `attempt` counts from one.
pub(crate) fn verdict(answer: Result<Answers, Failure>, attempt: usize) -> Verdict {
    match answer {
        Ok(answers) => Verdict::Publish(answers),
        Err(Failure::Reject { code, source }) => Verdict::DeadLetter { code, reason: source },
        Err(Failure::Retry { after, source }) => match BACKOFF.get(attempt.saturating_sub(1)) {
            Some(&default) => {
                Verdict::Redeliver { after: after.unwrap_or(default), reason: source }
            }
            None => Verdict::DeadLetter { code: "attempts_exhausted", reason: source },
        },
    }
}

#[cfg(test)]
mod tests;
