//! What can be set for each kind of sender.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use super::{scoped, secrets};
use crate::signature::{Algorithm, Encoding};

/// A host of repositories.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// The webhook secrets that count.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// Secrets that count for some repositories alone, by `owner/name` or `owner/*`.
    #[serde(deserialize_with = "scoped")]
    pub scoped_secrets: BTreeMap<String, Vec<SecretString>>,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// The repositories that are listened to; none for all.
    pub repositories: Vec<String>,
    /// Whether pull requests from forks are listened to.
    pub forks: bool,
    /// Who may command in comments, beside those the host itself vouches for.
    pub commanders: Vec<String>,
}

/// GitLab.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gitlab {
    /// The tokens or signing tokens that count.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// Secrets that count for some projects alone.
    #[serde(deserialize_with = "scoped")]
    pub scoped_secrets: BTreeMap<String, Vec<SecretString>>,
    /// Whether the secrets are signing tokens.
    pub signed: bool,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// The projects that are listened to; none for all.
    pub repositories: Vec<String>,
    /// Whether merge requests from forks are listened to.
    pub forks: bool,
    /// Who may command in comments.
    pub commanders: Vec<String>,
}

impl Gitlab {
    /// What it has in common with other hosts.
    pub(crate) fn forge(&self) -> Forge {
        Forge {
            secrets: self.secrets.clone(),
            scoped_secrets: self.scoped_secrets.clone(),
            body_bytes_max: self.body_bytes_max,
            repositories: self.repositories.clone(),
            forks: self.forks,
            commanders: self.commanders.clone(),
        }
    }
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

/// What Slack may send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The signing secrets that count.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// Where Slack may be answered later; other addresses are not called.
    pub response_base: String,
}

/// A sender that follows Standard Webhooks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Its secrets.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// What its headers begin with.
    #[serde(default = "webhook")]
    pub header_prefix: String,
    /// The largest body taken.
    #[serde(default = "mebibyte")]
    pub body_bytes_max: usize,
}

/// A sender that signs in a way of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// Its secrets.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretString>,
    /// Where the signature is.
    pub header: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
    /// With which hash.
    #[serde(default = "sha256")]
    pub algorithm: Algorithm,
    /// How it is written.
    #[serde(default = "hexadecimal")]
    pub encoding: Encoding,
    /// Where the signed time is.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// What is signed before the time.
    #[serde(default)]
    pub signed_before: String,
    /// What is signed between the time and the body.
    #[serde(default = "full_stop")]
    pub signed_between: String,
    /// Where the sender's own id of the delivery is.
    #[serde(default)]
    pub id_header: Option<String>,
    /// Where the sender's name for what happened is.
    #[serde(default)]
    pub kind_header: Option<String>,
    /// The largest body taken.
    #[serde(default = "mebibyte")]
    pub body_bytes_max: usize,
}

fn webhook() -> String {
    "webhook".to_owned()
}

fn mebibyte() -> usize {
    1024 * 1024
}

fn sha256() -> Algorithm {
    Algorithm::Sha256
}

fn hexadecimal() -> Encoding {
    Encoding::Hex
}

fn full_stop() -> String {
    ".".to_owned()
}
