use std::time::Duration;

use uuid::Uuid;

use super::{Outlet, rest};
use crate::sample::at;

const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);
const THREE: Uuid = Uuid::from_u128(3);

#[test]
fn a_burst_becomes_two_calls_of_which_the_last_says_the_last_state() {
    let mut outlet = Outlet::default();
    let first = outlet.offer("slack", ONE, at(0)).unwrap();
    assert_eq!(outlet.offer("slack", TWO, at(0)), None);
    assert_eq!(outlet.offer("slack", THREE, at(0)), None);
    assert!(outlet.conclude(first, true, at(1)));
    let second = outlet.offer("slack", THREE, at(1)).unwrap();
    assert_ne!(second, first);
    assert!(outlet.conclude(second, true, at(2)));
    assert_eq!(outlet.offer("slack", THREE, at(9)), None, "it is said already");
    assert_eq!(outlet.due(), None);
}

#[test]
fn what_changes_during_the_pause_is_due_at_its_end() {
    let mut outlet = Outlet::default();
    let first = outlet.offer("slack", ONE, at(0)).unwrap();
    outlet.conclude(first, true, rest(at(0), Duration::from_secs(5)));
    assert_eq!(outlet.offer("slack", TWO, at(1)), None);
    assert_eq!(outlet.due(), Some(at(5)));
    assert!(outlet.offer("slack", TWO, at(5)).is_some());
    assert_eq!(outlet.due(), None);
}

#[test]
fn what_returns_to_the_state_that_is_shown_needs_no_call() {
    let mut outlet = Outlet::default();
    let first = outlet.offer("slack", ONE, at(0)).unwrap();
    outlet.conclude(first, true, at(5));
    assert_eq!(outlet.offer("slack", TWO, at(1)), None);
    assert_eq!(outlet.offer("slack", ONE, at(2)), None);
    assert_eq!(outlet.due(), None);
}

#[test]
fn what_was_refused_is_not_offered_again_but_something_new_is() {
    let mut outlet = Outlet::default();
    let first = outlet.offer("slack", ONE, at(0)).unwrap();
    assert!(outlet.conclude(first, false, at(0)));
    assert_eq!(outlet.offer("slack", ONE, at(1)), None);
    assert!(outlet.offer("slack", TWO, at(1)).is_some());
}

#[test]
fn a_late_answer_to_another_call_changes_nothing() {
    let mut outlet = Outlet::default();
    let first = outlet.offer("slack", ONE, at(0)).unwrap();
    let before = outlet.clone();
    assert!(!outlet.conclude(TWO, true, at(0)));
    assert_eq!(outlet, before);
    assert!(outlet.conclude(first, true, at(0)));
    assert!(!outlet.conclude(first, true, at(0)), "it has concluded already");
}

#[test]
fn the_same_history_asks_for_the_same_calls() {
    let mut outlet = Outlet::default();
    let mut again = outlet.clone();
    assert_eq!(outlet.offer("slack", ONE, at(0)), again.offer("slack", ONE, at(7)));
    assert_ne!(Outlet::default().offer("github", ONE, at(0)), outlet.under_way.map(|c| c.effect));
}

#[test]
fn what_begins_again_asks_for_calls_of_its_own() {
    let (mut before, mut after) = (Outlet::default(), Outlet::default());
    before.begin(at(0));
    after.begin(at(9));
    let first = before.offer("slack", ONE, at(0));
    assert_ne!(first, after.offer("slack", ONE, at(9)));
    let mut again = Outlet::default();
    again.begin(at(0));
    assert_eq!(first, again.offer("slack", ONE, at(7)), "the same history, the same calls");
}
