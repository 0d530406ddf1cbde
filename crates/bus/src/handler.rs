//! What a service gives to the loop.

use std::{sync::Arc, time::Duration};

use contracts::{Code, Envelope};
use tracing::Span;

use crate::{Bus, Letter, LetterPlace, Receipt, Sent};

/// A message as it came from the broker.
#[derive(Debug)]
pub struct Incoming {
    /// The message; its body is not read yet.
    pub envelope: Envelope,
    /// The span of its handling, a child of the span that sent it.
    pub span: Span,
    /// It was given up, and a person gave it back.
    pub is_requeued: bool,
}

/// The answers to one message, as they were remembered.
pub type Answers = Arc<Vec<Envelope>>;

/// A service's answer to what one consumer takes.
///
/// A handler may be called more than once with the same message and must then give the same
/// answers. It never acknowledges, never publishes and never sleeps: it returns. It is given
/// whatever waits (one message when idle, up to [`crate::Options::batch_max`] under load) and
/// gives one result for each, in the same order.
pub trait Handler: Send + Sync + 'static {
    /// The durable's name. The server keeps our place under it: renaming it replays the stream.
    fn consumer(&self) -> &'static str;

    /// The event types the durable is filtered to.
    fn takes(&self) -> &'static [&'static str];

    /// Decides a batch.
    fn handle(
        &self,
        batch: Vec<Incoming>,
    ) -> impl Future<Output = Vec<Result<Answers, Failure>>> + Send;

    /// Decides a batch and hands the answers to the connection, in the order of decision.
    ///
    /// For the one handler that decides about other things beside this loop, too, and must send
    /// all its answers in one order.
    fn answer(
        &self,
        bus: &Bus,
        batch: Vec<Incoming>,
    ) -> impl Future<Output = Vec<Result<Option<Sent>, Failure>>> + Send {
        async move {
            let mut handed = Vec::with_capacity(batch.len());
            for result in self.handle(batch).await {
                handed.push(match result {
                    Ok(answers) if answers.is_empty() => Ok(None),
                    Ok(answers) => Ok(Some(bus.send(&answers).await)),
                    Err(failure) => Err(failure),
                });
            }
            handed
        }
    }

    /// Keeps a message that is given up, before it goes to the dead letters: a broker may lose them.
    fn bury(&self, letter: &Letter) -> impl Future<Output = anyhow::Result<()>> + Send {
        let _ = letter;
        async { Ok(()) }
    }

    /// Told where a letter now stands in its stream.
    fn buried(&self, letter: &Letter, place: LetterPlace) -> impl Future<Output = ()> + Send {
        let _ = (letter, place);
        async {}
    }

    /// Told where the answers now stand in their stream.
    fn published(&self, receipts: Vec<Receipt>) -> impl Future<Output = ()> + Send;
}

/// Why a message got no answer. What becomes of it follows from the variant alone.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may work later: the message comes back.
    #[error("not now")]
    Retry {
        /// When to try again, if the one who failed knows better than the table of back-offs.
        after: Option<Duration>,
        /// Why.
        source: anyhow::Error,
    },
    /// Nothing is wrong with the message: something that everybody needs is away. The message is
    /// kept until it is back, and never given up.
    #[error("not while something is away")]
    Wait {
        /// What is away.
        source: anyhow::Error,
    },
    /// Nothing is wrong with the message, but there is no room for it yet. It comes back after this
    /// time, as often as need be, and others are handled meanwhile.
    #[error("not before there is room")]
    Full {
        /// When to try again.
        after: Duration,
        /// What is full.
        source: anyhow::Error,
    },
    /// Nothing is wrong with the message, but only a newer build can read it, or what it is about. It
    /// comes back as often as need be, after longer each time, and others are handled meanwhile.
    #[error("not before an upgrade")]
    Newer {
        /// What this build cannot read.
        source: anyhow::Error,
    },
    /// It will never work: the message goes to the dead letters.
    #[error("never")]
    Reject {
        /// The reason code of the dead letter.
        code: &'static str,
        /// Why.
        source: anyhow::Error,
    },
}

impl Failure {
    /// It may work later, at the pace of the table of back-offs.
    pub fn retry(source: impl Into<anyhow::Error>) -> Self {
        Self::Retry { after: None, source: source.into() }
    }

    /// Something that everybody needs is away.
    pub fn wait(source: impl Into<anyhow::Error>) -> Self {
        Self::Wait { source: source.into() }
    }

    /// It will never work, for a reason people know by its code.
    pub fn reject(code: Code, source: impl Into<anyhow::Error>) -> Self {
        Self::Reject { code: code.as_str(), source: source.into() }
    }
}
