//! Globs as policies write them: `*` stands for any run of characters, `?` for one.

use std::{fmt, str::Chars};

use serde::Serialize;

/// One pattern of a `match` block. Compared without regard to case: neither Spacelift nor GitHub
/// lets two things differ in case alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        glob(self.0.chars(), text.chars())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
                if ahead.next().is_some_and(|found| wanted == '?' || same(wanted, found)) {
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

fn same(one: char, other: char) -> bool {
    one.to_lowercase().eq(other.to_lowercase())
}

#[cfg(test)]
mod tests;
