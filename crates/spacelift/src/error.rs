//! What can go wrong, sorted by what the caller can do about it.

use std::time::Duration;

/// The cause of an [`Error`].
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why Spacelift did not do what it was asked. After every variant but [`Error::Uncertain`] nothing
/// has changed at Spacelift.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot be made from these options.
    #[error("the spacelift client is misconfigured: {reason}")]
    Misconfigured {
        /// What is wrong with them.
        reason: String,
    },
    /// The API key is not, or no longer, accepted. No message is at fault.
    #[error("spacelift does not accept our api key")]
    Unauthorized,
    /// Too many requests: Spacelift said so, or our own rate leaves no room for this one in time.
    #[error("too many requests to spacelift")]
    RateLimited {
        /// When to try again, if known.
        retry_after: Option<Duration>,
    },
    /// So many calls failed that none is made for a while. Nothing was sent.
    #[error("no calls are made to spacelift for a while, because too many failed")]
    Resting {
        /// When to try again.
        retry_after: Duration,
    },
    /// There is no such thing, or the API key may not see it.
    #[error("spacelift finds no such thing")]
    NotFound,
    /// Spacelift will not do it, and will not do it later either unless something changes.
    #[error("spacelift refused: {reason}")]
    Refused {
        /// Spacelift's own words.
        reason: String,
    },
    /// There was no connection over which to ask.
    #[error("spacelift cannot be reached")]
    Unreachable {
        /// What the network said.
        #[source]
        source: Source,
    },
    /// A mutation was sent and its answer is not known: it may have taken effect. Look before it is
    /// repeated.
    #[error("spacelift was asked, and what it did is not known")]
    Uncertain {
        /// How the answer was lost.
        #[source]
        source: Source,
    },
    /// Spacelift is in trouble or too slow; later it may work.
    #[error("spacelift is not available")]
    Unavailable {
        /// What it answered instead.
        #[source]
        source: Source,
    },
    /// The answer to a query cannot be read.
    #[error("spacelift's answer cannot be read")]
    Garbled {
        /// What is wrong with it.
        #[source]
        source: Source,
    },
}

impl Error {
    /// Whether the mutation may have taken effect.
    pub fn may_have_taken_effect(&self) -> bool {
        matches!(self, Self::Uncertain { .. })
    }

    /// Whether it says nothing about what was asked for: another question would fare no better.
    pub fn is_about_all(&self) -> bool {
        matches!(
            self,
            Self::Misconfigured { .. }
                | Self::Unauthorized
                | Self::RateLimited { .. }
                | Self::Resting { .. }
                | Self::Unreachable { .. }
        )
    }

    /// A word for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "misconfigured",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited { .. } => "rate_limited",
            Self::Resting { .. } => "resting",
            Self::NotFound => "not_found",
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::Uncertain { .. } => "uncertain",
            Self::Unavailable { .. } => "unavailable",
            Self::Garbled { .. } => "garbled",
        }
    }
}
