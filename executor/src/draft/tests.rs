use contracts::{Code, Reason, gate::PlannedChange, run::Delta};

use super::{Draft, difference, fitting, sum};
use crate::input::PlanRead;

fn change(address: &str, action: &str) -> PlannedChange {
    PlannedChange {
        address: address.to_owned(),
        resource_type: "aws_subnet".to_owned(),
        action: action.to_owned(),
        stack: None,
    }
}

fn read(changes: &[(&str, &str)]) -> PlanRead {
    let changes = changes.iter().map(|(address, action)| change(address, action)).collect();
    PlanRead { version: Some(4), changes: Some(changes), more: 0, unread: None }
}

/// A plan that adds `a` and deletes `b`.
fn draft() -> Draft {
    let run = Some("01J".into());
    let mut draft = Draft { run, url: None, delta: None, changes: None, more: 0, unknown: None };
    draft.take(&read(&[("a", "added"), ("b", "deleted")]));
    draft
}

fn delta(added: i64, changed: i64, deleted: i64) -> Option<Delta> {
    Some(Delta { added, changed, deleted })
}

#[test]
fn the_same_plan_and_a_part_of_it_are_what_was_allowed() {
    let allowed = draft();
    assert_eq!(allowed.delta, delta(1, 0, 1), "counted, where nobody said");
    let same = read(&[("b", "deleted"), ("a", "added")]);
    assert_eq!(difference(Some(&allowed), delta(1, 0, 1), &same), None);
    let part = read(&[("a", "added")]);
    assert_eq!(difference(Some(&allowed), delta(1, 0, 0), &part), None);
    assert_eq!(difference(Some(&allowed), delta(0, 0, 0), &read(&[])), None);
    assert_eq!(difference(Some(&allowed), None, &part), None);
}

#[test]
fn a_list_that_names_fewer_than_are_counted_is_not_compared() {
    let mut allowed = draft();
    let empty = read(&[]);
    let told = difference(Some(&allowed), delta(3, 0, 0), &empty).expect("a difference");
    assert!(told.contains("that is now") && told.contains("names +0 ~0 -0"), "{told}");
    assert!(difference(Some(&allowed), None, &empty).is_some(), "nothing is known of it");
    allowed.delta = delta(3, 0, 1);
    let told = difference(Some(&allowed), delta(1, 0, 0), &read(&[("a", "added")]));
    assert!(told.is_some_and(|told| told.contains("that was allowed")));
}

#[test]
fn whatever_was_not_in_it_is_named() {
    let allowed = draft();
    let found = |changes: &[(&str, &str)], delta| {
        difference(Some(&allowed), delta, &read(changes)).expect("a difference")
    };
    // As many as were allowed, but others.
    assert!(found(&[("c", "added")], delta(1, 0, 0)).ends_with("allowed: c added"));
    assert!(found(&[("a", "deleted")], delta(0, 0, 1)).ends_with("allowed: a deleted"));
    let many = [("c", "added"), ("d", "added"), ("e", "added"), ("f", "added")];
    assert!(found(&many, delta(4, 0, 0)).ends_with("c added, d added, e added and 1 more"));
}

#[test]
fn what_cannot_be_compared_is_not_what_was_allowed() {
    let shown = read(&[("a", "added")]);
    assert!(difference(None, delta(1, 0, 0), &shown).is_some());
    let unread = Reason::new(Code::PlanUnread, "nobody may look");
    let hidden = PlanRead { version: None, changes: None, more: 0, unread: Some(unread.clone()) };
    assert!(difference(Some(&draft()), None, &hidden).unwrap().ends_with("nobody may look"));
    let part = PlanRead { more: 1, ..shown.clone() };
    assert!(difference(Some(&draft()), delta(1, 0, 0), &part).is_some());
    let unknown = Draft::failed(None, unread);
    assert!(difference(Some(&unknown), delta(1, 0, 0), &shown).unwrap().ends_with("may look"));
}

#[test]
fn what_is_lost_is_shown_first_and_what_does_not_fit_is_counted() {
    let mut all: Vec<_> = (0..3_000).map(|n| change(&format!("r{n}"), "added")).collect();
    all.push(change("gone", "deleted"));
    let (shown, more) = fitting(all);
    assert_eq!((shown.len(), more), (2_000, 1_001));
    assert_eq!(shown[0].address, "gone");
    assert_eq!(sum([draft(), draft()].iter()), delta(2, 0, 2));
}
