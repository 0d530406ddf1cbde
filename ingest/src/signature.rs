//! Signatures over raw bodies: `sha256=<hex of HMAC>`, the scheme GitHub and Spacelift share.
//!
//! Which algorithm counts is decided by the header we look at, which configuration decides; never
//! by what the sender writes.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use uuid::Uuid;

/// Why a body does not count as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is none.
    #[error("the request carries no signature")]
    Missing,
    /// There are several, and a proxy before us might have looked at another one than we would.
    #[error("the request carries more than one signature")]
    Ambiguous,
    /// It was not made over this body with one of our secrets.
    #[error("the signature does not fit the body and the secret")]
    Bad,
}

/// The one value of the header `name`, if there is one.
pub(crate) fn only_value<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> Result<Option<&'h [u8]>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(SignatureError::Ambiguous);
    }
    Ok(first.map(|value| value.as_bytes()))
}

/// A signature as the sender presents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'h> {
    /// `sha256=<hex>`.
    Sha256(&'h [u8]),
    /// `sha1=<hex>`: only where configuration asks for it.
    Sha1(&'h [u8]),
}

/// The secrets of one source, in the order of its configuration, ready to verify with.
///
/// Hashing a key is a third of verifying a small body, so it is done once, here.
pub(crate) struct Keys {
    sha256: Vec<Hmac<Sha256>>,
    sha1: Vec<Hmac<Sha1>>,
    /// Verified against where there is no secret, so that nobody can tell from outside.
    decoy: Hmac<Sha256>,
}

impl Keys {
    /// Prepares `secrets`.
    pub(crate) fn new(secrets: &[SecretString]) -> Self {
        let bytes = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
        Self {
            sha256: secrets.iter().map(|secret| keyed(&bytes(secret))).collect(),
            sha1: secrets.iter().map(|secret| keyed(&bytes(secret))).collect(),
            decoy: keyed(Uuid::new_v4().as_bytes()),
        }
    }

    /// Whether nothing can be verified, because there is no secret.
    pub(crate) fn is_empty(&self) -> bool {
        self.sha256.is_empty()
    }

    /// Verifies in constant time; the answer is which secret fits, counted from nought.
    pub(crate) fn verify(
        &self,
        presented: Presented<'_>,
        body: &[u8],
    ) -> Result<usize, SignatureError> {
        let fitting = match presented {
            Presented::Sha256(text) => {
                let tag: [u8; 32] = tag(text, b"sha256=").ok_or(SignatureError::Bad)?;
                if self.is_empty() {
                    fits(&self.decoy, &tag, body);
                }
                self.sha256.iter().position(|key| fits(key, &tag, body))
            }
            Presented::Sha1(text) => {
                let tag: [u8; 20] = tag(text, b"sha1=").ok_or(SignatureError::Bad)?;
                self.sha1.iter().position(|key| fits(key, &tag, body))
            }
        };
        fitting.ok_or(SignatureError::Bad)
    }
}

fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn fits<M: Mac + Clone>(key: &M, tag: &[u8], body: &[u8]) -> bool {
    key.clone().chain_update(body).verify_slice(tag).is_ok()
}

fn tag<const N: usize>(text: &[u8], prefix: &[u8]) -> Option<[u8; N]> {
    let mut tag = [0; N];
    hex::decode_to_slice(text.strip_prefix(prefix)?, &mut tag).ok()?;
    Some(tag)
}

#[cfg(test)]
mod tests;
