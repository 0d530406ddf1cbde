//! Reads what a policy demands.

use located::{Placed, Section};

use super::{calendar, scope::patterns};
use crate::model::{Limits, OnViolation, Rule};

const ON_VIOLATION: [(&str, OnViolation); 3] =
    [("queue", OnViolation::Queue), ("deny", OnViolation::Deny), ("warn", OnViolation::Warn)];

/// All rules of a policy, as far as they can be read.
pub(super) fn read(policy: &Section<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let on_violation = action(policy);
    rules.extend(policy.block("deny").and_then(|section| reason(&section)).map(deny));
    let window = policy.block("schedule").and_then(|section| calendar::schedule(&section));
    rules.extend(window.map(|schedule| Rule::Window {
        schedule,
        on_violation: on_violation.as_ref().map_or(OnViolation::Queue, |(what, _)| *what),
    }));
    rules.extend(policy.block("limits").map(|section| Rule::Limits {
        limits: limits(&section),
        on_violation: of_limits(policy, on_violation.as_ref()),
    }));
    rules.extend(policy.block("approval").and_then(|section| super::approval::read(&section)));
    rules.extend(policy.block("warn").and_then(|section| reason(&section)).map(warn));
    rules
}

fn deny(reason: String) -> Rule {
    Rule::Deny { reason }
}

fn warn(reason: String) -> Rule {
    Rule::Warn { reason }
}

pub(super) fn reason(section: &Section<'_>) -> Option<String> {
    section.only(&["reason"], &[]);
    needed_reason(section)
}

pub(super) fn needed_reason(section: &Section<'_>) -> Option<String> {
    if section.span_of("reason").is_none() {
        section.fault("a reason is missing", "write `reason = \"…\"`: people will read it");
    }
    section.text("reason").map(|(reason, _)| reason)
}

/// What is to be done about who violates the schedule or the limits.
fn action(policy: &Section<'_>) -> Option<Placed<OnViolation>> {
    let section = policy.block("action")?;
    section.only(&["on_violation", "midway"], &[]);
    if policy.block("schedule").is_none() && policy.block("limits").is_none() {
        section.fault(
            "an `action` says what to do outside a `schedule` or beyond `limits`, and there is none",
            "add such a block, or delete this one",
        );
        return None;
    }
    on_violation(&section)
}

pub(super) fn on_violation(section: &Section<'_>) -> Option<Placed<OnViolation>> {
    let text = section.text("on_violation")?;
    section.word("on_violation", &text, &ON_VIOLATION).map(|what| (what, text.1))
}

/// What is too large does not get smaller by waiting.
fn of_limits(policy: &Section<'_>, on_violation: Option<&Placed<OnViolation>>) -> OnViolation {
    match on_violation {
        Some((OnViolation::Queue, span)) if policy.block("schedule").is_none() => {
            policy.fault_at(
                span.clone(),
                "what is beyond a limit cannot wait until it is not",
                "write \"deny\" or \"warn\"",
            );
            OnViolation::Deny
        }
        Some((OnViolation::Warn, _)) => OnViolation::Warn,
        _ => OnViolation::Deny,
    }
}

fn limits(section: &Section<'_>) -> Limits {
    section.only(
        &[
            "max_stacks",
            "max_resources",
            "max_added",
            "max_changed",
            "max_deleted",
            "protected_types",
        ],
        &[],
    );
    let limits = Limits {
        max_stacks: section.number("max_stacks"),
        max_resources: section.number("max_resources"),
        max_added: section.number("max_added"),
        max_changed: section.number("max_changed"),
        max_deleted: section.number("max_deleted"),
        protected_types: patterns(section, "protected_types"),
    };
    if section.is_empty() {
        section.fault(
            "these limits limit nothing",
            "give them `max_stacks`, `max_deleted`, `protected_types` or another",
        );
    }
    limits
}
