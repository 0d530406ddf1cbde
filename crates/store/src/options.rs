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
    /// For how long a process may be at one call to the outside before another takes it over. A
    /// call is given three quarters of it.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

impl Options {
    /// The defaults of `config.default.toml` for the database at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            connections_max: 8,
            connect_patience: Duration::from_secs(30),
            lease: Duration::from_secs(30),
        }
    }
}
