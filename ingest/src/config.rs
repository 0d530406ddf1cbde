//! What can be set; every key is explained in `config.default.toml`.

use std::{net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

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
    /// What GitHub may send.
    pub github: Github,
    /// What Spacelift may send.
    pub spacelift: Spacelift,
}

/// The door itself: addresses, patience, limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The most connections held at once.
    pub connections_max: usize,
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
    /// For how long to try to commit before the sender is asked to come back.
    #[serde(with = "humantime_serde")]
    pub commit_patience: Duration,
}

/// What GitHub may send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// The webhook secrets that count.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// The largest body taken.
    pub body_bytes_max: usize,
}

/// What Spacelift may send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spacelift {
    /// The webhook secrets that count.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// Whether a signature with SHA-1 counts where there is none with SHA-256.
    pub sha1_fallback: bool,
}

/// Everybody can sign with the empty secret.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    let secrets = Vec::<SecretString>::deserialize(deserializer)?;
    if secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
        return Err(D::Error::custom("a secret must not be empty; leave it out instead"));
    }
    Ok(secrets)
}
