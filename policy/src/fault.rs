//! What is wrong with a policy, where, and what to do about it.

use std::{fmt, ops::Range};

use serde::Serialize;

/// One thing that is wrong in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Where in it; absent if the file as a whole is meant.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Counts from one.
    pub line: usize,
    /// Counts characters, from one.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// The line itself.
    pub shown: String,
}

/// Everything that is wrong with a set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

/// A file that was read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its name, for people.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Source<'_> {
    /// Something is wrong with these bytes of the text.
    pub fn fault(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Fault {
        let begin = floor(self.text, span.start);
        let line_begin = self.text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_begin..].lines().next().unwrap_or_default();
        let end = floor(self.text, span.end)
            .clamp(begin, line_begin + line.len().max(begin - line_begin));
        let place = Place {
            line: self.text[..line_begin].matches('\n').count() + 1,
            column: self.text[line_begin..begin].chars().count() + 1,
            width: self.text[begin..end].chars().count().max(1),
            shown: line.to_owned(),
        };
        let file = self.file.to_owned();
        Fault { file, place: Some(place), what: what.into(), advice: advice.into() }
    }
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Fault {
    /// Something is wrong with a whole file or folder.
    pub fn of_file(
        file: impl Into<String>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), place: None, what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, what, advice } = self;
        let Some(Place { line, column, width, shown }) = place else {
            return write!(f, "{file}: {what}\n  help: {advice}");
        };
        // Tabs stay tabs below the line, so that the marks stand where the fault is.
        let blank: String =
            shown.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let marks = "^".repeat(*width);
        writeln!(f, "{file}:{line}:{column}: {what}")?;
        writeln!(f, "{line:>5} | {shown}")?;
        writeln!(f, "      | {blank}{marks}")?;
        write!(f, "  help: {advice}")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {many} in the policies", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
    }
}

/// The candidate a misspelt word was probably meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, left) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}
