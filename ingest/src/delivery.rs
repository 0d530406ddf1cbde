//! One webhook request whose signature fitted, and what it says.

use std::fmt;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use contracts::{Outgoing, id::NAMESPACE};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{github, payload::Malformed, spacelift};

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// GitHub, github.com or Enterprise.
    Github,
    /// Spacelift.
    Spacelift,
}

impl Source {
    /// As in the path, the database and the metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Spacelift => "spacelift",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a signed delivery says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// The sender's own id of the delivery; not covered by the signature.
    pub(crate) sender_id: Option<String>,
    /// The sender's name for what happened: `push`, `pull_request.opened`, `run`.
    pub(crate) kind: String,
    /// What tells this fact from every other of the source: the same fact has the same key, however
    /// often and under whatever delivery id it is sent.
    pub(crate) content_key: String,
    /// What becomes of it.
    pub(crate) verdict: Verdict,
}

/// What becomes of a signed delivery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is an event of ours.
    Event(Outgoing),
    /// It is kept, and nothing follows from it.
    Kept {
        /// Why, for machines.
        code: &'static str,
        /// Why, for people.
        text: String,
    },
    /// It cannot be read. Kept too: the sender has a secret of ours, so somebody should look.
    Malformed(Malformed),
}

impl Verdict {
    pub(crate) fn kept(code: &'static str, text: impl Into<String>) -> Self {
        Self::Kept { code, text: text.into() }
    }

    /// As in the database.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Event(_) => "accepted",
            Self::Kept { .. } => "kept",
            Self::Malformed(_) => "malformed",
        }
    }

    /// Why, for machines.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Event(_) => "accepted",
            Self::Kept { code, .. } => code,
            Self::Malformed(_) => "malformed",
        }
    }
}

impl Reading {
    /// The id of the event that tells this fact, whether or not there is one.
    pub(crate) fn fact_id(&self, source: Source) -> Uuid {
        let name = format!("ingest/{source}/{}", self.content_key);
        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    }
}

/// What is known of a delivery before its body is understood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// Who sent it.
    pub(crate) source: Source,
    /// Its headers; not covered by the signature.
    pub(crate) headers: &'a HeaderMap,
    /// Its body, as it came.
    pub(crate) body: &'a [u8],
    /// When it came.
    pub(crate) received_at: DateTime<Utc>,
}

impl Signed<'_> {
    /// Makes sense of a delivery. Pure.
    pub(crate) fn read(&self) -> Reading {
        let read = match self.source {
            Source::Github => github::read(self),
            Source::Spacelift => spacelift::read(self),
        };
        read.unwrap_or_else(|malformed| Reading {
            sender_id: None,
            kind: "unreadable".to_owned(),
            // Under a key of its own: a later build that can read it must not find it taken.
            content_key: format!("malformed/{}", self.digest()),
            verdict: Verdict::Malformed(malformed),
        })
    }

    /// Names a body by its bytes, where it has no better name.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.body))
    }
}
