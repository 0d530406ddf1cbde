//! Reads what a policy demands.

use chrono_tz::{TZ_VARIANTS, Tz};
use located::{Placed, Section, nearest};

use super::Asked;
use crate::{
    model::{Approval, OnViolation, PolicySet, Rule, person},
    window::{Hours, Schedule, Weekdays},
};

const ON_VIOLATION: [(&str, OnViolation); 3] =
    [("queue", OnViolation::Queue), ("deny", OnViolation::Deny), ("warn", OnViolation::Warn)];

/// All rules of a policy, as far as they can be read.
pub(super) fn read(policy: &Section<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    rules.extend(policy.block("deny").and_then(|section| reason(&section)).map(deny));
    rules.extend(window(policy));
    rules.extend(
        policy.block("approval").and_then(|section| approval(&section)).map(Rule::Approval),
    );
    rules.extend(policy.block("warn").and_then(|section| reason(&section)).map(warn));
    rules
}

fn deny(reason: String) -> Rule {
    Rule::Deny { reason }
}

fn warn(reason: String) -> Rule {
    Rule::Warn { reason }
}

fn reason(section: &Section<'_>) -> Option<String> {
    section.only(&["reason"], &[]);
    if section.span_of("reason").is_none() {
        section.fault("a reason is missing", "write `reason = \"…\"`: people will read it");
    }
    section.text("reason").map(|(reason, _)| reason)
}

fn window(policy: &Section<'_>) -> Option<Rule> {
    let action = policy.block("action");
    let on_violation = action.as_ref().and_then(|section| {
        section.only(&["on_violation"], &[]);
        let text = section.text("on_violation")?;
        section.word("on_violation", &text, &ON_VIOLATION)
    });
    match (policy.block("schedule"), action) {
        (Some(section), _) => {
            let schedule = schedule(&section)?;
            Some(Rule::Window { schedule, on_violation: on_violation.unwrap_or_default() })
        }
        (None, Some(action)) => {
            action.fault(
                "an `action` says what to do outside a `schedule`, and there is none",
                "add a `schedule` block, or delete this one",
            );
            None
        }
        (None, None) => None,
    }
}

fn schedule(section: &Section<'_>) -> Option<Schedule> {
    section.only(&["allowed_hours", "allowed_days", "timezone"], &[]);
    let has = |key| section.span_of(key).is_some();
    if !has("allowed_hours") && !has("allowed_days") {
        section.fault(
            "this schedule is always open",
            "give it `allowed_hours = [\"9-17\"]` or `allowed_days = [\"MON-FRI\"]`",
        );
        return None;
    }
    let hours = ranges(section, "allowed_hours", Hours::parse, HOURS_ADVICE);
    let days = ranges(section, "allowed_days", Weekdays::parse, DAYS_ADVICE);
    let zone = if has("timezone") { zone(section) } else { Some(Tz::UTC) };
    let all_day = || Hours::parse("0-24").ok().into_iter().collect();
    Some(Schedule {
        hours: if has("allowed_hours") { hours? } else { all_day() },
        days: match days {
            Some(days) => days.into_iter().reduce(Weekdays::and)?,
            None if has("allowed_days") => return None,
            None => Weekdays::ALL,
        },
        zone: zone?,
    })
}

/// Every range, or none if one is wrong or none is there.
fn ranges<T>(
    section: &Section<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, String>,
    advice: &str,
) -> Option<Vec<T>> {
    let read = |(text, span): &Placed<String>| {
        parse(text).map_err(|what| section.fault_at(span.clone(), what, advice)).ok()
    };
    let read: Vec<Option<T>> = section.texts(key).iter().map(read).collect();
    if read.is_empty() { None } else { read.into_iter().collect() }
}

fn zone(section: &Section<'_>) -> Option<Tz> {
    let (text, span) = section.text("timezone")?;
    let zone = text.parse().ok();
    if zone.is_none() {
        let advice = match nearest(&text, TZ_VARIANTS.iter().map(|zone| zone.name())) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "use a name of the IANA database, such as \"Europe/Berlin\"".to_owned(),
        };
        section.fault_at(span, format!("there is no time zone \"{text}\""), advice);
    }
    zone
}

/// `None` if the approval is switched off or cannot be read.
fn approval(section: &Section<'_>) -> Option<Approval> {
    section.only(
        &["required", "min_approvers", "allowed_users", "allowed_groups", "no_self_approval"],
        &[],
    );
    let required = section.flag("required").unwrap_or(true);
    let min_approvers = match section.span_of("min_approvers") {
        Some(_) => section.count("min_approvers").map(|(count, _)| count),
        None => Some(1),
    };
    let mut users: Vec<String> =
        section.texts("allowed_users").iter().map(|(user, _)| person(user)).collect();
    users.sort();
    users.dedup();
    let groups = section.texts("allowed_groups").into_iter().map(|(group, _)| group).collect();
    let no_self_approval = section.flag("no_self_approval").unwrap_or(false);
    let approval = Approval { min_approvers: min_approvers?, users, groups, no_self_approval };
    required.then_some(approval)
}

/// What must be said if this approval cannot be given.
pub(super) fn asked(policy: &str, approval: &Approval, section: &Section<'_>) -> Asked {
    let span = section.span_of("allowed_groups").unwrap_or_default();
    let unknown = approval.groups.iter().map(|group| {
        let what = format!("nobody is known to belong to the group \"{group}\"");
        let advice = format!("add `group \"{group}\" {{ members = [\"alice\", \"bob\"] }}`");
        (group.clone(), section.make_fault(span.clone(), what, advice))
    });
    let span = section.span_of("min_approvers").unwrap_or_default();
    let what = format!("{} people must approve, but fewer are allowed to", approval.min_approvers);
    let advice = "lower `min_approvers`, or allow more people: nothing could ever pass";
    Asked {
        policy: policy.to_owned(),
        unknown: unknown.collect(),
        too_few: section.make_fault(span, what, advice),
    }
}

/// Whether the approval of a policy asks for more people than may give it.
pub(super) fn too_few(set: &PolicySet, policy: &str) -> bool {
    let rules = set.policies.iter().filter(|other| other.name == policy).flat_map(|p| &p.rules);
    rules.into_iter().any(|rule| match rule {
        Rule::Approval(approval) => {
            set.approvers(approval).is_some_and(|people| people.len() < approval.min_approvers)
        }
        _ => false,
    })
}

const HOURS_ADVICE: &str = "write \"9-17\", \"9:30-17:15\", \"22-6\" (over midnight) or \"0-24\"";
const DAYS_ADVICE: &str = "write \"MON\", \"MON-FRI\" or \"FRI-MON\" (over the weekend)";
