//! Outgoing webhooks by the Standard Webhooks specification: what is signed, and what becomes of
//! an answer.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// The key of one endpoint, as bytes. It does not print.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

/// Why a secret is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum KeyError {
    #[error("it must start with `whsec_`")]
    Prefix,
    #[error("what follows `whsec_` must be base64")]
    Encoding,
    #[error("it must hold 24 to 64 bytes")]
    Length,
}

/// What is sent, kept as the body of the effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hook {
    /// The name of the endpoint; its address and secrets stay in the configuration.
    pub(crate) endpoint: String,
    /// The id of the event: what the receiver tells repetitions by.
    pub(crate) id: Uuid,
    /// The event type.
    pub(crate) kind: String,
    /// When the event was decided.
    pub(crate) time: DateTime<Utc>,
    /// The body of the event.
    pub(crate) data: Value,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A status line, and how long the receiver asks us to wait.
    Status(u16, Option<Duration>),
    /// No answer: refused, reset, timed out.
    Nothing,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// The endpoint wants nothing ever again.
    Gone,
    Later(Duration),
    /// Every attempt is used up.
    GiveUp,
}

impl Key {
    /// Reads `whsec_<base64>`.
    pub(crate) fn parse(secret: &str) -> Result<Self, KeyError> {
        let encoded = secret.strip_prefix("whsec_").ok_or(KeyError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Encoding)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(KeyError::Length);
        }
        Ok(Self(bytes))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-signature`: one signature for each key, so that a secret can be rotated
/// without a moment in which the receiver knows neither.
pub(crate) fn signature(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

impl Hook {
    /// The bytes that are signed and sent.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let timestamp = self.time.to_rfc3339_opts(SecondsFormat::Micros, true);
        json!({ "type": self.kind, "timestamp": timestamp, "data": self.data })
            .to_string()
            .into_bytes()
    }

    /// What becomes of this delivery after `attempts` calls. Redirects are no success: following
    /// one would send the event to an address nobody configured.
    pub(crate) fn verdict(
        &self,
        answer: Answer,
        attempts: u32,
        retries: &[Duration],
        now: DateTime<Utc>,
    ) -> Verdict {
        let asked = match answer {
            Answer::Status(200..=299, _) => return Verdict::Delivered,
            Answer::Status(410, _) => return Verdict::Gone,
            Answer::Status(429 | 502 | 503 | 504, asked) => asked,
            Answer::Status(..) | Answer::Nothing => None,
        };
        // Events behind a failing one in the same lane start late. Each has its own attempts, but
        // all of them end when the schedule of an event of their age would have ended.
        let patience: Duration = retries.iter().sum();
        let age = (now - self.time).to_std().unwrap_or_default();
        let next = usize::try_from(attempts).ok().and_then(|tried| retries.get(tried.max(1) - 1));
        match next {
            Some(pause) if age <= patience => {
                Verdict::Later(spread(*pause, self.id).max(asked.unwrap_or_default()))
            }
            _ => Verdict::GiveUp,
        }
    }
}

/// Up to a tenth longer, so that what failed together does not come back together; the same for
/// the same event, so that it can be reasoned about.
fn spread(pause: Duration, id: Uuid) -> Duration {
    pause + pause * u32::from(id.as_bytes()[15]) / 2_560
}
