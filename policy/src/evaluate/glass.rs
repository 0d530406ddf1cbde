//! Breaking the glass: who may pass over what the policies say, and whether enough people did.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::gate::Moment;

use super::{
    Case,
    facts::{Facts, StackFacts},
    span,
};
use crate::{
    model::{BreakGlass, PolicySet, Scope},
    review::{Review, Word},
};

/// Whether the glass is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glass<'a> {
    /// Nobody tried.
    Whole,
    /// Somebody did; another person must as well.
    WantsSecond(&'a Review),
    /// It is; by these.
    Broken(Vec<&'a Review>),
}

/// The block that lets `by` break the glass of this gate.
pub fn allowed<'a>(set: &'a PolicySet, case: &Case<'_>, by: &str) -> Option<&'a BreakGlass> {
    let facts = Facts::of(case);
    set.break_glass.iter().find(|block| fits(set, block, &facts) && lets(set, block, by, case.now))
}

/// All of the stacks must fit: what is broken is broken for all of them.
fn fits(set: &PolicySet, block: &BreakGlass, facts: &Facts<'_>) -> bool {
    block.scope.surely_fits_change(&set.people, facts)
        && is_about(&block.scope, facts)
        && facts.stacks.iter().all(|stack| block.scope.surely_fits_stack(stack))
}

/// Whether a block is about this gate. Where it is the last before something is applied, it stands for
/// the gate before the apply, and whoever may let something plan may not let it apply.
fn is_about(scope: &Scope, facts: &Facts<'_>) -> bool {
    let at = facts.request.moment;
    let any =
        |is: fn(&StackFacts<'_>) -> bool| at == Moment::BeforePlan && facts.stacks.iter().any(is);
    let (is_last, applies) = (any(|stack| stack.plan_is_last), any(|stack| stack.applies_unseen));
    (scope.is_about(at) && !applies) || (is_last && scope.is_about(Moment::BeforeApply))
}

fn lets(set: &PolicySet, block: &BreakGlass, by: &str, at: DateTime<Utc>) -> bool {
    let names = set.people.acting_as(by, at);
    let mut listed =
        block.users.iter().map(String::as_str).chain(set.people.members(&block.groups));
    listed.any(|listed| names.iter().any(|name| name == listed))
}

/// How the glass is, by what was said and still holds.
pub(super) fn glass<'a>(set: &PolicySet, case: &Case<'a>, facts: &Facts<'_>) -> Glass<'a> {
    let broke = |review: &&Review| match review.word {
        Word::Override { until, .. } => review.at <= case.now && case.now < until,
        _ => false,
    };
    let tried: Vec<&Review> = case.reviews.iter().filter(broke).collect();
    let mut wants = None;
    for block in set.break_glass.iter().filter(|_| !tried.is_empty()) {
        if !fits(set, block, facts) {
            continue;
        }
        // A person counts once, however often they try.
        let mut by: BTreeMap<String, &Review> = BTreeMap::new();
        for review in &tried {
            // Another block may have let it stay broken for longer.
            let expires = review.at.checked_add_signed(span(block.expires));
            let holds = expires.is_none_or(|expires| case.now < expires);
            if holds && lets(set, block, &review.by, review.at) {
                by.insert(set.people.who(&review.by), review);
            }
        }
        match by.len() {
            0 => {}
            1 if block.second_person => wants = by.into_values().next(),
            _ => {
                let mut by: Vec<&Review> = by.into_values().collect();
                by.sort_by_key(|review| review.at);
                return Glass::Broken(by);
            }
        }
    }
    wants.map_or(Glass::Whole, Glass::WantsSecond)
}
