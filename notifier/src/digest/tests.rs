use contracts::{
    Code,
    chain::ChainState,
    gate::{Moment, Outcome},
    order::{ChainOrdered, OrderKind},
    step::StepState,
};
use proptest::{prelude::*, sample::Index};

use super::{Digest, Line, rank};
use crate::{
    input::Input,
    routes::Routes,
    sample::{self, at, chain, decided, envelope, finished, planned, started, summary},
    story::{About, Story},
};

fn told(events: impl IntoIterator<Item = contracts::Envelope<Input>>) -> Digest {
    let mut story = Story::default();
    for event in events {
        story.take(&event, &Routes::default(), at(1_000));
    }
    match story.about {
        About::Chain(digest) => *digest,
        other => panic!("not a chain: {other:?}"),
    }
}

fn line<'a>(digest: &'a Digest, stack: &str) -> Line<'a> {
    digest.lines().into_iter().find(|line| line.stack.as_str() == stack).unwrap()
}

proptest! {
    #[test]
    fn events_in_any_order_doubled_or_late_end_in_the_same_digest(
        keys in prop::collection::vec(any::<u64>(), 16),
        doubles in prop::collection::vec(any::<Index>(), 0..12),
        doubled_keys in prop::collection::vec(any::<u64>(), 12),
    ) {
        let history = sample::history();
        prop_assert_eq!(history.len(), keys.len());
        let mut shuffled: Vec<_> = keys.into_iter().zip(history.clone()).collect();
        for (index, key) in doubles.iter().zip(doubled_keys) {
            shuffled.push((key, index.get(&history).clone()));
        }
        shuffled.sort_by_key(|(key, _)| *key);
        let digest = told(shuffled.into_iter().map(|(_, event)| event));
        prop_assert_eq!(digest, told(history));
    }
}

#[test]
fn every_state_has_a_rank_of_its_own_and_final_ones_rank_above_the_others() {
    let mut ranks: Vec<u8> = StepState::ALL.iter().map(|state| rank(*state)).collect();
    let lowest_final =
        StepState::ALL.iter().filter(|state| state.is_terminal()).map(|state| rank(*state)).min();
    let highest_open =
        StepState::ALL.iter().filter(|state| !state.is_terminal()).map(|state| rank(*state)).max();
    assert!(lowest_final > highest_open);
    ranks.sort_unstable();
    ranks.dedup();
    assert_eq!(ranks.len(), StepState::ALL.len());
}

#[test]
fn a_late_start_does_not_take_a_finished_step_back() {
    let mut digest = Digest::new(chain());
    let ended = summary("net-prod", StepState::Finished, Code::RunFinished, "done");
    digest.step(&ended, at(10));
    let late = summary("net-prod", StepState::Planning, Code::RunInFlight, "plans");
    digest.step(&late, at(20));
    assert_eq!(line(&digest, "net-prod").state, StepState::Finished);
    assert_eq!(digest.state(), ChainState::Running);
}

#[test]
fn the_numbers_of_a_plan_outlive_later_events_without_numbers() {
    let digest = told(sample::history());
    assert_eq!(line(&digest, "app-prod").delta.unwrap().added, 1);
    assert_eq!(line(&digest, "net-prod").delta.unwrap().added, 4, "the apply corrects the plan");
}

#[test]
fn a_gate_that_passed_is_not_closed_by_an_older_answer() {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["app-prod"]));
    digest.gate(&decided(2, Some("app-prod"), 2, Outcome::Pass));
    digest.gate(&decided(2, Some("app-prod"), 1, Outcome::HoldUntil { until: at(5) }));
    assert_eq!(digest.waits(), vec![]);
}

#[test]
fn what_begins_again_waits_and_has_its_gates_before_it() {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["net-prod", "app-prod"]));
    let denied = summary("net-prod", StepState::Denied, Code::Rejected, "ann rejected it");
    let skipped = summary("app-prod", StepState::Skipped, Code::ParentFailed, "net-prod: denied");
    digest.step(&denied, at(10));
    digest.step(&skipped, at(10));
    let retried = ChainOrdered {
        order: OrderKind::Retry,
        state: ChainState::Running,
        again: vec!["net-prod".into(), "app-prod".into()],
        ..sample::paused()
    };
    digest.ordered(&retried, at(20));
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    digest.gate(&decided(2, Some("net-prod"), 1, hold));
    assert_eq!(line(&digest, "app-prod").state, StepState::Waiting);
    assert_eq!((digest.counts().bad, digest.counts().skipped), (0, 0));
    assert_eq!(digest.waits().len(), 1);

    let ended = summary("net-prod", StepState::Finished, Code::RunFinished, "done");
    digest.step(&ended, at(30));
    assert_eq!(line(&digest, "net-prod").state, StepState::Finished);
}

#[test]
fn what_waits_is_shown_with_the_newest_answer_until_the_step_moves_on() {
    let mut digest = Digest::new(chain());
    digest.planned(&planned(&["net-prod", "app-prod"]));
    let hold = |given| Outcome::HoldForApprovals { given, needed: 2 };
    digest.gate(&decided(2, Some("app-prod"), 1, hold(0)));
    digest.gate(&decided(2, Some("app-prod"), 2, hold(1)));
    let waits = digest.waits();
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].outcome, &hold(1));
    assert_eq!(waits[0].moment, Moment::BeforeApply);
    assert_eq!(waits[0].name, Some("app prod"));
    assert!(line(&digest, "app-prod").held);
    assert!(!line(&digest, "net-prod").held);

    let moved = summary("app-prod", StepState::Applying, Code::RunInFlight, "applies");
    digest.step(&moved, at(10));
    assert_eq!(digest.waits(), vec![]);
}

#[test]
fn a_chain_that_was_held_before_it_began_waits_as_a_whole() {
    let mut digest = Digest::new(chain());
    digest.gate(&decided(1, None, 1, Outcome::HoldUntil { until: at(30) }));
    assert_eq!(digest.state(), ChainState::Gating);
    assert_eq!(digest.waits()[0].stack, None);
    digest.started(&started(2));
    assert_eq!(digest.state(), ChainState::Running);
    assert_eq!(digest.waits(), vec![]);
}

#[test]
fn steps_are_listed_in_planned_order_and_unplanned_ones_after_them() {
    let mut digest = Digest::new(chain());
    let step = |stack| summary(stack, StepState::Planning, Code::RunInFlight, "plans");
    digest.step(&step("a-unplanned"), at(1));
    digest.step(&step("net-prod"), at(1));
    digest.planned(&planned(&["net-prod", "app-prod"]));
    let order: Vec<&str> = digest.lines().iter().map(|line| line.stack.as_str()).collect();
    assert_eq!(order, ["net-prod", "app-prod", "a-unplanned"]);
}

#[test]
fn the_end_of_a_chain_brings_the_end_of_steps_whose_events_were_lost() {
    let ended = summary("net-prod", StepState::Finished, Code::RunFinished, "done");
    let event = Input::Finished(finished(ChainState::Finished, vec![ended]));
    let digest = told([envelope(event, 5)]);
    assert_eq!(digest.state(), ChainState::Finished);
    assert_eq!(digest.counts().finished, 1);
    assert_eq!(digest.change, Some(sample::change()));
}

#[test]
fn an_unknown_outcome_gives_way_to_what_was_found_out() {
    let mut digest = Digest::new(chain());
    digest.step(&summary("net-prod", StepState::Unknown, Code::OutcomeUnknown, "?"), at(1));
    digest.step(&summary("net-prod", StepState::Failed, Code::RunFailed, "failed"), at(0));
    assert_eq!(line(&digest, "net-prod").state, StepState::Failed);
}

#[test]
fn a_digest_survives_being_stored() {
    let digest = told(sample::history());
    let stored = serde_json::to_string(&digest).unwrap();
    assert_eq!(serde_json::from_str::<Digest>(&stored).unwrap(), digest);
}
