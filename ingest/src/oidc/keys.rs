//! The keys of an issuer: fetched when they are needed, kept for a while, and fetched again when a
//! token names one that is not among them.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use reqwest::{Client, Url, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use tracing::warn;

use super::Unknown;
use crate::config;

/// How long the issuer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const BYTES_MAX: usize = 1024 * 1024;
/// The least time between two fetches, whoever asks: tokens with made-up keys cost the issuer
/// nothing more.
const PAUSE: Duration = Duration::from_secs(10);
/// For how long keys count that cannot be fetched anew.
const STALE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    client: Client,
    issuer: String,
    /// Where they are; empty for where the issuer says.
    url: String,
    keep: Duration,
    pause: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Vec<Jwk>,
    fetched_at: Option<Instant>,
    tried_at: Option<Instant>,
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(options: &config::Oidc) -> anyhow::Result<Self> {
        for (key, url) in [("issuer", &options.issuer), ("jwks_url", &options.jwks_url)] {
            if !url.is_empty() {
                let url = Url::parse(url).with_context(|| format!("`{key}` is not an address"))?;
                let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
                let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local);
                ensure!(is_safe, "`{key}` must be an address with https: {url}");
            }
        }
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build()?;
        Ok(Self {
            client,
            issuer: options.issuer.clone(),
            url: options.jwks_url.clone(),
            keep: options.keep_keys,
            pause: PAUSE.min(options.keep_keys),
            known: Mutex::default(),
        })
    }

    /// The key a token was signed with. One fetch is under way at a time; who comes meanwhile
    /// waits for it.
    pub(super) async fn key(&self, id: Option<&str>, of: Algorithm) -> Result<Jwk, Unknown> {
        let mut known = self.known.lock().await;
        let age = |at: Option<Instant>| at.map_or(Duration::MAX, |at| at.elapsed());
        let found = known.find(id, of);
        if let Some(key) = found.filter(|_| age(known.fetched_at) < self.keep) {
            return Ok(key);
        }
        if age(known.tried_at) >= self.pause {
            known.tried_at = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    known.keys = keys;
                    known.fetched_at = known.tried_at;
                    known.trouble = None;
                }
                Err(error) => {
                    warn!(error = format!("{error:#}"), "the keys of the issuer cannot be fetched");
                    known.trouble = Some(format!("{error:#}"));
                }
            }
        }
        if age(known.fetched_at) > STALE_MAX {
            known.keys.clear();
        }
        match (known.find(id, of), &known.trouble) {
            (Some(key), _) => Ok(key),
            (None, Some(trouble)) => Err(Unknown::Away(trouble.clone())),
            (None, None) => {
                let text = "it is signed with a key that its issuer does not name";
                Err(Unknown::Refused(text.to_owned()))
            }
        }
    }

    async fn fetch(&self) -> anyhow::Result<Vec<Jwk>> {
        let url = match self.url.as_str() {
            "" => {
                let issuer = self.issuer.trim_end_matches('/');
                let at = format!("{issuer}/.well-known/openid-configuration");
                let found: Discovered = self.get(&at).await?;
                ensure!(found.issuer == self.issuer, "{at} speaks of another issuer");
                found.jwks_uri
            }
            url => url.to_owned(),
        };
        let set: serde_json::Value = self.get(&url).await?;
        let keys = set["keys"].as_array().context("it has no `keys`")?;
        // A key of a kind nobody knows hides no other.
        let keys = keys.iter().filter_map(|key| Jwk::deserialize(key).ok()).collect();
        Ok(JwkSet { keys }.keys)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> anyhow::Result<T> {
        let named = || format!("{url} cannot be read");
        let mut answer = self.client.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.with_context(named)? {
            ensure!(body.len() + chunk.len() <= BYTES_MAX, "{url} answers with too much");
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).with_context(named)
    }
}

impl Known {
    /// The key of this name, or without a name the only one that could have signed so.
    fn find(&self, id: Option<&str>, of: Algorithm) -> Option<Jwk> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, of));
        match id {
            Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id)).cloned(),
            None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
        }
    }
}

/// Whether a key may sign in this way.
fn fits(key: &Jwk, of: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA};
    let is_for_signing = !matches!(
        key.common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    );
    let is_named = key
        .common
        .key_algorithm
        .is_none_or(|named| Algorithm::try_from(named).is_ok_and(|it| it == of));
    let is_of_its_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => !matches!(of, ES256 | ES384 | EdDSA),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => of == ES256,
            EllipticCurve::P384 => of == ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => of == EdDSA,
        _ => false,
    };
    is_for_signing && is_named && is_of_its_kind
}
