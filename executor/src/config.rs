//! The executor's configuration; every key is explained in `config.default.toml`.

use std::time::Duration;

use serde::Deserialize;

/// The executor's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: service::health::Options,
    /// The Spacelift account.
    pub spacelift: spacelift::Options,
    /// How runs are triggered and followed.
    pub runs: Runs,
}

/// How runs are triggered and followed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// The most calls to Spacelift at once.
    pub calls_at_once: usize,
    /// How often to look for runs nothing was heard of.
    #[serde(with = "humantime_serde")]
    pub poll_every: Duration,
    /// For how long nothing may be heard of a run before Spacelift is asked.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// How long after a call its effect must be visible in Spacelift's lists.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
}
