//! Forms: `application/x-www-form-urlencoded`, as old webhooks and Slack send.

use std::borrow::Cow;

use crate::payload::Malformed;

/// A form that was received; its fields are decoded when they are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'b>(&'b [u8]);

/// More fields than any sender has.
const FIELDS_MAX: usize = 100;

impl<'b> Form<'b> {
    /// Takes a body for a form. JSON is none, whatever its content type says: no signature covers that,
    /// and a text in signed JSON could hold a field of its own.
    pub(crate) fn read(body: &'b [u8]) -> Result<Self, Malformed> {
        // Every writer of forms escapes the brace with which an object begins.
        if body.contains(&b'{') {
            return Err(Malformed::new("the body is said to be a form and is JSON"));
        }
        if body.iter().filter(|byte| **byte == b'&').count() >= FIELDS_MAX {
            return Err(Malformed::new("the form has too many fields"));
        }
        Ok(Self(body))
    }

    /// The one value of a field; two would be read differently by different readers.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'b, str>>, Malformed> {
        let mut values = self.0.split(|byte| *byte == b'&').filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (found, value) = (&pair[..equals], &pair[equals + 1..]);
            // A name may be escaped, too, and is still the same name.
            let same = found == name.as_bytes()
                || (found.contains(&b'%')
                    && decoded(found).is_ok_and(|found| *found == *name.as_bytes()));
            same.then_some(value)
        });
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => text(decoded(value)?).map(Some),
            (Some(_), Some(_)) => Err(Malformed(format!("the form has the field `{name}` twice"))),
        }
    }
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Malformed> {
    let bad = |_| Malformed::new("the form is not UTF-8");
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(bad),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(Cow::Owned).map_err(|error| bad(error.utf8_error()))
        }
    }
}

fn decoded(text: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Ok(Cow::Borrowed(text));
    }
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
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests;
