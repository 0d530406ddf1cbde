//! What can be set; every key is explained in `config.default.toml`.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use serde::Deserialize;
use service::{Parts, SecretString, health};

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
    /// What is kept for how long.
    pub retention: Retention,
}

/// What is kept for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// What was asked, said and decided, and the sets of policies that decided it.
    #[serde(with = "humantime_serde")]
    pub decisions: Duration,
}

/// A month, for that is how far back people are told what was said and stopped, and a hundred years:
/// beyond that, times cannot be reckoned with.
const RETENTION: RangeInclusive<TimeDelta> = TimeDelta::days(31)..=TimeDelta::days(36_525);

impl Retention {
    /// The same as a difference of times, if it is long enough.
    pub fn span(&self) -> anyhow::Result<TimeDelta> {
        let span = TimeDelta::from_std(self.decisions).context("retention.decisions")?;
        ensure!(
            RETENTION.contains(&span),
            "retention.decisions must be between 31 days and 100 years",
        );
        Ok(span)
    }
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
    /// A branch of a repository whose files are the policies, in place of the folder.
    pub git: Git,
    /// The same for policies on trial, in place of their folder.
    pub shadow_git: Git,
}

/// A branch of a repository whose files are the policies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// Where it is fetched from; empty if the policies are in a folder.
    pub url: String,
    /// What pushes call the repository, `owner/name`; empty for the end of the address.
    pub repository: String,
    /// The branch whose head counts.
    pub branch: String,
    /// The folder in it; empty for its root.
    pub path: String,
    /// How often it is fetched if no push asks for it earlier.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// Where the mirror is kept; `auto` for where there is a folder for such things.
    pub folder: String,
    /// Who asks, over https.
    pub username: String,
    /// The token that goes with it; empty for none.
    pub token: SecretString,
    /// An app of GitHub that asks in place of the token.
    pub app: git::AppOptions,
    /// What is called instead of `ssh`, with its arguments; empty for `ssh`.
    pub ssh_command: String,
}

impl Config {
    /// What the frame needs of it.
    pub fn parts(&self) -> Parts<'_> {
        Parts { bus: &self.bus, store: &self.store, health: &self.health }
    }
}
