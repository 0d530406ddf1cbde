//! What can be set; every key is explained in `config.default.toml`.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context;
use chrono::TimeDelta;
use github::AppKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

mod senders;

pub use senders::{Custom, Forge, Gitlab, Slack, Spacelift, Standard};

/// The configuration of ingest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: service::health::Options,
    /// The door itself.
    pub http: Http,
    /// How often may be knocked.
    pub rate: Rate,
    /// For how long what was delivered is kept.
    pub retention: Retention,
    /// What is looked for that never arrived.
    pub reconcile: Reconcile,
    /// GitHub, github.com and Enterprise.
    pub github: Forge,
    /// GitLab.
    pub gitlab: Gitlab,
    /// Bitbucket Cloud.
    pub bitbucket: Forge,
    /// Bitbucket Data Center.
    pub bitbucket_server: Forge,
    /// Azure DevOps.
    pub azure_devops: Forge,
    /// Spacelift.
    pub spacelift: Spacelift,
    /// Slack.
    pub slack: Slack,
    /// Senders that follow Standard Webhooks, by name.
    pub standard: BTreeMap<String, Standard>,
    /// Senders that sign in a way of their own, by name.
    pub custom: BTreeMap<String, Custom>,
    /// What policies call people whom a source knows by an id.
    pub people: BTreeMap<String, String>,
    /// Who may approve over HTTP, by an ID token.
    pub oidc: Oidc,
}

/// An issuer of ID tokens, by which people are known who approve over HTTP.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The issuer, as its tokens name it; empty for none.
    pub issuer: String,
    /// For whom its tokens must be made.
    pub audience: String,
    /// Where its keys are; empty for where it says itself.
    pub jwks_url: String,
    /// For how long keys are kept before they are fetched anew.
    #[serde(with = "humantime_serde")]
    pub keep_keys: Duration,
    /// How far its clock may be from ours.
    #[serde(with = "humantime_serde")]
    pub skew: Duration,
    /// The claim by which people are known.
    pub person_claim: String,
    /// Whether a person known by their address must have proved that it is theirs.
    pub verified_mail: bool,
    /// The claim that names their groups.
    pub groups_claim: String,
}

impl Config {
    /// Everybody who may send.
    pub(crate) fn senders(&self) -> Senders {
        Senders {
            github: self.github.clone(),
            gitlab: self.gitlab.clone(),
            bitbucket: self.bitbucket.clone(),
            bitbucket_server: self.bitbucket_server.clone(),
            azure_devops: self.azure_devops.clone(),
            spacelift: self.spacelift.clone(),
            slack: self.slack.clone(),
            standard: self.standard.clone(),
            custom: self.custom.clone(),
            people: self.people.clone(),
        }
    }
}

/// Everybody who may send, apart from where everything is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Senders {
    /// GitHub, github.com and Enterprise.
    pub(crate) github: Forge,
    /// GitLab.
    pub(crate) gitlab: Gitlab,
    /// Bitbucket Cloud.
    pub(crate) bitbucket: Forge,
    /// Bitbucket Data Center.
    pub(crate) bitbucket_server: Forge,
    /// Azure DevOps.
    pub(crate) azure_devops: Forge,
    /// Spacelift.
    pub(crate) spacelift: Spacelift,
    /// Slack.
    pub(crate) slack: Slack,
    /// Senders that follow Standard Webhooks, by name.
    pub(crate) standard: BTreeMap<String, Standard>,
    /// Senders that sign in a way of their own, by name.
    pub(crate) custom: BTreeMap<String, Custom>,
    /// What policies call people whom a source knows by an id: `slack:U024BE7LH` or
    /// `bitbucket:{account id}`.
    pub(crate) people: BTreeMap<String, String>,
}

/// The door itself: addresses, patience, limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The most connections held at once.
    pub connections_max: usize,
    /// The most connections one address may hold at once.
    pub connections_per_address_max: usize,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// For how long a sender may take to send the head of a request.
    #[serde(with = "humantime_serde")]
    pub head_patience: Duration,
    /// For how long a sender may take to send a body.
    #[serde(with = "humantime_serde")]
    pub body_patience: Duration,
    /// How fast a body must come, once it has had a second.
    pub body_bytes_per_second_min: u64,
    /// The bytes of all bodies that are being received or wait for their commit.
    pub in_flight_bytes_max: usize,
    /// How many deliveries may wait for their commit.
    pub queue_max: usize,
    /// For how long a delivery may have to wait for its turn, as fast as it goes of late.
    #[serde(with = "humantime_serde")]
    pub queue_wait_max: Duration,
    /// For how long to try to commit before the sender is asked to come back.
    #[serde(with = "humantime_serde")]
    pub commit_patience: Duration,
}

/// Rate limits; 0 for none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests of one source each second, of all addresses together.
    pub source_per_second: u32,
    /// Requests of one address each second.
    pub address_per_second: u32,
    /// Signed deliveries of one account of a source each second: of a repository's owner, or of an
    /// account of Spacelift.
    pub account_per_second: u32,
    /// How many requests of one address may fail to prove themselves each minute where a secret
    /// could be guessed, before the address is not listened to there for the next.
    pub unproven_per_minute: u32,
}

/// For how long what was delivered is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Bodies and headers.
    #[serde(with = "humantime_serde")]
    pub bodies: Duration,
    /// What became of a delivery, by which duplicates are recognised; 0 keeps it for ever.
    #[serde(with = "humantime_serde")]
    pub deliveries: Duration,
}

/// For so long and less the services remember what they answered (`crates/store/src/relay.rs`): a fact
/// that is forgotten here and remembered there would be accepted, and nothing would follow.
const KNOWN_MIN: TimeDelta = TimeDelta::days(120);

impl Retention {
    /// For how long bodies are kept, and for how long deliveries; nothing for ever.
    pub(crate) fn read(&self) -> anyhow::Result<(TimeDelta, Option<TimeDelta>)> {
        let bodies = TimeDelta::from_std(self.bodies).context("retention.bodies")?;
        let deliveries = TimeDelta::from_std(self.deliveries).context("retention.deliveries")?;
        let deliveries = Some(deliveries).filter(|deliveries| !deliveries.is_zero());
        anyhow::ensure!(
            deliveries.is_none_or(|deliveries| deliveries >= KNOWN_MIN),
            "retention.deliveries is shorter than the {} days for which answers may be remembered; give \
             it more, or \"0s\" for ever",
            KNOWN_MIN.num_days()
        );
        Ok((bodies, deliveries))
    }
}

/// What is looked for that never arrived.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// A token that may read the webhooks; empty for none.
    pub github_token: SecretString,
    /// An app of GitHub that asks in place of the token.
    pub github_app: AppKey,
    /// Where GitHub's API is.
    pub github_api_base: String,
    /// The webhooks that are looked at.
    pub github_hooks: Vec<String>,
    /// The branches whose heads are looked at.
    pub github_branches: Vec<String>,
    /// How much of GitHub's quota is left to others.
    pub quota_reserve: u64,
    /// A token that may read the webhooks at GitLab; empty for none.
    pub gitlab_token: SecretString,
    /// Where GitLab's API is.
    pub gitlab_api_base: String,
    /// The webhooks at GitLab that are looked at.
    pub gitlab_hooks: Vec<String>,
    /// The branches at GitLab whose heads are looked at.
    pub gitlab_branches: Vec<String>,
    /// How much of GitLab's quota is left to others.
    pub gitlab_quota_reserve: u64,
    /// A token that may read webhooks at Bitbucket; empty for none.
    pub bitbucket_token: SecretString,
    /// Where Bitbucket's API is.
    pub bitbucket_api_base: String,
    /// The webhooks at Bitbucket that the doctor looks at.
    pub bitbucket_hooks: Vec<String>,
    /// The branches at Bitbucket whose heads are looked at.
    pub bitbucket_branches: Vec<String>,
    /// A token that may read repositories at Bitbucket Data Center; empty for none.
    pub bitbucket_server_token: SecretString,
    /// Where Bitbucket Data Center is.
    pub bitbucket_server_api_base: String,
    /// The branches at Bitbucket Data Center whose heads are looked at.
    pub bitbucket_server_branches: Vec<String>,
    /// A token that may read service hooks at Azure DevOps; empty for none.
    pub azure_devops_token: SecretString,
    /// Where the API of the organization is.
    pub azure_devops_api_base: String,
    /// The subscriptions at Azure DevOps that the doctor looks at.
    pub azure_devops_hooks: Vec<String>,
    /// The branches at Azure DevOps whose heads are looked at.
    pub azure_devops_branches: Vec<String>,
    /// How often.
    #[serde(with = "humantime_serde")]
    pub period: Duration,
    /// The Spacelift account whose named webhooks are looked at; empty for none.
    pub spacelift_endpoint: String,
    /// An API key that may administer their space.
    pub spacelift_api_key_id: String,
    /// Its secret.
    pub spacelift_api_key_secret: SecretString,
    /// The named webhooks that are switched on again.
    pub spacelift_webhooks: Vec<String>,
}

/// Everybody can sign with the empty secret.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    let secrets = Vec::<SecretString>::deserialize(deserializer)?;
    if secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
        return Err(D::Error::custom("a secret must not be empty; leave it out instead"));
    }
    Ok(secrets)
}

/// Secrets by the repositories they count for.
fn scoped<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<SecretString>>, D::Error> {
    let scoped = BTreeMap::<String, Vec<SecretString>>::deserialize(deserializer)?;
    if scoped.values().flatten().any(|secret| secret.expose_secret().is_empty()) {
        return Err(D::Error::custom("a secret must not be empty; leave it out instead"));
    }
    Ok(scoped)
}

#[cfg(test)]
mod tests;
