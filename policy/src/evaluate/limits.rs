//! How large a change may be.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::gate::{GateRequested, Moment, RecentFailure};

use super::{
    facts::{Facts, StackFacts},
    scope::{About, fits},
};
use crate::model::{Budget, Limits, Policy, Rule};

/// What is said where something looks at a plan that nobody is asked about.
pub(super) const UNSEEN: &str = "it applies without asking about its plan, so nobody knows beforehand \
                                 what it changes";

/// Every limit that is exceeded, in words.
pub(super) fn exceeded(limits: &Limits, about: &About<'_>, facts: &Facts<'_>) -> Vec<String> {
    let request = facts.request;
    let mut found = Vec::new();
    let mut hold = |what: &str, most: Option<u64>, count: Option<u64>| {
        if let (Some(most), Some(count)) = (most, count)
            && count > most
        {
            found.push(format!("{count} {what}, and {most} are allowed"));
        }
    };
    hold("stacks in the chain", limits.max_stacks, facts.steps());
    if let Some(delta) = request.delta {
        let (added, changed, deleted) = (
            delta.added.unsigned_abs(),
            delta.changed.unsigned_abs(),
            delta.deleted.unsigned_abs(),
        );
        hold("resources touched", limits.max_resources, Some(added + changed + deleted));
        hold("resources added", limits.max_added, Some(added));
        hold("resources changed", limits.max_changed, Some(changed));
        hold("resources deleted", limits.max_deleted, Some(deleted));
    }
    if is_unknown(limits, request) {
        found.extend(match request.moment {
            Moment::BeforeApply => Some("nobody knows what the plan changes".to_owned()),
            Moment::BeforePlan if shows_no_plan(about, facts) => Some(UNSEEN.to_owned()),
            Moment::BeforeChain | Moment::BeforePlan => None,
        });
    }
    if let (Some(most), Some(cost)) = (limits.max_cost_delta, facts.cost_delta)
        && cost > most
    {
        found.push(format!("it adds {cost} to the costs of a month, and {most} are allowed"));
    }
    found.extend(protected(limits, request));
    found
}

/// Whether nobody knows what a limit must be held against.
fn is_unknown(limits: &Limits, request: &GateRequested) -> bool {
    let is_listed = request.changes.is_some() && request.changes_more == 0;
    request.delta.is_none()
        && (limits.counts() || (!limits.protected_types.is_empty() && !is_listed))
}

/// Whether this is the last question about something that applies without one about its plan.
fn shows_no_plan(about: &About<'_>, facts: &Facts<'_>) -> bool {
    let is_meant = |stack: &str| match about {
        About::Chain => false,
        About::Stacks(stacks) => stacks.contains(&stack),
    };
    facts.stacks.iter().any(|stack| stack.applies_unseen && is_meant(stack.id.as_str()))
}

/// Whether the plan is too old to be applied, in words, or when it will be. Plans of a whole chain
/// are made anew before each is applied anyway.
pub(super) fn stale(limits: &Limits, facts: &Facts<'_>) -> Option<Result<DateTime<Utc>, String>> {
    let request = facts.request;
    let most = limits.max_plan_age?;
    if request.moment != Moment::BeforeApply || !request.plans.is_empty() {
        return None;
    }
    let allowed = humantime::format_duration(most);
    let Some(planned_at) = request.planned_at else {
        return Some(Err(format!("nobody knows how old the plan is, and {allowed} are allowed")));
    };
    let most = TimeDelta::from_std(most).unwrap_or(TimeDelta::MAX);
    let due = planned_at.checked_add_signed(most)?;
    let age = (facts.now - planned_at).to_std().unwrap_or_default();
    Some(match due <= facts.now {
        true => {
            let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
            Err(format!("the plan is {age} old, and {allowed} are allowed; it is made anew"))
        }
        false => Ok(due),
    })
}

/// Why a budget of failures is spent, in words, and until when.
pub(super) fn spent(
    budget: &Budget,
    (policy, rule): (&Policy, &Rule),
    facts: &Facts<'_>,
) -> Option<(DateTime<Utc>, String)> {
    let within = TimeDelta::from_std(budget.within).unwrap_or(TimeDelta::MAX);
    let request = facts.request;
    let counts = |failure: &&RecentFailure| {
        failure.at <= facts.now
            && facts.now < failure.at + within
            && (!budget.of_chain || failure.chain == request.chain)
            && fits(policy, rule, &StackFacts::of_failure(failure))
    };
    let mut failed: Vec<&RecentFailure> = request.failures.iter().filter(counts).collect();
    failed.sort_by_key(|failure| failure.at);
    let over = failed.len().checked_sub(usize::try_from(budget.max_failures).ok()?)?;
    let until = failed.get(over.checked_sub(1)?)?.at + within;
    let mut stacks: Vec<&str> = failed.iter().map(|failure| failure.stack.as_str()).collect();
    stacks.sort_unstable();
    stacks.dedup();
    let named = match stacks.as_slice() {
        [one, two, three, _, ..] => format!("{one}, {two}, {three} and {} more", stacks.len() - 3),
        few => few.join(", "),
    };
    let of = if budget.of_chain { " of this chain" } else { "" };
    let text = format!(
        "{} steps{of} ended badly within {} ({named}), and {} are allowed",
        failed.len(),
        humantime::format_duration(budget.within),
        budget.max_failures,
    );
    Some((until, text))
}

/// Deletions of what is protected. Where it is not known what is deleted, it may be that.
fn protected(limits: &Limits, request: &GateRequested) -> Option<String> {
    if limits.protected_types.is_empty() {
        return None;
    }
    let deleted = request.delta.map_or(0, |delta| delta.deleted.unsigned_abs());
    let Some(changes) = &request.changes else {
        return (deleted > 0).then(|| {
            format!("{deleted} resources deleted, and nobody knows whether they are protected")
        });
    };
    let named = changes.iter().filter(|change| change.action == "deleted").count() as u64;
    let is_protected = |kind: &str| limits.protected_types.iter().any(|p| p.matches(kind));
    let lost: Vec<&str> = changes
        .iter()
        .filter(|change| change.action == "deleted" && is_protected(&change.resource_type))
        .map(|change| change.address.as_str())
        .collect();
    match lost.as_slice() {
        [] => (named < deleted).then(|| {
            format!(
                "{deleted} resources deleted, of which {named} are named, and nobody knows whether \
                 the others are protected"
            )
        }),
        [one, two, three, _, ..] => Some(format!(
            "protected resources deleted: {one}, {two}, {three} and {} more",
            lost.len() - 3
        )),
        few => Some(format!("protected resources deleted: {}", few.join(", "))),
    }
}
