//! Policies that are programs: Rego, with the inputs Spacelift gives its policies.
//!
//! A program is asked rule by rule; which rules it has says what kind of policy it is. It gets no
//! clock, no network, no environment and no chance: the same input gives the same answer.

mod address;
mod answer;
mod input;
mod reads;
mod unfilled;

use std::{fmt, time::Duration};

use contracts::{chain::ChainKind, gate::Moment};
use rego::{Host, Value, first_line};
use serde::Serialize;

pub(crate) use answer::Answer;
pub(crate) use input::Inputs;
pub(crate) use reads::Labels;
pub(crate) use rego::Unreadable;
pub(crate) use rego::banned;
pub(crate) use unfilled::{unfilled, wants_ended_run};

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
const IDLE: [(&str, &str); 14] = [
    ("cancel", "what a newer push makes needless is superseded by itself"),
    ("notify", "who is told is said to the notifier"),
    ("prioritize", "chains go by their turn"),
    ("allow_fork", "what comes from a fork is refused or not by ingest"),
    ("external_dependency", "what a run waits for is its hooks"),
    ("module_version", "modules are not released here"),
    ("flag", "runs have no flags here"),
    ("sample", "every question is kept"),
    ("inbox", "who is told is said to the notifier"),
    ("slack", "who is told is said to the notifier"),
    ("webhook", "who is told is said to the notifier"),
    ("pull_request", "who is told is said to the notifier"),
    ("lock", "who locks a stack is a person, or a chain that runs on it"),
    ("unlock", "who locks a stack is a person, or a chain that runs on it"),
];

/// What becomes of a plan that a program warns about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWarn {
    /// A person approves it first, as at Spacelift.
    #[default]
    Hold,
    /// It goes on, and it is said.
    Tell,
}

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
    #[serde(skip_serializing_if = "OnWarn::is_hold")]
    on_warn: OnWarn,
    /// Those of its rules that mean nothing here, and why.
    #[serde(skip)]
    idle: Vec<(&'static str, &'static str)>,
    /// Whether it looks at what a plan changes.
    #[serde(skip)]
    reads_plan: bool,
    /// Whether it looks at who said no.
    #[serde(skip)]
    reads_rejections: bool,
    /// Whose labels it looks at.
    #[serde(skip)]
    reads_labels: Labels,
    #[serde(skip)]
    host: Host,
}

impl OnWarn {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
    fn is_hold(&self) -> bool {
        *self == Self::Hold
    }
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
        let is_asked = !rules.is_empty() || object.is_some();
        let reads_plan = is_asked && reads::plan(text);
        let reads_rejections = reads::rejections(text);
        let program = Self {
            package,
            rules,
            object,
            digest,
            on_warn: OnWarn::default(),
            idle,
            reads_plan,
            reads_rejections,
            reads_labels: reads::labels(text),
            host,
        };
        program.host.try_out(&program.asked())?;
        Ok(program)
    }

    /// The same, and what becomes of a plan that it warns about.
    #[must_use]
    pub fn on(mut self, warn: OnWarn) -> Self {
        self.on_warn = warn;
        self
    }

    /// What becomes of a plan that it warns about.
    pub fn on_warn(&self) -> OnWarn {
        self.on_warn
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

    /// Whether it looks at what a plan changes, as far as its text tells.
    pub fn reads_plan(&self) -> bool {
        self.reads_plan
    }

    /// Whose labels it looks at, as far as its text tells.
    pub(crate) fn reads_labels(&self) -> Labels {
        self.reads_labels
    }

    /// Whether it says itself when people have said enough.
    pub fn wants_people(&self) -> bool {
        self.has("approve") || self.has("reject")
    }

    /// Whether all it says depends on what people said.
    pub fn only_wants_people(&self) -> bool {
        self.wants_people() && self.rules.iter().all(|rule| ["approve", "reject"].contains(rule))
    }

    /// Whether it says itself what a person's no means.
    pub fn judges_rejections(&self) -> bool {
        self.wants_people() && self.reads_rejections
    }

    /// Asks all of its rules. The error says why it cannot be answered.
    pub fn ask(&self, input: &Value) -> Result<Answer, String> {
        let mut left = Duration::MAX;
        self.ask_within(input, &mut left)
    }

    /// The same where many questions have one time together: what this one took is taken off `left`.
    pub fn ask_within(&self, input: &Value, left: &mut Duration) -> Result<Answer, String> {
        let values = self.values(input, left).map_err(|error| first_line(&error))?;
        Answer::of(self, input, &values)
    }

    fn values(&self, input: &Value, left: &mut Duration) -> Result<Vec<(String, Value)>, String> {
        let values = self.host.ask_within(input, &self.asked(), left)?;
        if self.object.is_none() {
            return Ok(values);
        }
        let named = |rule: &&str| (*rule).to_owned();
        let Some((name, value)) = values.first() else { return Ok(values) };
        let fields = RULES.iter().map(|rule| (named(rule), value[*rule].clone()));
        match value {
            Value::Undefined | Value::Null | Value::Bool(false) | Value::Object(_) => {
                Ok(fields.filter(|(_, value)| *value != Value::Undefined).collect())
            }
            _ => Err(format!("`{name}` gives {value}, which is no object with rules")),
        }
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        (&self.package, &self.rules, &self.object, &self.digest, self.on_warn)
            == (&other.package, &other.rules, &other.object, &other.digest, other.on_warn)
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
