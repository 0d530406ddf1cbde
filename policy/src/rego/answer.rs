//! What the values of a program's rules mean.

use chrono::{DateTime, Utc};
use rego::Value;

use super::Program;

/// How many reasons of one rule are told.
const REASONS_MAX: usize = 20;
/// How long a reason may be.
const REASON_CHARS_MAX: usize = 500;

/// What a program says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why not.
    pub deny: Vec<String>,
    /// What people should look at.
    pub warn: Vec<String>,
    /// What people should know.
    pub tell: Vec<String>,
    /// It wants people to say something.
    pub is_undecided: bool,
    /// Not before.
    pub hold_until: Option<DateTime<Utc>>,
}

impl Answer {
    /// What follows from the values of these rules of a program for this input.
    pub(super) fn of(
        program: &Program,
        input: &Value,
        values: &[(String, Value)],
    ) -> Result<Self, String> {
        let stack = word(input, &["stack", "id"]);
        let mut answer = Self::default();
        let mut is = Verdicts::default();
        for (rule, value) in values {
            let (holds, says) = (is_true(value), !texts(value, "").is_empty());
            match rule.as_str() {
                "deny" => answer.deny.extend(texts(value, "it says `deny`")),
                "warn" => answer.warn.extend(texts(value, "it says `warn`")),
                "message" => answer.tell.extend(texts(value, "it says `message`")),
                "ignore" if says => answer.deny.push("it says `ignore`".to_owned()),
                "approve" => is.approved = holds,
                "reject" => is.rejected = says,
                "track" => is.tracked = Some(holds),
                "propose" => is.proposed = Some(holds),
                "ignore_track" => is.untracked = says,
                "notrigger" => is.untriggered = says,
                "fail" => is.failed = says,
                "hold_until" => answer.hold_until = latest(value)?,
                "trigger" if !names(value, &stack) => {
                    answer.deny.push("it does not trigger this stack".to_owned());
                }
                _ => {}
            }
        }
        is.settle(program, &word(input, &["stackly", "kind"]), &mut answer);
        Ok(answer)
    }
}

/// What a program said that must be seen together.
#[derive(Default)]
struct Verdicts {
    approved: bool,
    rejected: bool,
    tracked: Option<bool>,
    proposed: Option<bool>,
    untracked: bool,
    untriggered: bool,
    failed: bool,
}

impl Verdicts {
    fn settle(&self, program: &Program, kind: &str, answer: &mut Answer) {
        if self.rejected {
            answer.deny.push("it says `reject`".to_owned());
        }
        answer.is_undecided = program.wants_people() && !self.approved && !self.rejected;
        let (is_preview, is_push) =
            (kind == "preview", self.tracked.is_some() || self.proposed.is_some());
        let wanted = match is_preview {
            true => self.proposed.unwrap_or(false),
            false => self.tracked.unwrap_or(false) && !self.untracked,
        };
        if is_push && !wanted {
            let word = if is_preview { "propose" } else { "track" };
            answer.deny.push(format!("it does not say `{word}`"));
        }
        if self.untriggered && !is_preview {
            answer.deny.push("it says `notrigger`".to_owned());
        }
        // Where something runs, it is about the check of what does not.
        if self.failed && !is_push {
            answer.deny.push("it says `fail`".to_owned());
        }
    }
}

/// Whether a rule that lets something go does so.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(holds) => *holds,
        Value::Set(items) => !items.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// The reasons a rule gives. Whatever is neither nothing nor false is one: what nobody can make sense
/// of lets nothing pass.
fn texts(value: &Value, plain: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    };
    let cut = |text: String| text.chars().take(REASON_CHARS_MAX).collect::<String>();
    let all: Vec<String> = match value {
        Value::Undefined | Value::Null | Value::Bool(false) => Vec::new(),
        Value::Bool(true) => vec![plain.to_owned()],
        Value::Set(items) => items.iter().map(text).collect(),
        Value::Array(items) => items.iter().map(text).collect(),
        // What `deny[text] if …` gives in Rego v1, without `contains`.
        Value::Object(said) => {
            let said = said.iter().filter(|(_, value)| **value != Value::Bool(false));
            said.map(|(key, value)| match value {
                Value::Bool(_) => text(key),
                value => format!("{}: {}", text(key), text(value)),
            })
            .collect()
        }
        one => vec![text(one)],
    };
    all.into_iter().take(REASONS_MAX).map(cut).collect()
}

/// The latest of the times a rule gives.
fn latest(value: &Value) -> Result<Option<DateTime<Utc>>, String> {
    let times = match value {
        Value::Undefined | Value::Null | Value::Bool(false) => return Ok(None),
        Value::Set(items) => items.iter().map(time).collect::<Result<Vec<_>, _>>()?,
        Value::Array(items) => items.iter().map(time).collect::<Result<Vec<_>, _>>()?,
        one => vec![time(one)?],
    };
    Ok(times.into_iter().max())
}

/// RFC 3339, or nanoseconds as Rego's own functions have them.
fn time(value: &Value) -> Result<DateTime<Utc>, String> {
    let wrong = || format!("`hold_until` gives {value}, which is not a time");
    match value {
        Value::String(text) => text.parse().map_err(|_| wrong()),
        Value::Number(_) => value.as_i64().map(DateTime::from_timestamp_nanos).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn names(value: &Value, stack: &str) -> bool {
    let is = |item: &Value| matches!(item, Value::String(text) if text.as_ref() == stack);
    match value {
        Value::Set(items) => items.iter().any(is),
        Value::Array(items) => items.iter().any(is),
        Value::Bool(holds) => *holds,
        one => is(one),
    }
}

/// A text inside the input.
fn word(input: &Value, path: &[&str]) -> String {
    let found = path.iter().fold(input, |value, key| &value[*key]);
    match found {
        Value::String(text) => text.to_string(),
        _ => String::new(),
    }
}
