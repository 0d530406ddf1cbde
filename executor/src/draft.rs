//! The plan of a step before anything of its chain is applied: plain values, and how another plan
//! compares with it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use contracts::{
    GateId, Reason, RunId, StackId,
    gate::{PlannedChange, StackPlan},
    run::Delta,
};
use serde::{Deserialize, Serialize};

use crate::{input::PlanRead, step::Run};

/// The most resources that are shown to the policies, and the most bytes of their addresses: the
/// question must fit into a message.
pub(crate) const CHANGES_MAX: usize = 2_000;
const BYTES_MAX: usize = 200_000;

/// What is lost comes first where not everything can be shown.
pub(crate) const DELETED: &str = "deleted";

/// How many differences are named.
const NAMED: usize = 3;

/// The question about all plans of a chain together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plans {
    /// Its gate.
    pub gate: GateId,
    /// The revision of the newest answer; zero before the first.
    pub revision: i64,
    /// Whether they were allowed.
    pub allowed: bool,
    /// The stacks whose plans they are; none if a build has kept them that did not say so.
    #[serde(default)]
    pub stacks: Vec<StackId>,
    /// When they were allowed last.
    #[serde(default)]
    pub allowed_at: Option<DateTime<Utc>>,
    /// How often was asked again because that was too long ago.
    #[serde(default)]
    pub again: usize,
    /// That is being asked.
    #[serde(default)]
    pub asks: bool,
}

impl Plans {
    /// The question, which nobody has answered yet.
    pub(crate) fn new(gate: GateId, stacks: Vec<StackId>) -> Self {
        let (revision, allowed, allowed_at, again, asks) = (0, false, None, 0, false);
        Self { gate, revision, allowed, stacks, allowed_at, again, asks }
    }

    /// Whether the plan of this stack was allowed with the others.
    pub(crate) fn allow(&self, stack: &StackId) -> bool {
        self.allowed && (self.stacks.is_empty() || self.stacks.contains(stack))
    }
}

/// The plan of a step, made by a run that applies nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The run that shows it.
    pub run: Option<RunId>,
    /// Where a person can see it.
    #[serde(default)]
    pub url: Option<String>,
    /// What it would change.
    pub delta: Option<Delta>,
    /// The same resource by resource; absent until it has been read.
    pub changes: Option<Vec<PlannedChange>>,
    /// How many resources there are besides.
    #[serde(default)]
    pub more: usize,
    /// Why it is not known, or not resource by resource.
    #[serde(default)]
    pub unknown: Option<Reason>,
}

impl Draft {
    /// The plan that a run has made. One without changes need not be read.
    pub(crate) fn made_by(run: &Run) -> Self {
        let is_empty = run.delta.is_some_and(|delta| delta.is_empty());
        Self {
            run: Some(run.id.clone()),
            url: run.url.clone(),
            delta: run.delta,
            changes: is_empty.then(Vec::new),
            more: 0,
            unknown: None,
        }
    }

    /// A plan that could not be made.
    pub(crate) fn failed(run: Option<&Run>, why: Reason) -> Self {
        Self {
            run: run.map(|run| run.id.clone()),
            url: run.and_then(|run| run.url.clone()),
            delta: None,
            changes: None,
            more: 0,
            unknown: Some(why),
        }
    }

    /// Takes what was read of it.
    pub(crate) fn take(&mut self, read: &PlanRead) {
        self.changes.clone_from(&read.changes);
        self.more = read.more;
        self.unknown.clone_from(&read.unread);
        if let (None, Some(changes), 0) = (self.delta, &self.changes, self.more) {
            self.delta = Some(counted(changes));
        }
    }

    /// Whether nothing more will be known of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.changes.is_some() || self.unknown.is_some()
    }

    /// Its line in the question about all of them.
    pub(crate) fn line(&self, stack: &contracts::StackId) -> StackPlan {
        StackPlan {
            stack: stack.clone(),
            run: self.run.clone(),
            delta: self.delta,
            unknown: self.unknown.clone(),
        }
    }

    /// `+1 ~0 -0`.
    pub(crate) fn phrase(&self) -> String {
        self.delta.map_or_else(|| "not known".to_owned(), |delta| delta.to_string())
    }
}

fn counted(changes: &[PlannedChange]) -> Delta {
    let of = |action: &str| {
        let count = changes.iter().filter(|change| change.action == action).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    Delta { added: of("added"), changed: of("changed"), deleted: of(DELETED) }
}

/// What all of them would change together, as far as that is known.
pub(crate) fn sum<'a>(drafts: impl Iterator<Item = &'a Draft>) -> Option<Delta> {
    drafts.filter_map(|draft| draft.delta).reduce(|all, one| Delta {
        added: all.added.saturating_add(one.added),
        changed: all.changed.saturating_add(one.changed),
        deleted: all.deleted.saturating_add(one.deleted),
    })
}

/// As many of the changes as fit into a question, what is lost first; and how many do not.
pub(crate) fn fitting(mut all: Vec<PlannedChange>) -> (Vec<PlannedChange>, usize) {
    all.sort_by_key(|change| change.action != DELETED);
    let mut bytes = 0;
    let fits = all.iter().take(CHANGES_MAX).take_while(|change| {
        bytes += change.address.len() + change.resource_type.len();
        bytes <= BYTES_MAX
    });
    let fits = fits.count();
    let more = all.len() - fits;
    all.truncate(fits);
    (all, more)
}

/// Why a plan is not the one that was allowed with the chain, or a part of it. Where that cannot be
/// told, it is not.
pub(crate) fn difference(
    allowed: Option<&Draft>,
    delta: Option<Delta>,
    read: &PlanRead,
) -> Option<String> {
    let Some(draft) = allowed else {
        return Some("no plan of it was allowed with the chain".to_owned());
    };
    let (Some(known), 0) = (&draft.changes, draft.more) else {
        let why = draft.unknown.as_ref().map(|why| format!(": {}", why.text)).unwrap_or_default();
        return Some(format!("not all of its plan was known when the chain was allowed{why}"));
    };
    let (Some(shown), 0) = (&read.changes, read.more) else {
        let why = read.unread.as_ref().map(|why| format!(": {}", why.text)).unwrap_or_default();
        return Some(format!("its plan cannot be compared resource by resource{why}"));
    };
    // A list that is cut short, or not made, must not pass for one of nothing.
    for (counts, listed, which) in [(draft.delta, known, "was allowed"), (delta, shown, "is now")] {
        let listed = counted(listed);
        match counts {
            Some(counts) if exceeds(counts, listed) => {
                return Some(format!(
                    "its plan that {which} cannot be compared resource by resource: it is {counts}, \
                     and Spacelift names {listed} of that"
                ));
            }
            None if listed.is_empty() => {
                return Some("neither is known how much it changes nor what".to_owned());
            }
            _ => {}
        }
    }
    let known: HashSet<(&str, &str)> = known.iter().map(resource).collect();
    let others: Vec<String> = shown
        .iter()
        .filter(|change| !known.contains(&resource(change)))
        .map(|change| format!("{} {}", change.address, change.action))
        .collect();
    if !others.is_empty() {
        let named = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = match others.len() {
            few if few <= NAMED => String::new(),
            many => format!(" and {} more", many - NAMED),
        };
        return Some(format!("it has what was not in the plan that was allowed: {named}{more}"));
    }
    let (now, then) = (delta?, draft.delta?);
    exceeds(now, then).then(|| format!("it is {now}, and {then} was allowed with the chain"))
}

/// Whether there is more of anything than in the other.
fn exceeds(one: Delta, other: Delta) -> bool {
    one.added > other.added || one.changed > other.changed || one.deleted > other.deleted
}

fn resource(change: &PlannedChange) -> (&str, &str) {
    (&change.address, &change.action)
}

#[cfg(test)]
mod tests;
