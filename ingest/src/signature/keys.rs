//! The secrets of a source, ready to verify with, and when each was last of use.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::scheme::{Algorithm, Scheme, SchemeError};

/// A secret as configuration has it, and for which repositories it counts.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) text: SecretString,
    /// `owner/name`, `owner/*`; none for all.
    pub(crate) scope: Option<String>,
}

impl Secret {
    /// One that counts for everything its source sends.
    pub(crate) fn anywhere(text: &SecretString) -> Self {
        Self { text: text.clone(), scope: None }
    }
}

/// The secrets of one source, in the order of its configuration.
///
/// Hashing a key is a third of verifying a small body, so it is done once, here.
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// Verified against where there is no secret, so that nobody can tell from outside.
    decoy: Prepared,
    /// Tokens are compared by their MACs under this: equally long, and unknown to the sender.
    blind: Hmac<Sha256>,
}

struct Key {
    /// Of a public key, under a key that nobody knows: who knows the public key could sign with it.
    prepared: Prepared,
    public: Option<[u8; PUBLIC_BYTES]>,
    scope: Option<String>,
    /// What all secrets that are the same as this count for; nothing for everything.
    scopes: Vec<String>,
    fingerprint: String,
    used_at: AtomicI64,
    uses: AtomicU64,
}

/// As long is a public key of Ed25519.
const PUBLIC_BYTES: usize = 32;

struct Prepared {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
    sha512: Hmac<Sha512>,
    token: [u8; 32],
}

/// When a secret was of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Tells secrets apart without telling what they are.
    pub(crate) fingerprint: String,
    /// For which repositories it counts.
    pub(crate) scope: Option<String>,
    /// Seconds of the epoch; 0 for never since this process began.
    pub(crate) used_at: i64,
    /// How often, since this process began.
    pub(crate) uses: u64,
}

impl Keys {
    /// Prepares secrets for a scheme.
    pub(crate) fn new(scheme: &Scheme, secrets: &[Secret]) -> Result<Self, SchemeError> {
        let blind = keyed::<Hmac<Sha256>>(Uuid::new_v4().as_bytes());
        let decoy = Prepared::new(Uuid::new_v4().as_bytes(), &blind);
        let all = secrets.iter().enumerate();
        let all = all.map(|(place, secret)| bytes(scheme, secret, place + 1));
        let all = all.collect::<Result<Vec<_>, SchemeError>>()?;
        let key = |(bytes, secret): (&Vec<u8>, &Secret)| {
            let public = public(scheme, secret, bytes);
            let nobody_s = Uuid::new_v4();
            let shared: &[u8] = if public.is_some() { nobody_s.as_bytes() } else { bytes };
            let same = all.iter().zip(secrets).filter(|(other, _)| *other == bytes);
            let scopes: Option<Vec<_>> = same.map(|(_, secret)| secret.scope.clone()).collect();
            Key {
                prepared: Prepared::new(shared, &blind),
                public,
                scope: secret.scope.clone(),
                scopes: scopes.unwrap_or_default(),
                fingerprint: fingerprint(bytes),
                used_at: AtomicI64::new(0),
                uses: AtomicU64::new(0),
            }
        };
        let keys = all.iter().zip(secrets).map(key).collect();
        Ok(Self { keys, decoy, blind })
    }

    /// Whether nothing can be verified, because there is no secret.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The repositories the secret of this number counts for, under whatever number it is configured
    /// again; nothing for all.
    pub(crate) fn scopes(&self, number: usize) -> &[String] {
        self.keys.get(number).map_or(&[], |key| &key.scopes)
    }

    /// Whether who has the first of these secrets may say all that who has the second may. Who could come
    /// by a secret of less might otherwise guess on for one of more.
    pub(crate) fn covers(&self, known: usize, presented: usize) -> bool {
        let (known_for, presented_for) = (self.scopes(known), self.scopes(presented));
        let is_within = || presented_for.iter().all(|scope| known_for.contains(scope));
        known == presented || known_for.is_empty() || (!presented_for.is_empty() && is_within())
    }

    /// The key that made this tag over these parts.
    pub(super) fn find(&self, algorithm: Algorithm, tag: &[u8], parts: &[&[u8]]) -> Option<usize> {
        if self.keys.is_empty() {
            self.decoy.fits(algorithm, tag, parts);
        }
        self.keys.iter().position(|key| key.prepared.fits(algorithm, tag, parts))
    }

    /// The public key under which this is the signature of these parts.
    pub(super) fn find_public(&self, signature: &[u8], parts: &[&[u8]]) -> Option<usize> {
        let mut message = None;
        self.keys.iter().position(|key| {
            key.public.is_some_and(|public| {
                let message = message.get_or_insert_with(|| parts.concat());
                UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
            })
        })
    }

    /// Whether the key of this number made this tag over these parts.
    pub(super) fn fits(
        &self,
        number: usize,
        algorithm: Algorithm,
        tag: &[u8],
        parts: &[&[u8]],
    ) -> bool {
        self.keys.get(number).is_some_and(|key| key.prepared.fits(algorithm, tag, parts))
    }

    /// The key that is this token.
    pub(super) fn find_token(&self, token: &[u8]) -> Option<usize> {
        let presented = blinded(&self.blind, token);
        let fits = |prepared: &Prepared| bool::from(prepared.token.ct_eq(&presented));
        if self.keys.is_empty() {
            fits(&self.decoy);
        }
        self.keys.iter().position(|key| fits(&key.prepared))
    }

    /// Notes that the secret of this number was of use.
    pub(crate) fn note_use(&self, number: usize, seconds: i64) {
        if let Some(key) = self.keys.get(number) {
            key.used_at.store(seconds, Ordering::Relaxed);
            key.uses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What each secret was of use for.
    pub(crate) fn usage(&self) -> Vec<Usage> {
        let usage = |key: &Key| Usage {
            fingerprint: key.fingerprint.clone(),
            scope: key.scope.clone(),
            used_at: key.used_at.load(Ordering::Relaxed),
            uses: key.uses.load(Ordering::Relaxed),
        };
        self.keys.iter().map(usage).collect()
    }
}

impl Prepared {
    fn new(secret: &[u8], blind: &Hmac<Sha256>) -> Self {
        Self {
            sha1: keyed(secret),
            sha256: keyed(secret),
            sha512: keyed(secret),
            token: blinded(blind, secret),
        }
    }

    fn fits(&self, algorithm: Algorithm, tag: &[u8], parts: &[&[u8]]) -> bool {
        match algorithm {
            Algorithm::Sha1 => fits(&self.sha1, tag, parts),
            Algorithm::Sha256 => fits(&self.sha256, tag, parts),
            Algorithm::Sha512 => fits(&self.sha512, tag, parts),
        }
    }
}

/// What public keys begin with.
const PUBLIC: &str = "whpk_";

/// The public key, if it is one, in a scheme that knows them.
fn public(scheme: &Scheme, secret: &Secret, bytes: &[u8]) -> Option<[u8; PUBLIC_BYTES]> {
    let is_public = secret.text.expose_secret().starts_with(PUBLIC);
    let knows = matches!(scheme, Scheme::Standard { .. });
    (knows && is_public).then(|| bytes.try_into().ok()).flatten()
}

fn bytes(scheme: &Scheme, secret: &Secret, place: usize) -> Result<Vec<u8>, SchemeError> {
    let text = secret.text.expose_secret();
    match scheme {
        Scheme::Standard { .. } if text.starts_with(PUBLIC) => text
            .strip_prefix(PUBLIC)
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .filter(|bytes| bytes.len() == PUBLIC_BYTES)
            .ok_or(SchemeError::Secret(place)),
        Scheme::Standard { .. } => text
            .strip_prefix("whsec_")
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .filter(|bytes| (24..=64).contains(&bytes.len()))
            .ok_or(SchemeError::Secret(place)),
        Scheme::Basic if !text.contains(':') => Err(SchemeError::Basic(place)),
        _ => Ok(text.as_bytes().to_vec()),
    }
}

/// Eight digits of a hash nobody else computes: enough to tell secrets apart in a list.
pub(crate) fn fingerprint(secret: &[u8]) -> String {
    let mac = keyed::<Hmac<Sha256>>(secret).chain_update(b"stackly/fingerprint");
    hex::encode(&Sha256::digest(mac.finalize().into_bytes())[..4])
}

fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn blinded(blind: &Hmac<Sha256>, token: &[u8]) -> [u8; 32] {
    blind.clone().chain_update(token).finalize().into_bytes().into()
}

fn fits<M: Mac + Clone>(key: &M, tag: &[u8], parts: &[&[u8]]) -> bool {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}
