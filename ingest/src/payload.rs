//! From signed bytes to JSON: strict, in one pass, without copying.

use std::borrow::Cow;

use axum::http::HeaderMap;
use serde::Deserialize;

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

/// Reads `body` as a JSON object: what a webhook sends. (serde would take an array for a struct.)
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
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

/// The JSON of a body: the body itself, or the field `payload` of a form.
pub(crate) fn unwrap_form<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Cow<'a, [u8]>, Malformed> {
    let content_type = headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    match media_type.trim_ascii().to_ascii_lowercase().as_slice() {
        b"application/json" | b"" => Ok(Cow::Borrowed(body)),
        b"application/x-www-form-urlencoded" => form_field(body, b"payload").map(Cow::Owned),
        _ => Err(Malformed::new(
            "the content type must be `application/json` or `application/x-www-form-urlencoded`",
        )),
    }
}

fn form_field(body: &[u8], name: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut values = body.split(|byte| *byte == b'&').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        (&pair[..equals] == name).then_some(&pair[equals + 1..])
    });
    match (values.next(), values.next()) {
        (Some(value), None) => percent_decoded(value),
        (None, _) => Err(Malformed::new("the form has no field `payload`")),
        (Some(_), Some(_)) => Err(Malformed::new("the form has the field `payload` twice")),
    }
}

fn percent_decoded(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut value = [0];
                tail.get(..2)
                    .and_then(|digits| hex::decode_to_slice(digits, &mut value).ok())
                    .ok_or_else(|| Malformed::new("the form has a broken percent escape"))?;
                rest = &tail[2..];
                value[0]
            }
            other => other,
        });
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;
