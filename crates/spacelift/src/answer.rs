//! What an answer means: the one place that reads Spacelift's words.
//!
//! Spacelift gives no machine-readable codes; its errors are told apart by their text. A mutation
//! is judged with more care than a query: only what surely changed nothing is a plain error.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{Error, error::Source};

/// How much care a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It changes nothing and may be repeated.
    Question,
    /// Several questions at once: what is not found leaves the others answered.
    Questions,
    /// It changes something, and may have done so even if no answer arrives.
    Change,
}

impl Nature {
    /// Spacelift may or may not have done it.
    pub(crate) fn in_trouble(self, source: impl Into<Source>) -> Error {
        let source = source.into();
        match self {
            Self::Change => Error::Uncertain { source },
            Self::Question | Self::Questions => Error::Unavailable { source },
        }
    }

    /// Spacelift answered, and we cannot read it.
    pub(crate) fn garbled(self, source: impl Into<Source>) -> Error {
        let source = source.into();
        match self {
            Self::Change => Error::Uncertain { source },
            Self::Question | Self::Questions => Error::Garbled { source },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Box<RawValue>>,
    #[serde(default)]
    errors: Option<Vec<Complaint>>,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
    /// Field names and list positions, from the root; none if nothing was executed.
    #[serde(default)]
    path: Option<Vec<serde_json::Value>>,
}

/// What a complaint is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matter {
    Trouble,
    Unauthorized,
    RateLimited,
    NotFound,
    Other,
}

impl Complaint {
    fn matter(&self) -> Matter {
        const WORDS: [(&str, Matter); 9] = [
            ("internal error", Matter::Trouble),
            ("internal server error", Matter::Trouble),
            ("timed out", Matter::Trouble),
            ("deadline exceeded", Matter::Trouble),
            ("context canceled", Matter::Trouble),
            ("too many requests", Matter::RateLimited),
            ("rate limit", Matter::RateLimited),
            ("unauthorized", Matter::Unauthorized),
            ("not found", Matter::NotFound),
        ];
        let message = self.message.to_ascii_lowercase();
        WORDS
            .iter()
            .find(|(words, _)| message.contains(words))
            .map_or(Matter::Other, |(_, matter)| *matter)
    }

    /// Whether it arose below the root, so that the root itself was executed.
    fn is_nested(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.len() > 1)
    }
}

/// The data of an answer, or why there is none.
pub(crate) fn judge(body: &[u8], nature: Nature) -> Result<Box<RawValue>, Error> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| nature.garbled(error))?;
    let complaints = answer.errors.unwrap_or_default();
    match answer.data {
        Some(data) if complaints.is_empty() => Ok(data),
        None if complaints.is_empty() => Err(nature.garbled("neither data nor errors")),
        Some(data) if nature == Nature::Change && has_a_root(&data) => Ok(data),
        Some(data)
            if nature == Nature::Questions
                && complaints.iter().all(|it| it.matter() == Matter::NotFound) =>
        {
            Ok(data)
        }
        _ => Err(error(&complaints, nature)),
    }
}

/// Reads the data of an answer.
pub(crate) fn read<T: DeserializeOwned>(data: &RawValue, nature: Nature) -> Result<T, Error> {
    serde_json::from_str(data.get()).map_err(|error| nature.garbled(error))
}

/// The words of an answer that is not a success by its status, if it has any.
pub(crate) fn complaint(body: &[u8]) -> Option<String> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    Some(answer.errors?.into_iter().next()?.message)
}

/// Whether a mutation has an outcome: then it took effect, whatever else went wrong.
fn has_a_root(data: &RawValue) -> bool {
    serde_json::from_str::<HashMap<String, Option<IgnoredAny>>>(data.get())
        .is_ok_and(|roots| roots.values().any(Option::is_some))
}

fn error(complaints: &[Complaint], nature: Nature) -> Error {
    let unsure = |it: &&Complaint| {
        it.matter() == Matter::Trouble || (nature == Nature::Change && it.is_nested())
    };
    if let Some(complaint) = complaints.iter().find(unsure) {
        return nature.in_trouble(complaint.message.clone());
    }
    let first = complaints.first();
    match first.map(Complaint::matter) {
        // Of a part alone, the key is good, and this part is not for it.
        Some(Matter::Unauthorized) if !first.is_some_and(Complaint::is_nested) => {
            Error::Unauthorized
        }
        Some(Matter::RateLimited) => Error::RateLimited { retry_after: None },
        Some(Matter::NotFound) => Error::NotFound,
        _ => Error::Refused { reason: first.map(|it| it.message.clone()).unwrap_or_default() },
    }
}

/// Whether the refusal is about our key being a machine's.
pub(crate) fn is_closed_to_machines(error: &Error) -> bool {
    matches!(error, Error::Refused { reason } if reason.contains("not available for machine sessions"))
}
