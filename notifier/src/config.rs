//! What may be configured; `config.default.toml` says it in sentences.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use github::AppKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{address, forge::Forge, webhook::Key};

#[cfg(test)]
mod tests;

/// A claim on a call lasts a minute and the call must be over long before.
const TIMEOUT_MAX: Duration = Duration::from_secs(20);

/// The notifier's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: service::health::Options,
    /// Calls to the outside.
    pub delivery: Delivery,
    /// Slack; told nothing without a token.
    pub slack: Slack,
    /// GitHub; told nothing without a token.
    pub github: Github,
    /// GitLab; told nothing without a token.
    pub gitlab: Host,
    /// Bitbucket Cloud; told nothing without a token.
    pub bitbucket: Host,
    /// Bitbucket Data Center; told nothing without a token.
    pub bitbucket_server: Host,
    /// Azure DevOps; told nothing without a token.
    pub azure_devops: Host,
    /// What hosts show at pull requests.
    pub pull_requests: PullRequests,
    /// Outgoing webhooks.
    pub webhooks: Vec<Webhook>,
}

/// How calls to the outside are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// For how long a single call may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// For how long Slack and GitHub are tried before a call is given up.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// The waits between the attempts to deliver one webhook.
    pub webhook_retries: Vec<Wait>,
    /// Whether webhooks may go to private and local addresses.
    pub allow_private: bool,
    /// How many calls may be under way at once.
    pub at_once: usize,
    /// How many calls to one endpoint may be under way at once.
    pub at_once_per_endpoint: usize,
    /// For how long delivery records and ended stories are kept.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

/// A duration in a list.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Wait(#[serde(with = "humantime_serde")] pub Duration);

/// What the hosts that are told show at pull requests, beside statuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequests {
    /// Whether one comment follows the previews of a pull request.
    pub overview: bool,
    /// The least time between two changes of it.
    #[serde(with = "humantime_serde")]
    pub update_pause: Duration,
}

/// How to tell Slack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// A bot token, `xoxb-…`; empty for no Slack.
    pub token: SecretString,
    /// The channel, by id or name.
    pub channel: String,
    /// Other channels for some stories: the first that fits.
    pub routes: Vec<Channel>,
    /// The Web API.
    pub api_base: String,
    /// The least time between two updates of one message.
    #[serde(with = "humantime_serde")]
    pub update_pause: Duration,
}

/// A channel of its own for stories about some repositories or stacks. What is not named fits all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The channel, by id or name.
    pub channel: String,
    /// Patterns of repositories.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Patterns of the labels of a stack.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Patterns of the spaces of a stack.
    #[serde(default)]
    pub spaces: Vec<String>,
    /// Patterns of the owners of a stack.
    #[serde(default)]
    pub owners: Vec<String>,
}

/// How to tell GitHub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// A token that may write commit statuses; empty for none.
    pub token: SecretString,
    /// An app of GitHub that asks in place of the token.
    pub app: AppKey,
    /// The REST API.
    pub api_base: String,
    /// The name under which the status is shown.
    pub context: String,
    /// The branches whose name is not shown with it.
    pub default_branches: Vec<String>,
}

/// How to tell another host of repositories.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// A token; empty for none.
    pub token: SecretString,
    /// The REST API.
    pub api_base: String,
    /// Patterns of the repositories it is the host of.
    pub repositories: Vec<String>,
    /// The name under which the status is shown.
    pub context: String,
    /// The branches whose name is not shown with it.
    pub default_branches: Vec<String>,
}

/// One endpoint of outgoing webhooks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What it is called in delivery records.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// `whsec_…`.
    pub secret: SecretString,
    /// The secret before this one, while it is being rotated.
    #[serde(default)]
    pub previous_secret: Option<SecretString>,
    /// Since when it is there again, after it answered 410 Gone.
    #[serde(default)]
    pub revived_at: Option<DateTime<Utc>>,
    /// Patterns of event types.
    #[serde(default = "every_event")]
    pub events: Vec<String>,
}

fn every_event() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Delivery {
    /// The waits between attempts, as durations.
    pub(crate) fn retries(&self) -> Vec<Duration> {
        self.webhook_retries.iter().map(|wait| wait.0).collect()
    }

    /// A story that is forgotten while a call of it is tried still would be told of no more.
    fn keep_fault(&self) -> Option<String> {
        let tried = self.give_up_after.max(self.retries().iter().sum());
        (self.keep <= tried).then(|| {
            let tried = humantime_serde::re::humantime::format_duration(tried);
            format!("delivery.keep must be longer than calls are tried, which is {tried}")
        })
    }
}

impl Webhook {
    /// The keys to sign with: the current one first.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, crate::webhook::KeyError> {
        let secrets = [Some(&self.secret), self.previous_secret.as_ref()];
        secrets.into_iter().flatten().map(|secret| Key::parse(secret.expose_secret())).collect()
    }
}

impl Config {
    /// How to tell Slack, if it is to be told.
    pub(crate) fn slack(&self) -> Option<&Slack> {
        Some(&self.slack).filter(|slack| !slack.token.expose_secret().is_empty())
    }

    /// How to tell GitHub, if it is to be told.
    pub(crate) fn github(&self) -> Option<&Github> {
        let asks = |github: &&Github| {
            !github.token.expose_secret().is_empty() || !github.app.id.is_empty()
        };
        Some(&self.github).filter(asks)
    }

    /// How to tell a host, if it is to be told.
    pub(crate) fn host(&self, forge: Forge) -> Option<&Host> {
        let host = match forge {
            Forge::Gitlab => &self.gitlab,
            Forge::Bitbucket => &self.bitbucket,
            Forge::BitbucketServer => &self.bitbucket_server,
            Forge::AzureDevops => &self.azure_devops,
        };
        Some(host).filter(|host| !host.token.expose_secret().is_empty())
    }

    /// Everything that is wrong with it, in sentences without secrets.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.delivery.timeout > TIMEOUT_MAX || self.delivery.timeout.is_zero() {
            faults.push(format!("delivery.timeout must be above zero and at most {TIMEOUT_MAX:?}"));
        }
        if self.delivery.at_once_per_endpoint == 0 || self.delivery.at_once == 0 {
            faults.push("delivery.at_once and at_once_per_endpoint must be at least 1".to_owned());
        }
        faults.extend(self.delivery.keep_fault());
        if let Some(slack) = self.slack() {
            faults.extend(base_fault("slack.api_base", &slack.api_base));
            faults.extend(empty_fault("slack.channel", &slack.channel));
            let channels = slack.routes.iter().map(|route| &route.channel);
            faults.extend(channels.flat_map(|it| empty_fault("slack.routes.channel", it)));
        }
        if let Some(github) = self.github() {
            faults.extend(base_fault("github.api_base", &github.api_base));
            faults.extend(empty_fault("github.context", &github.context));
        }
        faults.extend(self.host_faults());
        let mut names = BTreeSet::new();
        for webhook in &self.webhooks {
            faults.extend(self.webhook_faults(webhook));
            if !names.insert(&webhook.name) {
                faults.push(format!("two webhooks are called `{}`", webhook.name));
            }
        }
        faults
    }

    fn host_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut takes_all: Option<&str> = None;
        for forge in Forge::ALL {
            let (Some(host), channel) = (self.host(*forge), forge.channel()) else { continue };
            faults.extend(base_fault(&format!("{channel}.api_base"), &host.api_base));
            faults.extend(empty_fault(&format!("{channel}.context"), &host.context));
            if host.repositories.iter().any(|pattern| pattern == "*")
                && let Some(other) = takes_all.replace(channel)
            {
                faults.push(format!(
                    "{other}.repositories and {channel}.repositories both take every repository; \
                     name those of each"
                ));
            }
        }
        faults
    }

    fn webhook_faults(&self, webhook: &Webhook) -> Vec<String> {
        let name = &webhook.name;
        let mut faults = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            faults.push(format!(
                "webhooks.name `{name}` must be 1 to 64 letters, digits, dashes, dots, underscores"
            ));
        }
        match reqwest::Url::parse(&webhook.url) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                faults.push(format!("the url of webhook `{name}` must be http or https"));
            }
            Ok(url) => {
                let literal = url.host_str().and_then(address::literal);
                if !self.delivery.allow_private && literal.is_some_and(|ip| !address::is_public(ip))
                {
                    faults.push(format!(
                        "the url of webhook `{name}` is a private or local address; \
                         delivery.allow_private = true would permit it"
                    ));
                }
            }
            Err(error) => faults.push(format!("the url of webhook `{name}` is none: {error}")),
        }
        if let Err(error) = webhook.keys() {
            faults.push(format!("a secret of webhook `{name}` cannot be used: {error}"));
        }
        faults
    }
}

fn base_fault(key: &str, url: &str) -> Option<String> {
    let sound = reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    (!sound).then(|| format!("{key} `{url}` is not an http or https address"))
}

fn empty_fault(key: &str, value: &str) -> Option<String> {
    value.trim().is_empty().then(|| format!("{key} must not be empty"))
}
