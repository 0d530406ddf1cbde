//! How a source proves itself, as data.

use axum::http::HeaderName;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;

/// How a source proves itself. Chosen by configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// An HMAC over the body, or over a time and the body.
    Hmac(HmacScheme),
    /// Standard Webhooks: a list of HMACs or signatures with Ed25519 over id, time and body.
    Standard {
        /// Where the id is.
        id: HeaderName,
        /// Where the time is.
        stamp: HeaderName,
        /// Where the list of signatures is.
        signature: HeaderName,
    },
    /// A secret in clear in this header.
    Token(HeaderName),
    /// HTTP Basic: `name:secret`.
    Basic,
}

/// One HMAC in one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HmacScheme {
    /// Where it is.
    pub(crate) header: HeaderName,
    /// What stands before it.
    pub(crate) prefix: String,
    /// With which hash.
    pub(crate) algorithm: Algorithm,
    /// How it is written.
    pub(crate) encoding: Encoding,
    /// The time that is signed with the body, if one is.
    pub(crate) stamp: Option<Stamp>,
    /// Where an HMAC with SHA-1 counts if the header above is absent.
    pub(crate) sha1_fallback: Option<HeaderName>,
    /// Where the sender writes an HMAC with SHA-1 beside the header above: it proves nothing, but
    /// where it is there and wrong, the two contradict each other.
    pub(crate) sha1_beside: Option<HeaderName>,
}

/// The time that is signed with a body: `<before><time><between><body>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Where it is.
    pub(crate) header: HeaderName,
    /// What is signed before it.
    pub(crate) before: String,
    /// What is signed between it and the body.
    pub(crate) between: String,
}

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA1: for old senders alone.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

impl Algorithm {
    pub(crate) const fn tag_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64, with padding.
    Base64,
}

impl Encoding {
    /// The bytes of a signature, if it is one of at most 64 bytes.
    pub(crate) fn decode<'t>(self, text: &[u8], tag: &'t mut [u8; 64]) -> Option<&'t [u8]> {
        let length = match self {
            Self::Hex => {
                let length = text.len() / 2;
                hex::decode_to_slice(text, tag.get_mut(..length)?).ok()?;
                length
            }
            // The decoder wants room for what the text could be, which may be two bytes more.
            Self::Base64 => {
                let mut room = [0; 66];
                let length = (text.len() <= 88).then(|| BASE64.decode_slice(text, &mut room))?;
                let length = length.ok().filter(|length| *length <= tag.len())?;
                tag[..length].copy_from_slice(&room[..length]);
                length
            }
        };
        Some(&tag[..length])
    }
}

/// Why a scheme or a secret cannot be used. Said at the start, not at the first delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemeError {
    /// Headers have plain names.
    #[error("`{0}` is not a name of a header")]
    Header(String),
    /// Standard Webhooks says what its secrets look like.
    #[error(
        "secret {0} of the list must be `whsec_` and the base64 of 24 to 64 bytes, or a public key, \
         `whpk_` and the base64 of 32, as the sender shows it"
    )]
    Secret(usize),
    /// A pattern names repositories.
    #[error("`{0}` is not a pattern of repositories; write `owner/name`, `owner/*` or `*`")]
    Pattern(String),
    /// It stands in a path.
    #[error("`{0}` is not a name for a sender; use small letters, digits, `-` and `_`")]
    Name(String),
    /// Basic authentication has a name.
    #[error("secret {0} of the list must be `name:secret`")]
    Basic(usize),
}

impl Scheme {
    /// `<prefix><hex of HMAC-SHA256 of the body>` in this header: what most senders do.
    pub(crate) fn sha256(header: &'static str) -> HmacScheme {
        HmacScheme {
            header: HeaderName::from_static(header),
            prefix: "sha256=".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            stamp: None,
            sha1_fallback: None,
            sha1_beside: None,
        }
    }

    /// Standard Webhooks, its headers under this prefix (`webhook` or `svix`).
    pub(crate) fn standard(prefix: &str) -> Result<Self, SchemeError> {
        let header = |name: &str| header(&format!("{prefix}-{name}"));
        Ok(Self::Standard {
            id: header("id")?,
            stamp: header("timestamp")?,
            signature: header("signature")?,
        })
    }

    /// Where the id of a delivery is, if it is signed.
    pub(crate) fn signed_id(&self) -> Option<&HeaderName> {
        match self {
            Self::Standard { id, .. } => Some(id),
            Self::Hmac(_) | Self::Token(_) | Self::Basic => None,
        }
    }
}

/// The name of a header.
pub(crate) fn header(name: &str) -> Result<HeaderName, SchemeError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SchemeError::Header(name.to_owned()))
}
