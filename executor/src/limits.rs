//! How many runs may be at once, and who comes next when a place becomes free.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, SpaceId, StackId,
    chain::{ChainKind, PlannedStep},
};
use serde::Deserialize;

use crate::{
    chain::{Chain, Places},
    step::Step,
};

/// The most runs at once; zero is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Of all stacks together.
    pub account: u32,
    /// Of the stacks of a space, by the id of the space.
    pub spaces: BTreeMap<String, u32>,
    /// Of the stacks with a label, by the label.
    pub labels: BTreeMap<String, u32>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The limits a stack is under, in the words of reasons.
    pub(crate) fn of(&self, planned: &PlannedStep) -> Vec<String> {
        if self.is_none() {
            return Vec::new();
        }
        let account = (self.account > 0).then(|| ACCOUNT.to_owned());
        let named = |known: &BTreeMap<String, u32>, kind: &str, name: &str| {
            known.get(name).is_some_and(|most| *most > 0).then(|| format!("{kind} {name}"))
        };
        let space = named(&self.spaces, SPACE, planned.space.as_str());
        let labels = planned.labels.iter().filter_map(|label| named(&self.labels, LABEL, label));
        account.into_iter().chain(space).chain(labels).collect()
    }

    /// How many places a limit has.
    fn most(&self, limit: &str) -> usize {
        let of = |known: &BTreeMap<String, u32>, name: &str| known.get(name).copied();
        let most = match limit.split_once(' ') {
            Some((SPACE, name)) => of(&self.spaces, name),
            Some((LABEL, name)) => of(&self.labels, name),
            _ => Some(self.account),
        };
        // What was limited when it was written, and is no more.
        most.filter(|most| *most > 0).map_or(usize::MAX, |most| most as usize)
    }
}

const ACCOUNT: &str = "the account";
const SPACE: &str = "space";
const LABEL: &str = "label";

/// Who goes before whom: a broken glass before deliveries, these before previews.
pub(crate) fn rank(chain: &Chain, step: &Step) -> i16 {
    let is_urgent = step.course.urgent || chain.reason.code == Code::Overridden;
    match chain.kind {
        _ if is_urgent => 0,
        ChainKind::Deploy => 1,
        ChainKind::Preview => 2,
    }
}

/// A run that takes a place of each of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) chain: ChainId,
    pub(crate) stack: StackId,
    pub(crate) space: SpaceId,
    pub(crate) limits: Vec<String>,
}

/// A step that needs a place of each of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanting {
    pub(crate) it: Taken,
    pub(crate) rank: i16,
    pub(crate) since: DateTime<Utc>,
}

/// The places there are, who has them, and who gets those that are free.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Vec<Taken>,
    granted: HashSet<(ChainId, StackId)>,
    full: HashMap<String, usize>,
}

impl Turns {
    /// Gives the free places away: by rank, then to the space that has the fewest runs, then to who
    /// waits longest. Who is kept back by one limit keeps nobody else from another.
    pub(crate) fn of(limits: &Limits, taken: Vec<Taken>, mut wanting: Vec<Wanting>) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut shares: HashMap<SpaceId, usize> = HashMap::new();
        for run in &taken {
            run.limits.iter().for_each(|it| *counts.entry(it.clone()).or_default() += 1);
            *shares.entry(run.space.clone()).or_default() += 1;
        }
        let mut turns = Self { taken, ..Self::default() };
        loop {
            let has_place = |limit: &String| {
                counts.get(limit).copied().unwrap_or_default() < limits.most(limit)
            };
            wanting.retain(|step| step.it.limits.iter().all(has_place));
            let order = |step: &Wanting| {
                let share = shares.get(&step.it.space).copied().unwrap_or_default();
                (step.rank, share, step.since, step.it.chain)
            };
            let next = (0..wanting.len()).min_by_key(|&place| order(&wanting[place]));
            let Some(next) = next else { break };
            let Wanting { it, .. } = wanting.swap_remove(next);
            it.limits.iter().for_each(|it| *counts.entry(it.clone()).or_default() += 1);
            *shares.entry(it.space.clone()).or_default() += 1;
            turns.granted.insert((it.chain, it.stack));
        }
        counts.retain(|limit, count| *count >= limits.most(limit));
        turns.full = counts.into_keys().map(|it| (it.clone(), limits.most(&it))).collect();
        turns
    }

    /// The chains with a step that may go.
    pub(crate) fn chains(&self) -> impl Iterator<Item = ChainId> {
        self.granted.iter().map(|(chain, _)| *chain)
    }

    /// Why a step has no place, if so.
    pub(crate) fn kept_back(&self, it: &Taken) -> Option<Places> {
        if self.granted.contains(&(it.chain, it.stack.clone())) {
            return None;
        }
        let full = it.limits.iter().filter_map(|limit| {
            let most = *self.full.get(limit)?;
            let by = self.taken.iter().filter(|run| run.limits.contains(limit));
            let taken_by = by.map(|run| (run.chain, run.stack.clone())).collect();
            Some(Places { limit: limit.clone(), most, taken_by })
        });
        // One that is full already says more than one whose places are promised to others.
        full.min_by_key(|places| places.taken_by.len() < places.most)
    }
}

#[cfg(test)]
mod tests;
