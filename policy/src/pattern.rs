//! Globs as policies write them: `*` stands for any run of characters, `?` for one.

use std::{fmt, str::Chars};

use contracts::text::lower;
use serde::{Serialize, Serializer};

/// One pattern of a `match` block. Compared without regard to case: neither Spacelift nor GitHub
/// lets two things differ in case alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    lower: String,
    /// Without stars and question marks it is a comparison.
    is_plain: bool,
}

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let lower = lower(&text).into_owned();
        let is_plain = !lower.contains(['*', '?']);
        Self { text, lower, is_plain }
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_lower(&lower(text))
    }

    /// The same for a text that [`lower`] has made.
    pub fn matches_lower(&self, text: &str) -> bool {
        if self.is_plain {
            return self.lower == text;
        }
        glob(self.lower.chars(), text.chars())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Linear but for one star to go back to: only the last star can have to swallow more.
fn glob<'a>(mut pattern: Chars<'a>, mut text: Chars<'a>) -> bool {
    let mut last_star: Option<(Chars<'a>, Chars<'a>)> = None;
    loop {
        match pattern.next() {
            Some('*') => {
                last_star = Some((pattern.clone(), text.clone()));
                continue;
            }
            Some(wanted) => {
                let mut ahead = text.clone();
                if ahead.next().is_some_and(|found| wanted == '?' || wanted == found) {
                    text = ahead;
                    continue;
                }
            }
            None if text.as_str().is_empty() => return true,
            None => {}
        }
        let Some((rest, mut from)) = last_star.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        pattern = rest.clone();
        text = from.clone();
        last_star = Some((rest, from));
    }
}

#[cfg(test)]
mod tests;
