//! What becomes of a message: the one decision of the loop, kept pure.

use std::{collections::HashMap, time::Duration};

use uuid::Uuid;

use crate::Failure;

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

/// The longest that a message waits for a newer build before it is delivered again.
const UNTIL_UPGRADED_MAX: Duration = Duration::from_secs(60);

/// How often the server may deliver a message: without end.
///
/// Whether a message is dead is decided here, by what became of it, and never by the server: it
/// would count the deliveries to processes that were killed before they could look at it, too, and
/// then stop delivering without a word.
pub(crate) const DELIVERIES_MAX: i64 = -1;

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Verdict<A> {
    /// Wait until the answers are stored, then acknowledge.
    Answered(A),
    /// Keep it, and try again in a moment.
    Keep { reason: anyhow::Error },
    /// Ask for it again.
    Redeliver { after: Duration, reason: anyhow::Error },
    /// Copy it to the dead letters, then terminate it.
    DeadLetter { code: &'static str, reason: anyhow::Error },
}

/// Of so many messages it is known how often they failed; beyond, all begin anew.
const FAILING_MAX: usize = 10_000;

/// How often messages failed in this process.
///
/// The server's count of deliveries is no measure: it counts those that found no room or a newer
/// message than the process understands, and those to processes that were killed.
#[derive(Debug, Default)]
pub(crate) struct Failures(HashMap<Uuid, usize>);

impl Failures {
    /// Which attempt at a message this answer is the outcome of, counted from one.
    pub(crate) fn attempt<A>(&mut self, message: Uuid, answer: &Result<A, Failure>) -> usize {
        match answer {
            Err(Failure::Retry { .. }) => {
                if self.0.len() >= FAILING_MAX {
                    self.0.clear();
                }
                let failed = self.0.entry(message).or_default();
                *failed += 1;
                *failed
            }
            Err(Failure::Full { .. } | Failure::Newer { .. } | Failure::Wait { .. }) => 1,
            Ok(_) | Err(Failure::Reject { .. }) => self.0.remove(&message).unwrap_or_default() + 1,
        }
    }
}

/// How long a message that only a newer build can read waits before it is delivered again: a second at
/// first, because in an upgrade it soon meets that build, and longer each time, because if the
/// upgrade was abandoned, more and more of them wait.
fn until_upgraded(deliveries: usize) -> Duration {
    let doublings = deliveries.saturating_sub(1).min(6);
    Duration::from_secs(1 << doublings).min(UNTIL_UPGRADED_MAX)
}

/// Both count from one: the attempts at a message, and how often the server delivered it.
pub(crate) fn verdict<A>(
    answer: Result<A, Failure>,
    attempt: usize,
    deliveries: usize,
) -> Verdict<A> {
    match answer {
        Ok(answers) => Verdict::Answered(answers),
        // Not the message's fault, so it costs it no attempt.
        Err(Failure::Wait { source }) => Verdict::Keep { reason: source },
        // It is given back, so that what comes behind it is not held up.
        Err(Failure::Full { after, source }) => Verdict::Redeliver { after, reason: source },
        Err(Failure::Newer { source }) => {
            Verdict::Redeliver { after: until_upgraded(deliveries), reason: source }
        }
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
