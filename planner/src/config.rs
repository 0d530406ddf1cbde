//! What the planner is told. `config.default.toml` explains every key.

use std::{collections::BTreeMap, time::Duration};

use contracts::Text;
use secrecy::SecretString;
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
    /// Mirrors of repositories.
    pub git: Git,
    /// Validation of the code that pull requests touch.
    pub validation: Validation,
}

/// Validation of the code that pull requests touch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Whether it is validated.
    pub enabled: bool,
    /// The folder of security rules; empty for none.
    pub rules: String,
    /// How long a scanner may take.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// Programs that scan it as well.
    pub scanners: Vec<Scanner>,
    /// Reports of scanners that run elsewhere.
    pub reports: Vec<Report>,
}

/// What a scanner found that ran elsewhere, handed in at ingest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What it is called.
    pub name: String,
    /// Who may hand it in: `standard/<name>` or `custom/<name>`, as in the path at ingest.
    pub sender: String,
    /// The repositories it is about; all, if none is named.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// For how long a pull request waits for it.
    #[serde(default, with = "humantime_serde")]
    pub wait: Duration,
}

/// A program that reads a folder of code and writes SARIF to its standard output.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// What it is called in findings.
    pub name: String,
    /// The program and its arguments; `{folder}` stands for the folder.
    pub command: Vec<String>,
    /// Its environment, which is empty otherwise.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// Mirrors of repositories.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// Where they are kept; empty for none, `auto` for where there is a folder for such things.
    pub folder: String,
    /// Where they are fetched from; `{repository}` stands for `owner/name`. Empty for the host that
    /// Spacelift names.
    pub url: String,
    /// Who asks, over https.
    pub username: String,
    /// The token that goes with it; empty for none.
    pub token: SecretString,
    /// An app of GitHub that asks in place of the token.
    pub app: git::AppOptions,
    /// What is called instead of `ssh`, with its arguments; empty for `ssh`.
    pub ssh_command: String,
    /// For how long a change waits for its repository before the sender's word must do.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

#[cfg(test)]
impl Git {
    /// No mirrors, and nobody who asks.
    pub(crate) fn nowhere() -> Self {
        Self {
            folder: String::new(),
            url: String::new(),
            username: String::new(),
            token: SecretString::default(),
            app: git::AppOptions::default(),
            ssh_command: String::new(),
            patience: Duration::ZERO,
        }
    }
}

/// How the account is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// How often, if nothing asks for it earlier.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// How often as a whole, as long as the audit trail tells what changes.
    #[serde(with = "humantime_serde")]
    pub whole: Duration,
    /// The least time between the end of a reading and the next.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// Only stacks with this label are known; empty for all.
    pub label: String,
}

impl Catalogue {
    /// Whether a stack with these labels is one of those that are driven.
    pub(crate) fn admits(&self, labels: &[Text]) -> bool {
        self.label.is_empty() || labels.iter().any(|label| label.as_str() == self.label)
    }
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
