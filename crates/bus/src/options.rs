//! How to reach the broker.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// How to reach the broker and how to read from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where nats-server listens: `nats://host:4222`, several separated by commas; with a user as
    /// `nats://user:password@host:4222`.
    pub url: String,
    /// In front of every subject (`<prefix>.`) and stream (`<prefix>_`), so that installations
    /// can share a server. Empty for none.
    pub prefix: String,
    /// A NATS credentials file, if the server wants one.
    pub credentials: Option<PathBuf>,
    /// For how long the server waits for a sign of life before it delivers a message again.
    #[serde(with = "humantime_serde")]
    pub ack_wait: Duration,
    /// The most messages taken in one batch, and so in one transaction.
    pub batch_max: usize,
    /// For how long to try to connect at start.
    #[serde(with = "humantime_serde")]
    pub connect_patience: Duration,
    /// On how many servers of a cluster each stream is kept.
    pub replicas: usize,
    /// Whether a command counts only if somebody vouches for the name in it.
    pub vouched_names_only: bool,
}

impl Options {
    /// The defaults of `config.default.toml` for a server at `url`, under `prefix`.
    pub fn at(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            credentials: None,
            ack_wait: Duration::from_secs(5),
            batch_max: 256,
            connect_patience: Duration::from_secs(30),
            replicas: 1,
            vouched_names_only: false,
        }
    }
}
