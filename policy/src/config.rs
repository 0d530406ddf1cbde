//! What can be set; every key is explained in `config.default.toml`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use service::{Parts, health};

/// All settings of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: health::Options,
    /// Where the policies are.
    pub policies: Policies,
}

/// Where the policies are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// The folder whose `*.hcl` files are the policies.
    pub folder: PathBuf,
    /// A folder of policies on trial; empty if there is none.
    pub shadow: PathBuf,
    /// How often they are looked at.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
}

impl Config {
    /// What the frame needs of it.
    pub fn parts(&self) -> Parts<'_> {
        Parts { bus: &self.bus, store: &self.store, health: &self.health }
    }
}
