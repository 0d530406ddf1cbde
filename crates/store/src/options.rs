//! How to reach the database.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// How to reach the database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// `postgres://user:password@host:5432/database`.
    pub url: SecretString,
    /// The most connections this service holds at once.
    pub connections_max: u32,
    /// For how long to try to connect at start.
    #[serde(with = "humantime_serde")]
    pub connect_patience: Duration,
}

impl Options {
    /// The defaults of `config.default.toml` for the database at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            connections_max: 8,
            connect_patience: Duration::from_secs(30),
        }
    }
}
