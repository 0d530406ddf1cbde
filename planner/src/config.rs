//! What the planner is told. `config.default.toml` explains every key.

use std::time::Duration;

use serde::Deserialize;

/// The planner's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: service::health::Options,
    /// The account.
    pub spacelift: spacelift::Options,
    /// How the account is read.
    pub catalogue: Catalogue,
    /// Pull requests.
    pub previews: Previews,
}

/// How the account is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// How often, if nothing asks for it earlier.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// The least time between the end of a reading and the next.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
}

/// Pull requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previews {
    /// Whether those from forks get previews.
    pub from_forks: bool,
}

#[cfg(test)]
mod tests;
