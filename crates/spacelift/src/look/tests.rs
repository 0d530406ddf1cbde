use chrono::{DateTime, TimeDelta, Utc};
use contracts::run::{RunState, RunType};

use super::{CLOCK_SKEW, Expected, Found, look_for};
use crate::RunFacts;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + seconds, 0).unwrap()
}

fn run(id: &str, created: i64) -> RunFacts {
    RunFacts {
        stack: "net".into(),
        run: id.into(),
        run_type: RunType::Tracked,
        state: RunState::Queued,
        state_version: 0,
        finished: false,
        applied: false,
        commit: "c1".into(),
        triggered_by: Some("api::key".into()),
        created_at: at(created),
        began_at: None,
        entered_at: at(created),
        updated_at: at(created),
        delta: None,
        note: None,
        url: String::new(),
    }
}

fn expected() -> Expected {
    Expected {
        commit: Some("c1".into()),
        run_type: RunType::Tracked,
        triggered_by: "api::key".into(),
        since: at(0) + TimeDelta::milliseconds(700),
        known: Vec::new(),
    }
}

#[test]
fn a_run_of_ours_made_since_then_is_found() {
    assert_eq!(look_for(&[run("r", 0)], &expected()), Found::One(run("r", 0)));
}

#[test]
fn a_clock_that_is_behind_hides_no_run() {
    assert_eq!(look_for(&[run("r", -60)], &expected()), Found::One(run("r", -60)));
    assert_eq!(look_for(&[run("r", -61)], &expected()), Found::None);
}

#[test]
fn what_came_of_something_else_is_known_by_a_clock_that_is_behind_spacelifts() {
    let expected = expected();
    let made_there = expected.horizon();
    let made_here = made_there - CLOCK_SKEW;
    assert!(expected.known_from() <= made_here);
}

#[test]
fn runs_of_others_and_for_other_things_are_not_ours() {
    let others = [
        RunFacts { triggered_by: None, ..run("push", 5) },
        RunFacts { triggered_by: Some("jane".into()), ..run("person", 5) },
        RunFacts { triggered_by: Some("parent-stack".into()), ..run("dependency", 5) },
        RunFacts { commit: "c2".into(), ..run("commit", 5) },
        RunFacts { run_type: RunType::Proposed, ..run("plan", 5) },
    ];
    assert_eq!(look_for(&others, &expected()), Found::None);
}

#[test]
fn a_trigger_that_named_no_commit_fits_any() {
    let expected = Expected { commit: None, ..expected() };
    let other = RunFacts { commit: "c2".into(), ..run("r", 5) };
    assert_eq!(look_for(std::slice::from_ref(&other), &expected), Found::One(other));
}

#[test]
fn what_we_know_already_is_not_found_again() {
    let expected = Expected { known: vec!["old".into()], ..expected() };
    assert_eq!(look_for(&[run("old", -10)], &expected), Found::None);
    assert_eq!(look_for(&[run("old", -10), run("new", 1)], &expected), Found::One(run("new", 1)));
}

#[test]
fn two_that_fit_are_both_shown_and_one_seen_twice_is_one() {
    let (a, b) = (run("a", 1), run("b", 2));
    assert_eq!(look_for(&[b.clone(), a.clone()], &expected()), Found::Several(vec![b, a.clone()]));
    assert_eq!(look_for(&[a.clone(), a.clone()], &expected()), Found::One(a));
}
