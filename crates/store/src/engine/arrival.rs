//! Inputs on their way to a decision.

use bus::{Answers, Failure, Sent};
use contracts::{Code, Envelope, UpgradeError};
use tokio::sync::oneshot;
use tracing::Span;
use uuid::Uuid;

use crate::wakeups::Due;

/// An input with what is needed to settle it.
pub(super) struct Arrival<I> {
    pub(super) envelope: Envelope<I>,
    pub(super) span: Span,
    pub(super) origin: Origin,
}

/// What becomes of a message that cannot be read. While services are upgraded, a replica of the
/// newer build takes what that build wrote, however long that takes: it costs no attempt.
pub(super) fn unread(error: UpgradeError) -> Failure {
    match error.is_of_newer_build() {
        true => Failure::Newer { source: error.into() },
        false => Failure::reject(Code::Unreadable, error),
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The bus, or this process.
    Message,
    /// A wake-up that is due.
    Wake(Due),
    /// The result of an effect, valid under a fence.
    Effect(Uuid, i64),
}

/// What became of an input.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) answers: Answers,
    /// They were answered before, and stand in their stream.
    pub(super) is_published: bool,
}

impl Decided {
    /// Nothing is answered, now or when it comes again.
    pub(super) fn nothing() -> Self {
        Self { answers: Answers::default(), is_published: true }
    }
}

/// What was decided and handed to the connection.
pub(super) struct Handed {
    pub(super) answers: Answers,
    /// For whoever waits until the answers are stored.
    pub(super) sent: Option<Sent>,
}

/// Inputs of one source, decided in one batch or as part of a larger one.
pub(super) struct Job<I> {
    pub(super) arrivals: Vec<Arrival<I>>,
    /// Whether the source waits until the answers are stored; otherwise the engine does.
    pub(super) is_awaited: bool,
    pub(super) reply: oneshot::Sender<Vec<Result<Handed, Failure>>>,
}
