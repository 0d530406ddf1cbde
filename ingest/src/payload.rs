//! From signed bytes to JSON: strict, in one pass, without copying.

use std::borrow::Cow;

use axum::http::HeaderMap;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::form::Form;

mod strict;

pub(crate) use strict::strict;

/// A signed body that cannot be read; the text says what is wrong, without quoting the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A string of the payload, borrowed from it wherever it has no escapes.
///
/// serde borrows a bare `Cow` only; inside `Option` and `Vec` it would copy, hence the wrapper.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest text an event carries in one field; what is longer is cut.
const TEXT_CHARS_MAX: usize = 1_000;

/// Text fit for an event: of bounded length, and without the one character Postgres cannot keep.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// Text that names something: it must not be cut or changed, so it is refused instead.
pub(crate) fn name(text: &str, what: &str) -> Result<String, Malformed> {
    let bad = text.is_empty()
        || text.len() > TEXT_CHARS_MAX
        || text.chars().any(|c| c.is_control() || c == '\u{fffd}');
    if bad {
        return Err(Malformed(format!("`{what}` is empty, too long or has control characters")));
    }
    Ok(text.to_owned())
}

/// A time as a host writes it; nothing if it cannot be read. GitLab has a way of its own, and so has
/// Bitbucket Data Center.
pub(crate) fn moment(text: Option<&Text<'_>>) -> Option<DateTime<Utc>> {
    let text = text?.as_str();
    let usual = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let other = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S UTC");
    let third = || DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z").map(|at| at.to_utc());
    usual.or_else(|_| other().map(|at| at.and_utc())).or_else(|_| third()).ok()
}

/// Reads `body` as a JSON object: what a webhook sends. (serde would take an array for a struct.)
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    bounded(body)?;
    match body.trim_ascii_start().first() {
        None | Some(b'{') => json(body),
        Some(_) => Err(Malformed::new("the body is not a JSON object")),
    }
}

/// Reads `body` as JSON. Keys that are read and come twice are refused, as is invalid UTF-8.
pub(crate) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Malformed(format!("the body is not UTF-8: {error}")))?;
    serde_json::from_str(text).map_err(|error| Malformed(explain(&error)))
}

/// No sender nests deeper; what serde skips it would skip at any depth.
const DEPTH_MAX: usize = 64;
/// No sender writes longer numbers.
const NUMBER_BYTES_MAX: usize = 40;

/// Refuses JSON that is nested too deeply or has numbers without end, in one pass over the bytes.
pub(crate) fn bounded(body: &[u8]) -> Result<(), Malformed> {
    let (mut depth, mut digits) = (0_usize, 0_usize);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        match byte {
            b'"' => {
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Malformed(format!("the JSON is nested deeper than {DEPTH_MAX} levels")));
        }
        if digits > NUMBER_BYTES_MAX {
            let text = format!("the JSON has a number of more than {NUMBER_BYTES_MAX} digits");
            return Err(Malformed(text));
        }
    }
    Ok(())
}

/// serde's own words quote values ("invalid type: string \"…\""); bodies are not to be quoted.
fn explain(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early".to_owned(),
        serde_json::error::Category::Data => {
            let what = ["missing field", "duplicate field"]
                .iter()
                .find(|known| text.starts_with(**known))
                .map(|_| text.split(" at line").next().unwrap_or_default())
                .unwrap_or("a field has an unexpected type");
            format!("the JSON has not the expected shape: {what} (line {line}, column {column})")
        }
        _ => format!("the body is not JSON (line {line}, column {column})"),
    }
}

/// The media type of a body, in small letters.
fn media_type(headers: &HeaderMap) -> Vec<u8> {
    let content_type = headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().to_ascii_lowercase()
}

/// Whether the body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers) == b"application/x-www-form-urlencoded"
}

/// The JSON of a body: the body itself, or the field `payload` of a form.
pub(crate) fn unwrap_form<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Cow<'a, [u8]>, Malformed> {
    match media_type(headers).as_slice() {
        b"application/json" | b"" => Ok(Cow::Borrowed(body)),
        b"application/x-www-form-urlencoded" => match Form::read(body)?.get("payload")? {
            Some(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.as_bytes())),
            Some(Cow::Owned(text)) => Ok(Cow::Owned(text.into_bytes())),
            None => Err(Malformed::new("the form has no field `payload`")),
        },
        _ => Err(Malformed::new(
            "the content type must be `application/json` or `application/x-www-form-urlencoded`",
        )),
    }
}

#[cfg(test)]
mod tests;
