//! Signatures over raw bodies: one way of verifying for all sources.
//!
//! How a source proves itself is a [`Scheme`], which configuration chooses: the header that counts,
//! the algorithm, what is signed. Nothing of it is inferred from what the sender writes.

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};

mod keys;
mod scheme;

pub(crate) use keys::{Keys, Secret, fingerprint};
pub(crate) use scheme::{Algorithm, Encoding, HmacScheme, Scheme, SchemeError, Stamp, header};

/// How far the clock of a sender may be from ours, where its scheme signs a time.
pub(crate) const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// More signatures than this are not tried: each costs an HMAC over the body.
const SIGNATURES_MAX: usize = 4;
/// The longest id of a Standard Webhook, and the longest word in its list of signatures.
const WORD_BYTES_MAX: usize = 256;

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
    /// It was made too long ago, or by a clock that is ahead: perhaps somebody sends it again.
    #[error(
        "the signed time is more than five minutes away from now; is the sender's clock right?"
    )]
    Stale,
}

/// The one value of the header `name`, if there is one.
pub(crate) fn only_value(
    headers: &HeaderMap,
    name: impl axum::http::header::AsHeaderName,
) -> Result<Option<&[u8]>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(SignatureError::Ambiguous);
    }
    Ok(first.map(|value| value.as_bytes()))
}

fn required<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], SignatureError> {
    only_value(headers, name)?.ok_or(SignatureError::Missing)
}

/// What a sender shows: found in the headers alone, before its body is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'h> {
    /// One signature over the body, or over a time and the body.
    Hmac {
        text: &'h [u8],
        stamp: Option<&'h [u8]>,
        fallback: bool,
        /// The one with SHA-1 beside it, which has to fit, too.
        beside: Option<&'h [u8]>,
    },
    /// A list of signatures over an id, a time and the body.
    Standard { list: &'h [u8], id: &'h [u8], stamp: &'h [u8] },
    /// A secret in clear.
    Token(&'h [u8]),
    /// A name and a secret in clear.
    Basic(&'h [u8]),
}

impl Scheme {
    /// Whether what proves a request could be guessed: a secret in clear, rather than a signature.
    pub(crate) const fn is_guessable(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Basic)
    }

    /// The signature that counts. What is missing or doubled costs nobody a body.
    pub(crate) fn presented<'h>(
        &self,
        headers: &'h HeaderMap,
    ) -> Result<Presented<'h>, SignatureError> {
        match self {
            Self::Hmac(scheme) => {
                let stamp = scheme.stamp.as_ref();
                let stamp = stamp.map(|stamp| required(headers, &stamp.header)).transpose()?;
                if let Some(text) = only_value(headers, &scheme.header)? {
                    let beside = scheme.sha1_beside.as_ref();
                    let beside =
                        beside.map(|name| only_value(headers, name)).transpose()?.flatten();
                    return Ok(Presented::Hmac { text, stamp, fallback: false, beside });
                }
                let fallback = scheme.sha1_fallback.as_ref().ok_or(SignatureError::Missing)?;
                let text = required(headers, fallback)?;
                Ok(Presented::Hmac { text, stamp, fallback: true, beside: None })
            }
            Self::Standard { id, stamp, signature } => Ok(Presented::Standard {
                list: required(headers, signature)?,
                id: required(headers, id)?,
                stamp: required(headers, stamp)?,
            }),
            Self::Token(header) => required(headers, header).map(Presented::Token),
            Self::Basic => {
                required(headers, &axum::http::header::AUTHORIZATION).map(Presented::Basic)
            }
        }
    }

    /// Verifies in constant time; the answer is which secret fits, counted from 0.
    pub(crate) fn verify(
        &self,
        keys: &Keys,
        presented: Presented<'_>,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<usize, SignatureError> {
        let fitting = match (self, presented) {
            (Self::Hmac(scheme), Presented::Hmac { text, stamp, fallback, beside }) => {
                let fitting = scheme.verify(keys, (text, stamp, fallback), body);
                fitting.filter(|number| {
                    beside.is_none_or(|beside| fits_beside(keys, *number, beside, body))
                })
            }
            (Self::Standard { .. }, Presented::Standard { list, id, stamp }) => {
                standard(keys, list, (id, stamp), body)
            }
            (Self::Token(_), Presented::Token(token)) => keys.find_token(token),
            (Self::Basic, Presented::Basic(text)) => basic(keys, text),
            _ => None,
        };
        let fitting = fitting.ok_or(SignatureError::Bad)?;
        // The time last: only who knows a secret is told that it is the clock.
        match presented {
            Presented::Hmac { stamp: Some(stamp), .. } | Presented::Standard { stamp, .. } => {
                in_window(stamp, now).then_some(fitting).ok_or(SignatureError::Stale)
            }
            _ => Ok(fitting),
        }
    }
}

impl HmacScheme {
    fn verify(
        &self,
        keys: &Keys,
        (text, stamp, fallback): (&[u8], Option<&[u8]>, bool),
        body: &[u8],
    ) -> Option<usize> {
        let (prefix, algorithm) = match fallback {
            true => (&b"sha1="[..], Algorithm::Sha1),
            false => (self.prefix.as_bytes(), self.algorithm),
        };
        let mut tag = [0; 64];
        let tag = self.encoding.decode(text.strip_prefix(prefix)?, &mut tag)?;
        if tag.len() != algorithm.tag_bytes() {
            return None;
        }
        match (&self.stamp, stamp) {
            (None, _) => keys.find(algorithm, tag, &[body]),
            (Some(how), Some(stamp)) => {
                let parts = [how.before.as_bytes(), stamp, how.between.as_bytes(), body];
                keys.find(algorithm, tag, &parts)
            }
            (Some(_), None) => None,
        }
    }
}

/// Whether the HMAC with SHA-1 is of the same secret.
fn fits_beside(keys: &Keys, number: usize, beside: &[u8], body: &[u8]) -> bool {
    let mut tag = [0; 64];
    let text = beside.strip_prefix(b"sha1=");
    text.and_then(|text| Encoding::Hex.decode(text, &mut tag))
        .is_some_and(|tag| keys.fits(number, Algorithm::Sha1, tag, &[body]))
}

/// `v1,<base64>` of id, time and body is an HMAC, `v1a,<base64>` a signature with Ed25519; others in the
/// list are of schemes that are not taken here. Which of the two counts, the key says: none is both.
fn standard(keys: &Keys, list: &[u8], (id, stamp): (&[u8], &[u8]), body: &[u8]) -> Option<usize> {
    // A full stop in the id would let the border between id and time be moved.
    if id.is_empty() || id.len() > WORD_BYTES_MAX || id.contains(&b'.') {
        return None;
    }
    let parts = [id, b".", stamp, b".", body];
    let known = |word| {
        let shared = <[u8]>::strip_prefix(word, b"v1,").map(|signature| (false, signature));
        shared.or_else(|| word.strip_prefix(b"v1a,").map(|signature| (true, signature)))
    };
    let signatures = list.split(|byte| *byte == b' ').filter_map(known);
    signatures.take(SIGNATURES_MAX).find_map(|(is_public, signature)| {
        let mut tag = [0; 64];
        let tag = Encoding::Base64.decode(signature, &mut tag)?;
        match is_public {
            true => keys.find_public(tag, &parts),
            false if tag.len() == Algorithm::Sha256.tag_bytes() => {
                keys.find(Algorithm::Sha256, tag, &parts)
            }
            false => None,
        }
    })
}

/// `Basic <base64 of name:secret>`: what is configured is the whole `name:secret`.
fn basic(keys: &Keys, text: &[u8]) -> Option<usize> {
    let (scheme, encoded) = text.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > 4 * WORD_BYTES_MAX {
        return None;
    }
    keys.find_token(&BASE64.decode(encoded.trim_ascii()).ok()?)
}

/// Whether a time in seconds of the epoch is near enough.
fn in_window(stamp: &[u8], now: DateTime<Utc>) -> bool {
    let plain = (1..=12).contains(&stamp.len()) && stamp.iter().all(u8::is_ascii_digit);
    let seconds = plain.then(|| std::str::from_utf8(stamp).ok()).flatten();
    seconds
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .is_some_and(|at| (now - at).abs() <= WINDOW)
}

#[cfg(test)]
mod tests;
