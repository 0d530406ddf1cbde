//! What is wrong, where, and what to do about it.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// One thing that is wrong in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        let place = Some(self.place(span));
        Fault { file: self.file.to_owned(), place, what: what.into(), advice: advice.into() }
    }

    /// Where these bytes of the text stand.
    pub fn place(&self, span: Range<usize>) -> Place {
        let begin = floor(self.text, span.start);
        let line_begin = self.text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_begin..].lines().next().unwrap_or_default();
        let end = floor(self.text, span.end)
            .clamp(begin, line_begin + line.len().max(begin - line_begin));
        let before = line.len().min(SHOWN_MAX);
        Place {
            line: self.text[..line_begin].matches('\n').count() + 1,
            column: self.text[line_begin..begin].chars().count() + 1,
            width: self.text[begin..end].chars().count().max(1),
            shown: line[..floor(line, before)].to_owned(),
        }
    }
}

/// The most bytes of a line that are shown: a file may be one line of a megabyte.
const SHOWN_MAX: usize = 400;

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Fault {
    /// The line it is in, if it is in one.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

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
        let marks =
            "^".repeat((*width).min(shown.chars().count().saturating_sub(column - 1)).max(1));
        writeln!(f, "{file}:{line}:{column}: {what}")?;
        writeln!(f, "{line:>5} | {shown}")?;
        writeln!(f, "      | {blank}{marks}")?;
        write!(f, "  help: {advice}")
    }
}

/// `` `a`, `b` and `c` ``.
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

/// In the order in which one would look for them: by file, then by place.
pub fn sort(faults: &mut [Fault]) {
    faults.sort_by(|one, other| {
        let at = |fault: &Fault| fault.place.as_ref().map(|place| (place.line, place.column));
        (&one.file, at(one)).cmp(&(&other.file, at(other)))
    });
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
