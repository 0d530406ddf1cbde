//! How large a change may be.

use contracts::gate::{GateRequested, Moment};

use super::facts::Facts;
use crate::model::Limits;

/// Every limit that is exceeded, in words.
pub(super) fn exceeded(limits: &Limits, facts: &Facts<'_>) -> Vec<String> {
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
    } else if request.moment == Moment::BeforeApply && limits.looks_at_plan() {
        found.push("nobody knows what the plan changes".to_owned());
    }
    found.extend(protected(limits, request));
    found
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

impl Limits {
    fn looks_at_plan(&self) -> bool {
        let counts = [self.max_resources, self.max_added, self.max_changed, self.max_deleted];
        counts.iter().any(Option::is_some)
    }
}
