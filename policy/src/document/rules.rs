//! Reads what a policy demands.

use std::time::Duration;

use contracts::gate::RecentFailure;
use located::{Placed, Section};

use super::{calendar, scope::patterns, times};
use crate::model::{Budget, Cost, Limits, OnViolation, Rule};

/// How old a plan may be at the least.
const PLAN_AGE_MIN: Duration = Duration::from_secs(5 * 60);
/// Within which time failures count if their block does not say.
const WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// Within which time they count at the most.
const WITHIN_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long code that is gone may come back, unless it is said, before what it made is destroyed.
const COMES_BACK: Duration = Duration::from_secs(15 * 60);

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
    if let Some(section) = policy.block("limits") {
        let (limits, at_once) = (limits(&section, policy), concurrency(&section, policy));
        // Waiting helps against too many at once, and against nothing else of it.
        if at_once.is_none() || limits != Limits::default() {
            let waits = at_once.is_some();
            let on_violation = of_limits(policy, on_violation.as_ref(), waits);
            rules.push(Rule::Limits { limits, on_violation });
        }
        rules.extend(at_once.map(|most| Rule::Concurrency {
            most,
            on_violation: on_violation.as_ref().map_or(OnViolation::Queue, |(what, _)| *what),
        }));
    }
    let budget = policy.block("budget").and_then(|section| budget(&section, policy));
    rules.extend(budget.map(|budget| Rule::Budget {
        budget,
        on_violation: on_violation.as_ref().map_or(OnViolation::Queue, |(what, _)| *what),
    }));
    rules.extend(policy.block("deregistration").and_then(|section| deregistration(&section)));
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
    if ["schedule", "limits", "budget"].iter().all(|block| policy.block(block).is_none()) {
        section.fault(
            "an `action` says what to do outside a `schedule` or beyond `limits` or a `budget`, and \
             there is none",
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
fn of_limits(
    policy: &Section<'_>,
    on_violation: Option<&Placed<OnViolation>>,
    waits: bool,
) -> OnViolation {
    match on_violation {
        Some((OnViolation::Queue, span))
            if !waits && policy.block("schedule").is_none() && policy.block("budget").is_none() =>
        {
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

/// How old a plan may be. Making it anew takes a while itself.
fn plan_age(section: &Section<'_>) -> Option<Duration> {
    let (age, span) = times::duration(section, "max_plan_age")?;
    if age < PLAN_AGE_MIN {
        section.fault_at(
            span,
            "a plan that is so soon too old is made anew for ever",
            "write \"5m\" or more",
        );
        return None;
    }
    Some(age)
}

fn budget(section: &Section<'_>, policy: &Section<'_>) -> Option<Budget> {
    section.only(&["max_failures", "within", "of_chain"], &[]);
    let (within, span) =
        times::duration(section, "within").map_or((WITHIN, None), |(it, span)| (it, Some(span)));
    if let Some(span) = span.filter(|_| within > WITHIN_MAX) {
        section.fault_at(span, "nobody remembers failures for so long", "write \"7d\" or less");
    }
    let Some(max_failures) = section.number("max_failures") else {
        if section.span_of("max_failures").is_none() {
            section.fault("this budget has no end", "write `max_failures = 3`");
        }
        return None;
    };
    if max_failures >= RecentFailure::MOST as u64 {
        let span = section.span_of("max_failures").unwrap_or_default();
        section.fault_at(span, "so many failures are not counted", "write a number below 200");
    }
    if let Some(scope) = policy.block("match")
        && let Some(span) = scope.span_of("moment")
        && scope.texts("moment").iter().any(|(moment, _)| moment == "before_chain")
    {
        let advice = "leave `before_chain` out, or `moment` altogether";
        policy.fault_at(span, "a budget speaks before plans and applies", advice);
    }
    let of_chain = section.flag("of_chain").unwrap_or(false);
    Some(Budget { max_failures, within, of_chain })
}

/// How many chains may be under way at once.
fn concurrency(section: &Section<'_>, policy: &Section<'_>) -> Option<u64> {
    let most = section.number("max_concurrent")?;
    if most == 0 {
        let span = section.span_of("max_concurrent").unwrap_or_default();
        let advice = "write 1 or more, or a `stop` block";
        section.fault_at(span, "this would hold every chain for ever", advice);
    }
    if let Some(scope) = policy.block("match")
        && let Some(span) = scope.span_of("moment")
        && scope.texts("moment").iter().any(|(moment, _)| moment != "before_chain")
    {
        let advice = "leave `moment` out; how many runs may be at once is said in `[limits]` of the \
                      executor";
        policy.fault_at(span, "`max_concurrent` counts chains, and speaks before them", advice);
    }
    Some(most)
}

/// Limits on a plan at gates that never see one would let everything pass.
fn of_plan_too_early(limits: &Limits, policy: &Section<'_>) {
    let Some(scope) = policy.block("match") else { return };
    let Some(span) = scope.span_of("moment").filter(|_| limits.of_plan()) else { return };
    if scope.texts("moment").iter().all(|(moment, _)| moment != "before_apply") {
        policy.fault_at(
            span,
            "these limits are about a plan, and it is known before the apply alone",
            "add \"before_apply\", or leave `moment` out",
        );
    }
}

fn deregistration(section: &Section<'_>) -> Option<Rule> {
    section.only(&["on_code_gone", "after"], &[]);
    if section.span_of("on_code_gone").is_none() {
        section.fault(
            "nothing is said of stacks whose code is gone",
            "write `on_code_gone = \"destroy\"` or \"loosen\"",
        );
    }
    let text = section.text("on_code_gone")?;
    let destroy = section.word("on_code_gone", &text, &[("destroy", true), ("loosen", false)])?;
    let after = times::duration(section, "after");
    if let Some((_, span)) = after.as_ref().filter(|_| !destroy) {
        section.fault_at(span.clone(), "nothing is destroyed after that", "leave `after` out");
    }
    Some(Rule::Deregistration { destroy, after: after.map_or(COMES_BACK, |(after, _)| after) })
}

fn limits(section: &Section<'_>, policy: &Section<'_>) -> Limits {
    section.only(
        &[
            "max_stacks",
            "max_resources",
            "max_added",
            "max_changed",
            "max_deleted",
            "protected_types",
            "max_cost_delta",
            "max_plan_age",
            "max_concurrent",
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
        max_cost_delta: section.decimal("max_cost_delta").map(Cost::from),
        max_plan_age: plan_age(section),
    };
    of_plan_too_early(&limits, policy);
    if section.is_empty() {
        section.fault(
            "these limits limit nothing",
            "give them `max_stacks`, `max_deleted`, `protected_types` or another",
        );
    }
    limits
}
