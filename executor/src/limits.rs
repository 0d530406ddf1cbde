//! How many runs may be at once, and who comes next when a place becomes free.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use contracts::{
    Action, ChainId, Code, StackId, Text,
    chain::{ChainKind, PlannedStep, Uses, WorkerPool},
};
use serde::Deserialize;

use crate::{
    chain::{Chain, Places},
    step::Step,
};

pub(crate) use numbers::{Numbers, name};

mod numbers;

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
    /// Of the stacks that run in a worker pool, by its name or its id.
    pub worker_pools: BTreeMap<String, u32>,
    /// Of the stacks whose code needs a provider, by its type.
    pub providers: BTreeMap<String, u32>,
    /// Of the stacks that touch an account at a cloud, by its name.
    pub cloud_accounts: BTreeMap<String, u32>,
    /// By what free places are shared out: the labels that begin so, such as `team:`, or `owners`. By
    /// spaces if it is empty, and for stacks without such a label or owner.
    pub share_by: String,
    /// How many places of each of these, but for those of a single space, or of what is shared by,
    /// are kept free for those that have no run: at most all but one.
    pub kept_free: u32,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        let Self { share_by, kept_free, .. } = self;
        *self == Self { share_by: share_by.clone(), kept_free: *kept_free, ..Self::default() }
    }

    /// The limits a stack is under, in the words of reasons.
    pub(crate) fn of(&self, planned: &PlannedStep) -> Vec<String> {
        if self.is_none() {
            return Vec::new();
        }
        let Uses { worker_pool, providers, cloud_accounts } = &planned.uses;
        let account = (self.account > 0).then(|| ACCOUNT.to_owned());
        let pool = worker_pool.iter().filter_map(|WorkerPool { id, name }| {
            self.under(POOL, name).or_else(|| self.under(POOL, id))
        });
        let all = |kind, names: &[Text]| -> Vec<String> {
            names.iter().filter_map(|name| self.under(kind, name)).collect()
        };
        account
            .into_iter()
            .chain(self.under(SPACE, planned.space.as_str()))
            .chain(all(LABEL, &planned.labels))
            .chain(pool)
            .chain(all(PROVIDER, providers))
            .chain(all(CLOUD, cloud_accounts))
            .collect()
    }

    /// Whose share of the places a stack takes, in the words of reasons: the label's, the first
    /// owner's, or the space's.
    pub(crate) fn share(&self, planned: &PlannedStep) -> String {
        let of_team = match self.share_by.as_str() {
            "" => None,
            OWNERS => planned.owners.first().map(|owner| format!("owner {owner}")),
            prefix => {
                let label = planned.labels.iter().find(|label| label.starts_with(prefix));
                label.map(|label| format!("{LABEL} {label}"))
            }
        };
        of_team.unwrap_or_else(|| format!("{SPACE} {}", planned.space))
    }

    /// One limit in words, if there is one.
    fn under(&self, kind: &str, name: &str) -> Option<String> {
        let (_, known) = self.kinds().into_iter().find(|(of, _)| *of == kind)?;
        known.get(name).is_some_and(|most| *most > 0).then(|| format!("{kind} {name}"))
    }

    /// All that is limited by name.
    fn kinds(&self) -> [(&'static str, &BTreeMap<String, u32>); 5] {
        [
            (SPACE, &self.spaces),
            (LABEL, &self.labels),
            (POOL, &self.worker_pools),
            (PROVIDER, &self.providers),
            (CLOUD, &self.cloud_accounts),
        ]
    }

    /// How many of so many places of a limit are kept free for those that have no run. Nobody keeps
    /// any from themselves.
    fn kept_free(&self, limit: &str, most: usize) -> usize {
        let named = |kind: &str| limit.strip_prefix(kind)?.strip_prefix(' ');
        let is_of_one = match self.share_by.as_str() {
            "" => named(SPACE).is_some(),
            // No limit is of one owner.
            OWNERS => false,
            prefix => named(LABEL).is_some_and(|label| label.starts_with(prefix)),
        };
        match is_of_one {
            true => 0,
            false => (self.kept_free as usize).min(most.saturating_sub(1)),
        }
    }

    /// How many places a limit has.
    fn most(&self, limit: &str) -> usize {
        let named = self
            .kinds()
            .into_iter()
            .find_map(|(kind, known)| Some((known, limit.strip_prefix(kind)?.strip_prefix(' ')?)));
        let most = match named {
            Some((known, name)) => known.get(name).copied(),
            None => Some(self.account),
        };
        // What was limited when it was written, and is no more.
        most.filter(|most| *most > 0).map_or(usize::MAX, |most| most as usize)
    }
}

/// The word for sharing by owners; no label begins so.
const OWNERS: &str = "owners";

const ACCOUNT: &str = "the account";
const SPACE: &str = "space";
const LABEL: &str = "label";
const POOL: &str = "worker pool";
const PROVIDER: &str = "provider";
const CLOUD: &str = "cloud account";

/// The rank of a broken glass.
const URGENT: i16 = 0;

/// Who goes before whom: a broken glass before deliveries, these before previews, and these before
/// what only looks after drift, be it to compare or to put right.
pub fn rank(chain: &Chain, step: &Step) -> i16 {
    // A chain that an older build let begin says so by its reason alone.
    let is_urgent =
        step.course.urgent || chain.course.urgent || chain.reason.code == Code::Overridden;
    match (chain.course.action, chain.kind) {
        _ if is_urgent => URGENT,
        (Action::FixDrift, _) => 3,
        (_, ChainKind::Deploy) => 1,
        (_, ChainKind::Preview) => 2,
    }
}

/// A run that takes a place of each of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) chain: ChainId,
    pub(crate) stack: StackId,
    /// Whose share of the places it takes.
    pub(crate) share: String,
    pub(crate) limits: Vec<String>,
}

/// A step that needs a place of each of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanting {
    pub(crate) it: Taken,
    pub(crate) rank: i16,
    pub(crate) since: DateTime<Utc>,
    /// It waits for nothing but a place; whoever does not may not be able to take one.
    pub(crate) queues: bool,
}

/// The places there are, who has them, and who gets those that are free.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Vec<Taken>,
    granted: HashSet<(ChainId, StackId)>,
    full: HashMap<String, Full>,
}

/// A limit of which no place is free, or none but those that are kept.
#[derive(Debug)]
struct Full {
    most: usize,
    kept_free: usize,
    /// Whose code says so.
    said_by: Option<StackId>,
    /// How many will have a place.
    count: usize,
}

impl Turns {
    /// Gives the free places away: by rank, then to the space, or the team, that has the fewest runs,
    /// then to who waits longest; and what is left to those that may have other things to wait for.
    /// Who is kept back by one limit keeps nobody else from another. The last places may be kept for
    /// those that have no run; a broken glass may have them, too.
    pub(crate) fn of(limits: &Numbers<'_>, taken: Vec<Taken>, mut wanting: Vec<Wanting>) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut shares: HashMap<String, usize> = HashMap::new();
        for run in &taken {
            run.limits.iter().for_each(|it| *counts.entry(it.clone()).or_default() += 1);
            *shares.entry(run.share.clone()).or_default() += 1;
        }
        let mut turns = Self { taken, ..Self::default() };
        loop {
            let has_place = |step: &Wanting| {
                let is_first = step.rank == URGENT || !shares.contains_key(&step.it.share);
                step.it.limits.iter().all(|limit| {
                    let kept_free = if is_first { 0 } else { limits.kept_free(limit) };
                    let count = counts.get(limit).copied().unwrap_or_default();
                    count < limits.most(limit) - kept_free
                })
            };
            wanting.retain(has_place);
            let order = |step: &Wanting| {
                let share = shares.get(&step.it.share).copied().unwrap_or_default();
                (!step.queues, step.rank, share, step.since, step.it.chain)
            };
            let next = (0..wanting.len()).min_by_key(|&place| order(&wanting[place]));
            let Some(next) = next else { break };
            let Wanting { it, .. } = wanting.swap_remove(next);
            it.limits.iter().for_each(|it| *counts.entry(it.clone()).or_default() += 1);
            *shares.entry(it.share.clone()).or_default() += 1;
            turns.granted.insert((it.chain, it.stack));
        }
        let full = |(limit, count): (String, usize)| {
            let (most, kept_free) = (limits.most(&limit), limits.kept_free(&limit));
            let said_by = limits.said_by(&limit).cloned();
            (count >= most - kept_free).then_some((limit, Full { most, kept_free, said_by, count }))
        };
        turns.full = counts.into_iter().filter_map(full).collect();
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
            let Full { most, kept_free, said_by, count } = self.full.get(limit)?;
            let by = self.taken.iter().filter(|run| run.limits.contains(limit));
            let taken_by = by.map(|run| (run.chain, run.stack.clone())).collect();
            let (limit, said_by) = (limit.clone(), said_by.clone());
            let kept_free = most.saturating_sub(*count).min(*kept_free);
            Some(Places { limit, most: *most, kept_free, said_by, taken_by })
        });
        // One that is full says more than one of which places are kept, and one that is full already
        // more than one whose places are promised to others.
        full.min_by_key(|places| (places.kept_free > 0, places.taken_by.len() < places.most))
    }
}

#[cfg(test)]
mod tests;
