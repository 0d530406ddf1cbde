//! Policies that are programs: Rego, with the inputs Spacelift gives its policies.
//!
//! A program is asked rule by rule; which rules it has says what kind of policy it is. It gets no
//! clock, no network, no environment and no chance: the same input gives the same answer.

mod input;
mod unfilled;

use std::fmt;

use chrono::{DateTime, Utc};
use contracts::{chain::ChainKind, gate::Moment};
use rego::{Host, Value, first_line};
use serde::Serialize;

pub use input::Inputs;
pub use rego::Unreadable;
pub(crate) use rego::banned;
pub(crate) use unfilled::{unfilled, wants_ended_run};

/// How many reasons of one rule are told.
const REASONS_MAX: usize = 20;
/// How long a reason may be.
const REASON_CHARS_MAX: usize = 500;

/// The rules a program may have; each is one word of Spacelift's policies, or ours.
const RULES: [&str; 13] = [
    "deny",
    "warn",
    "approve",
    "reject",
    "hold_until",
    "track",
    "propose",
    "ignore",
    "ignore_track",
    "notrigger",
    "fail",
    "message",
    "trigger",
];

/// Rules that mean something at Spacelift and nothing here, and why.
const IDLE: [(&str, &str); 9] = [
    ("cancel", "what a newer push makes needless is superseded by itself"),
    ("notify", "who is told is said to the notifier"),
    ("prioritize", "chains go by their turn"),
    ("allow_fork", "what comes from a fork is refused or not by ingest"),
    ("external_dependency", "what a run waits for is its hooks"),
    ("module_version", "modules are not released here"),
    ("flag", "runs have no flags here"),
    ("sample", "every question is kept"),
    ("inbox", "who is told is said to the notifier"),
];

/// A program that was read.
#[derive(Serialize)]
pub struct Program {
    /// Where its rules are: `data.spacelift`.
    package: String,
    /// The rules it has, of those that are known.
    rules: Vec<&'static str>,
    /// A rule whose value is an object with the names of those rules, if one was named.
    object: Option<String>,
    /// Of its text.
    digest: String,
    /// Those of its rules that mean nothing here, and why.
    #[serde(skip)]
    idle: Vec<(&'static str, &'static str)>,
    #[serde(skip)]
    host: Host,
}

/// What a program says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why not.
    pub deny: Vec<String>,
    /// What people should know.
    pub warn: Vec<String>,
    /// It wants people to say something.
    pub is_undecided: bool,
    /// Not before.
    pub hold_until: Option<DateTime<Utc>>,
}

impl Program {
    /// Reads a program: as Rego v1 and, unless v1 is asked for, as v0 if that fails.
    pub fn read(
        file: &str,
        text: &str,
        entrypoint: Option<&str>,
        version: Option<u64>,
    ) -> Result<Self, Unreadable> {
        let host = Host::read(file, text, version)?;
        let package = host.package().to_owned();
        let has = |rule: &str| host.declares(rule);
        let mut rules: Vec<&'static str> = RULES.into_iter().filter(|rule| has(rule)).collect();
        let mut object = None;
        if let Some(rule) = entrypoint.filter(|entrypoint| *entrypoint != package) {
            let name = rule.strip_prefix(&format!("{package}.")).unwrap_or_default();
            if name.is_empty() || !has(name) {
                let what = format!("it has no `{rule}`; its package is `{package}`");
                return Err(Unreadable { what, at: None });
            }
            rules.retain(|known| *known == name);
            object = rules.is_empty().then(|| name.to_owned());
        }
        let idle: Vec<_> = IDLE.into_iter().filter(|(rule, _)| has(rule)).collect();
        if rules.is_empty() && object.is_none() && idle.is_empty() {
            let known = RULES.map(|rule| format!("`{rule}`")).join(", ");
            let what = format!("it has none of the rules that mean something here: {known}");
            return Err(Unreadable { what, at: None });
        }
        let digest = host.digest().to_owned();
        let program = Self { package, rules, object, digest, idle, host };
        program.host.try_out(&program.asked())?;
        Ok(program)
    }

    /// Those of its rules that mean nothing here, and why; `sample` is known to do nothing to it.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.idle.iter().copied().filter(|(rule, _)| *rule != "sample")
    }

    /// Whether it says what follows a run, as trigger policies do.
    pub(crate) fn triggers(&self) -> bool {
        self.has("trigger")
    }

    /// The rules that are evaluated.
    fn asked(&self) -> Vec<&str> {
        match &self.object {
            Some(object) => vec![object],
            None => self.rules.clone(),
        }
    }

    /// Whether the program has this rule.
    fn has(&self, rule: &str) -> bool {
        self.rules.contains(&rule)
    }

    /// Whether it judges a push, and so only what the push itself touches: at Spacelift, too, nobody
    /// asks it about what follows a run.
    pub fn judges_push(&self) -> bool {
        let of_push = ["track", "propose", "ignore", "ignore_track", "notrigger", "fail"];
        of_push.iter().any(|rule| self.has(rule))
    }

    /// The gates at which it speaks by itself: those at which Spacelift asks such a policy.
    pub fn moments(&self) -> &'static [Moment] {
        if self.judges_push() {
            return &[Moment::BeforeChain];
        }
        if self.has("trigger") {
            return &[Moment::BeforePlan];
        }
        &[Moment::BeforeApply]
    }

    /// The chains it is about by itself.
    pub fn kinds(&self) -> &'static [ChainKind] {
        let of_review = ["approve", "reject", "hold_until", "trigger"];
        match self.rules.iter().all(|rule| of_review.contains(rule)) && !self.rules.is_empty() {
            true => &[ChainKind::Deploy],
            false => &[ChainKind::Deploy, ChainKind::Preview],
        }
    }

    /// Asks all of its rules. The error says why it cannot be answered.
    pub fn ask(&self, input: &Value) -> Result<Answer, String> {
        let values = self.values(input).map_err(|error| first_line(&error))?;
        let kind = word(input, &["stackly", "kind"]);
        let stack = word(input, &["stack", "id"]);
        let mut answer = Answer::default();
        let mut is = Verdicts::default();
        for (rule, value) in &values {
            let holds = is_true(value);
            match rule.as_str() {
                "deny" => answer.deny.extend(texts(value, "it says `deny`")),
                "warn" => answer.warn.extend(texts(value, "it says `warn`")),
                "message" => answer.warn.extend(texts(value, "it says `message`")),
                "fail" if holds => answer.deny.push("it says `fail`".to_owned()),
                "notrigger" if holds => answer.deny.push("it says `notrigger`".to_owned()),
                "ignore" if holds => answer.deny.push("it says `ignore`".to_owned()),
                "approve" => is.approved = holds,
                "reject" => is.rejected = holds,
                "track" => is.tracked = Some(holds),
                "propose" => is.proposed = Some(holds),
                "ignore_track" => is.untracked = holds,
                "hold_until" => answer.hold_until = latest(value)?,
                "trigger" if !names(value, &stack) => {
                    answer.deny.push("it does not trigger this stack".to_owned());
                }
                _ => {}
            }
        }
        is.settle(self, &kind, &mut answer);
        Ok(answer)
    }

    fn values(&self, input: &Value) -> Result<Vec<(String, Value)>, String> {
        let values = self.host.ask(input, &self.asked())?;
        if self.object.is_none() {
            return Ok(values);
        }
        let named = |rule: &&str| (*rule).to_owned();
        let value = values.first().map_or(&Value::Undefined, |(_, value)| value);
        let fields = RULES.iter().map(|rule| (named(rule), value[*rule].clone()));
        Ok(fields.filter(|(_, value)| *value != Value::Undefined).collect())
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
}

impl Verdicts {
    fn settle(&self, program: &Program, kind: &str, answer: &mut Answer) {
        if self.rejected {
            answer.deny.push("it says `reject`".to_owned());
        }
        let wants_people = program.has("approve") || program.has("reject");
        answer.is_undecided = wants_people && !self.approved && !self.rejected;
        let is_push = self.tracked.is_some() || self.proposed.is_some();
        let wanted = match kind {
            "preview" => self.proposed.unwrap_or(false),
            _ => self.tracked.unwrap_or(false) && !self.untracked,
        };
        if is_push && !wanted {
            let word = if kind == "preview" { "propose" } else { "track" };
            answer.deny.push(format!("it does not say `{word}`"));
        }
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(holds) => *holds,
        Value::Set(items) => !items.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// The reasons a rule gives.
fn texts(value: &Value, plain: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    };
    let cut = |text: String| text.chars().take(REASON_CHARS_MAX).collect::<String>();
    let all: Vec<String> = match value {
        Value::Set(items) => items.iter().map(text).map(cut).take(REASONS_MAX).collect(),
        Value::Array(items) => items.iter().map(text).map(cut).take(REASONS_MAX).collect(),
        Value::String(_) => vec![cut(text(value))],
        Value::Bool(true) => vec![plain.to_owned()],
        _ => Vec::new(),
    };
    all
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
    let wrong = || format!("`hold_until` gives {value}, which is no time");
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

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        (&self.package, &self.rules, &self.object, &self.digest)
            == (&other.package, &other.rules, &other.object, &other.digest)
    }
}

impl Eq for Program {}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("package", &self.package)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
