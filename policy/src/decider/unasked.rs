//! Chains that have ended though nobody has asked whether they may begin.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ChainId, GateId, gate::Moment};

use super::Happening;

/// For how long after the end of a chain was heard of its question may still be on its way.
const QUESTION_COMES_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// For how long it is known when it was heard of: longer than it stays away between two attempts.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// Chains whose end was heard of before any question, and when. What was sent long ago may have come
/// only now, and the question with it, so that it is not the time of the message that counts.
#[derive(Debug, Default)]
pub(super) struct Unasked(Mutex<HashMap<ChainId, DateTime<Utc>>>);

impl Unasked {
    /// Whether the question of this chain, which has ended, may still come.
    pub(super) fn may_be_asked(&self, chain: ChainId, now: DateTime<Utc>) -> bool {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| now - *at < REMEMBERED);
        now - *heard.entry(chain).or_insert(now) < QUESTION_COMES_WITHIN
    }
}

/// The gate of a chain that is asked for in the same batch as it ends; that before the chain, if any.
pub(super) fn asked_in(inputs: &[&Happening], chain: ChainId) -> Option<GateId> {
    let requests = inputs.iter().filter_map(|input| match input {
        Happening::Requested(request) if request.chain == chain => Some(request),
        _ => None,
    });
    let gate = requests.min_by_key(|request| request.moment != Moment::BeforeChain);
    gate.map(|request| request.gate)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::fixtures::noon;

    #[test]
    fn a_question_may_come_for_a_minute_after_its_end_was_heard_of() {
        let (unasked, [one, other]) =
            (Unasked::default(), [1, 2].map(|id| ChainId(Uuid::from_u128(id))));
        assert!(unasked.may_be_asked(one, noon()));
        let soon = noon() + TimeDelta::seconds(59);
        assert!(unasked.may_be_asked(one, soon));
        for later in [1, 50] {
            assert!(!unasked.may_be_asked(one, noon() + TimeDelta::minutes(later)));
        }
        assert!(unasked.may_be_asked(other, noon() + TimeDelta::minutes(2)), "by itself");
    }
}
