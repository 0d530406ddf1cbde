//! The query language of `stackly stacks`: `label:env:prod space:root,legacy not:status:loose net*`.
//!
//! A query is words; a stack is found if every word holds for it. A word is `field:values`: one of
//! the values (between commas) must fit, where `*` and `?` stand for any text and any character. A
//! word without a field is about the id and the name; `not:` or `-` in front turns a word around.

use std::fmt;

use crate::register::Status;

/// What can be asked for.
const FIELDS: [(&str, Field); 9] = [
    ("label", Field::Label),
    ("space", Field::Space),
    ("repository", Field::Repository),
    ("repo", Field::Repository),
    ("branch", Field::Branch),
    ("path", Field::Path),
    ("owner", Field::Owner),
    ("status", Field::Status),
    ("name", Field::Name),
];

/// The standings `status:` knows; a stack without known code is `plain`.
const STATUSES: [&str; 5] = ["active", "loose", "plain", "disabled", "rewritten"];

/// A query, ready to be asked of stacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    field: Field,
    values: Vec<String>,
    is_turned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Label,
    Space,
    Repository,
    Branch,
    Path,
    Owner,
    Status,
    Name,
}

/// What a query asks about a stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts<'a> {
    /// Its id and its names.
    pub names: Vec<&'a str>,
    /// Its labels.
    pub labels: Vec<&'a str>,
    /// Its space.
    pub space: &'a str,
    /// Its repository.
    pub repository: &'a str,
    /// The branch it tracks.
    pub branch: &'a str,
    /// The folder it runs in.
    pub path: &'a str,
    /// Who answers for it.
    pub owners: Vec<&'a str>,
    /// How its code stands, if it is known to have any.
    pub status: Option<Status>,
    /// It cannot run.
    pub is_disabled: bool,
    /// Its code differs from a history that was rewritten.
    pub is_rewritten: bool,
}

/// Why a query cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryError {
    word: String,
    text: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.word, self.text)
    }
}

impl Query {
    /// Reads a query.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let words = text.split_whitespace().map(word).collect::<Result<_, _>>()?;
        Ok(Self { words })
    }

    /// Whether a stack is found.
    pub(crate) fn finds(&self, facts: &Facts<'_>) -> bool {
        self.words.iter().all(|word| word.holds(facts) != word.is_turned)
    }
}

fn word(text: &str) -> Result<Word, QueryError> {
    let error = |what: String| QueryError { word: text.to_owned(), text: what };
    let (is_turned, rest) = match text.strip_prefix("not:").or_else(|| text.strip_prefix('-')) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (field, values) = match rest.split_once(':') {
        None => (Field::Name, rest),
        Some((name, values)) => {
            let known = FIELDS.iter().find(|(known, _)| *known == name);
            let field = known.map(|(_, field)| *field).ok_or_else(|| {
                let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                error(format!("there is no field `{name}`; there are {}", names.join(", ")))
            })?;
            (field, values)
        }
    };
    let values: Vec<String> =
        values.split(',').filter(|value| !value.is_empty()).map(ToOwned::to_owned).collect();
    if values.is_empty() {
        return Err(error("it asks for nothing; write a value behind it".to_owned()));
    }
    if field == Field::Status
        && let Some(unknown) = values.iter().find(|value| !STATUSES.contains(&value.as_str()))
    {
        let known = STATUSES.join(", ");
        return Err(error(format!("there is no status `{unknown}`; there are {known}")));
    }
    Ok(Word { field, values, is_turned })
}

impl Word {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let fits = |given: &str| self.values.iter().any(|value| fits(value, given));
        match self.field {
            Field::Label => facts.labels.iter().any(|label| fits(label)),
            Field::Space => fits(facts.space),
            Field::Repository => fits(facts.repository),
            Field::Branch => fits(facts.branch),
            Field::Path => {
                let below = |value: &String| {
                    facts
                        .path
                        .strip_prefix(value.trim_end_matches('/'))
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                fits(facts.path) || self.values.iter().any(below)
            }
            Field::Owner => facts.owners.iter().any(|owner| fits(owner)),
            Field::Name => facts.names.iter().any(|name| fits(name)),
            Field::Status => self.values.iter().any(|value| match value.as_str() {
                "plain" => facts.status.is_none(),
                "disabled" => facts.is_disabled,
                "rewritten" => facts.is_rewritten,
                status => facts.status.is_some_and(|known| known.as_str() == status),
            }),
        }
    }
}

/// Whether a text fits a pattern of `*` and `?`, in any case. Goes back at most once per `*`.
fn fits(pattern: &str, text: &str) -> bool {
    fits_exactly(&pattern.to_lowercase(), &text.to_lowercase())
}

/// Whether a text fits a pattern in which `*` and `?` stand for text.
pub(crate) fn fits_exactly(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some('?') => (at, from) = (at + 1, from + 1),
            Some(&c) if c == text[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((place, tried)) => {
                    star = Some((place, tried + 1));
                    (at, from) = (place + 1, tried + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
