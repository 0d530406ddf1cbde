//! Which chains come before one, where a policy lets only so many be under way at once.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Utc};
use contracts::{ChainId, GateId, gate::GateRequested};
use serde::{Deserialize, Serialize};

use super::{Case, facts::Facts, scope};
use crate::{
    call::Call,
    model::{PolicySet, Rule},
};

/// How many chains are named.
const NAMED: usize = 3;

/// The chains before one, as one policy counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crowd {
    /// The policy.
    pub policy: String,
    /// How many have passed their gate and have not ended.
    pub under_way: usize,
    /// How many asked earlier, and wait for nothing but their turn.
    pub waiting: usize,
    /// The first of them.
    pub named: Vec<ChainId>,
}

/// What is known of the chains before one.
#[derive(Debug, Clone, Copy)]
pub struct Crowds<'a> {
    seen: &'a [Crowd],
    /// Where nobody looked, nobody is.
    rest_is_free: bool,
}

/// Where a chain stands that a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing else holds it, and nobody has looked yet who comes before it.
    Unseen,
    /// It waits for its turn.
    Waiting,
    /// It is under way.
    Taken,
}

/// A chain that has passed its gate, or waits for nothing but its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Comer {
    /// Its question.
    pub request: GateRequested,
    /// The hooks that were asked: policies may be about what one of them said.
    pub calls: Vec<Call>,
    /// Whether it is under way.
    pub is_under_way: bool,
}

impl Crowd {
    /// As if so many chains were under way that each policy counts.
    pub fn of_each(set: &PolicySet, under_way: usize) -> Vec<Self> {
        let policies = set.policies.iter().map(|policy| policy.name.clone());
        let crowd = |policy| Self { policy, under_way, waiting: 0, named: Vec::new() };
        policies.map(crowd).collect()
    }

    /// How many chains come before this one.
    pub fn ahead(&self) -> usize {
        self.under_way + self.waiting
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ahead() {
            1 => f.write_str("1 chain comes before it")?,
            many => write!(f, "{many} chains come before it")?,
        }
        let names: Vec<String> = self.named.iter().map(ChainId::to_string).collect();
        match (names.join(", "), self.ahead().saturating_sub(names.len())) {
            (_, _) if names.is_empty() => Ok(()),
            (names, 0) => write!(f, " ({names})"),
            (names, more) => write!(f, " ({names} and {more} more)"),
        }
    }
}

impl<'a> Crowds<'a> {
    /// Nobody looked.
    pub const UNSEEN: Self = Self { seen: &[], rest_is_free: false };
    /// Nobody comes before it.
    pub const FREE: Self = Self { seen: &[], rest_is_free: true };

    /// What was seen, if somebody looked.
    pub fn seen(seen: Option<&'a [Crowd]>) -> Self {
        Self { seen: seen.unwrap_or_default(), rest_is_free: false }
    }

    /// The same, for policies that did not count: to them, nobody comes before it.
    pub fn or_free(seen: Option<&'a [Crowd]>) -> Self {
        Self { rest_is_free: true, ..Self::seen(seen) }
    }

    /// Who comes before it, as this policy counts; `None` if nobody looked.
    pub(super) fn of(&self, policy: &str) -> Option<Option<&'a Crowd>> {
        let seen = self.seen.iter().find(|crowd| crowd.policy == policy);
        (seen.is_some() || self.rest_is_free).then_some(seen)
    }
}

impl Place {
    /// As it is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Waiting => "waiting",
            Self::Taken => "taken",
        }
    }

    /// What was kept.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Unseen, Self::Waiting, Self::Taken].into_iter().find(|it| it.as_str() == name)
    }

    /// Whether it has none yet.
    pub fn is_sought(self) -> bool {
        self != Self::Taken
    }
}

/// Who comes before each of those that wait, in the order in which they asked. Who waits for its turn
/// under one policy keeps it under all others: so nobody is overtaken for ever, and no two wait for
/// each other.
pub fn crowds(
    set: &PolicySet,
    comers: &[Comer],
    now: DateTime<Utc>,
) -> HashMap<GateId, Vec<Crowd>> {
    let cases: Vec<Case<'_>> = comers
        .iter()
        .map(|Comer { request, calls, .. }| Case {
            calls,
            crowds: Crowds::UNSEEN,
            ..Case::new(request, now)
        })
        .collect();
    let facts: Vec<Facts<'_>> = cases.iter().map(Facts::of).collect();
    let mut found: HashMap<GateId, Vec<Crowd>> = comers
        .iter()
        .filter(|comer| !comer.is_under_way)
        .map(|comer| (comer.request.gate, Vec::new()))
        .collect();
    let rules = set.policies.iter().flat_map(|policy| {
        let counts = |rule: &&Rule| matches!(rule, Rule::Concurrency { .. });
        policy.rules.iter().filter(counts).map(move |rule| (policy, rule))
    });
    for (policy, rule) in rules {
        let counted = || {
            let all = comers.iter().zip(&facts);
            all.filter(|(_, facts)| scope::about(set, policy, rule, facts).is_ok())
        };
        let under_way: Vec<ChainId> = counted()
            .filter(|(comer, _)| comer.is_under_way)
            .map(|(comer, _)| comer.request.chain)
            .collect();
        let (number, mut waiting) = (under_way.len(), 0);
        let mut named: Vec<ChainId> = under_way.into_iter().take(NAMED).collect();
        for (comer, _) in counted().filter(|(comer, _)| !comer.is_under_way) {
            let (policy, named_now) = (policy.name.clone(), named.clone());
            let crowd = Crowd { policy, under_way: number, waiting, named: named_now };
            found.entry(comer.request.gate).or_default().push(crowd);
            waiting += 1;
            if named.len() < NAMED {
                named.push(comer.request.chain);
            }
        }
    }
    found
}
