//! Who is owed a run, and who waits in line for a place.

use contracts::chain::{LimitedBy, SaidLimit};

use super::*;
use crate::store::Queue;

/// `a` before `b`, which only follows; not begun.
fn new(id: u128) -> ChainFixture {
    ChainFixture::planned_as(planned(id, &[("a", &[]), ("b", &["a"])])).following().gating()
}

#[tokio::test]
async fn a_follower_is_settled_if_it_ran_well_last_and_was_owed_nothing_since() {
    let database = Database::new().await;
    database.save(&[&new(1)]).await.unwrap();
    assert!(database.load(1).await.settled.is_empty(), "it never ran");

    let ran = new(2).admitted().with("b", S::Finished);
    database.save(&[&ran]).await.unwrap();
    assert_eq!(database.load(1).await.settled, ["b".into()]);
    assert!(!database.load(1).await.busy.contains_key(&StackId::from("b")), "its turn is far");

    let later = |fixture: ChainFixture| {
        let mut fixture = fixture;
        let steps = &mut fixture.state.as_mut().unwrap().steps;
        steps.iter_mut().for_each(|step| step.since += TimeDelta::hours(1));
        fixture
    };
    let running = later(new(3).admitted().with("b", S::Planning));
    database.save(&[&running]).await.unwrap();
    assert!(database.load(1).await.settled.is_empty(), "it may end badly");
    let ran = later(later(new(3).admitted().with("b", S::Finished)));
    database.save(&[&ran]).await.unwrap();
    assert_eq!(database.load(1).await.settled, ["b".into()]);

    let owed = later(later(later(new(4).admitted().with("a", S::Failed))));
    assert_eq!(owed.step("b").state, S::Skipped);
    database.save(&[&owed]).await.unwrap();
    assert!(database.load(1).await.settled.is_empty(), "what it was to get, it did not");
}

fn limits(account: u32) -> Limits {
    Limits { account, ..Limits::default() }
}

async fn next(database: &Database) -> Vec<u128> {
    let mut connection = database.pool().acquire().await.unwrap();
    numbers(database.0.queue.next(&mut connection).await.unwrap())
}

#[tokio::test]
async fn who_finds_no_place_is_told_whose_runs_take_them_and_is_woken_when_one_is_free() {
    let database = Database::limited(limits(1)).await;
    let runs = chain(1, &["a"]).with("a", S::Planning);
    let wants = chain(2, &["b"]);
    database.save(&[&runs, &wants]).await.unwrap();
    let held = database.holders(2).await;
    let (chain_of_a, hold) = held["b"].clone();
    assert_eq!(chain_of_a, 1);
    let Hold::Places(places) = &hold else { panic!("{hold:?}") };
    let said = places.to_string();
    assert!(said.starts_with("1 of 1 runs at once of the account are under way: a of"), "{said}");

    let queues = wants.held_by("b", 1, hold);
    let mut queues = queues;
    queues.tell(queues.gate_says("b", Outcome::Pass));
    assert_eq!(queues.step("b").state, S::Queued);
    database.save(&[&queues]).await.unwrap();
    assert!(next(&database).await.is_empty());

    let woken = database.save(&[&runs.clone().with("a", S::Finished)]).await.unwrap();
    assert!(numbers(woken).contains(&2) || next(&database).await == [2]);
    assert_eq!(next(&database).await, [2]);
    assert!(database.holders(2).await.is_empty(), "the place is its own");
}

#[tokio::test]
async fn two_that_are_decided_together_do_not_get_the_same_place() {
    let database = Database::limited(limits(1)).await;
    database.save(&[&chain(1, &["a"]), &chain(2, &["b"])]).await.unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let keys = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let loaded = database.0.load(&mut connection, &keys, Utc::now()).await.unwrap();
    let held = |state: &State| {
        state.chain.as_ref().unwrap().busy.values().filter(|holder| holder.is_some()).count()
    };
    assert_eq!(loaded.values().map(held).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_free_place_is_kept_for_nobody_who_could_not_take_it() {
    let mut plan = planned(1, &[("held", &[]), ("asks", &[]), ("queues", &[])]);
    plan.steps[1].space = "small".into();
    let waits = ChainFixture::planned_as(plan).running();
    let waits = waits.with("held", S::Queued).with("queues", S::Queued);
    assert_eq!(waits.states(), "held queued, asks gating_plan, queues queued");
    let runs = chain(2, &["held"]).with("held", S::Planning);
    let database = Database::limited(limits(2)).await;
    database.save(&[&runs, &waits]).await.unwrap();
    assert_eq!(next(&database).await, [1]);
    let held = database.holders(1).await;
    assert!(!held.contains_key("queues"), "{held:?}");
    assert_eq!(held["held"].1, Hold::Runs);
    assert!(matches!(held["asks"].1, Hold::Places(_)), "the last place is not for it");
}

#[tokio::test]
async fn what_is_limited_no_more_does_not_wait_for_ever() {
    let database = Database::limited(limits(1)).await;
    let runs = chain(1, &["a"]).with("a", S::Planning);
    let queues = chain(2, &["b"]).with("b", S::Queued);
    database.save(&[&runs, &queues]).await.unwrap();
    assert!(next(&database).await.is_empty());
    let mut connection = database.pool().acquire().await.unwrap();
    let unlimited = Queue::new(Limits::default());
    let freed = unlimited.next(&mut connection).await.unwrap();
    assert_eq!(numbers(freed), [2]);
}

/// A chain over one stack with this label.
fn labelled(id: u128, label: &str, state: S) -> ChainFixture {
    let mut plan = planned(id, &[(&format!("stack-{id}"), &[])]);
    plan.steps[0].labels.push(label.into());
    let stack = plan.steps[0].stack.clone();
    ChainFixture::planned_as(plan).gating().admitted().with(stack.as_str(), state)
}

#[tokio::test]
async fn however_many_of_one_team_wait_one_of_another_is_found_in_the_same_space() {
    let shared = Limits { share_by: "team:".to_owned(), ..limits(2) };
    let database = Database::limited(shared).await;
    let runs = labelled(1, "team:big", S::Planning);
    let big: Vec<_> = (2..50).map(|id| labelled(id, "team:big", S::Queued)).collect();
    let small = labelled(50, "team:small", S::Queued);
    let all: Vec<_> = [&runs].into_iter().chain(&big).chain([&small]).collect();
    database.save(&all).await.unwrap();
    assert_eq!(next(&database).await, [50]);
}

#[tokio::test]
async fn however_many_wait_for_one_limit_who_waits_for_another_is_found() {
    let database = Database::limited(Limits {
        labels: [("slow".to_owned(), 1), ("quick".to_owned(), 1)].into(),
        ..Limits::default()
    })
    .await;
    let runs = labelled(1, "slow", S::Planning);
    let slow: Vec<_> = (2..50).map(|id| labelled(id, "slow", S::Queued)).collect();
    let quick = labelled(50, "quick", S::Queued);
    let all: Vec<_> = [&runs].into_iter().chain(&slow).chain([&quick]).collect();
    database.save(&all).await.unwrap();
    assert_eq!(next(&database).await, [50]);

    database.save(&[&runs.with("stack-1", S::Finished)]).await.unwrap();
    let free = next(&database).await;
    assert_eq!((free.len(), free.contains(&50)), (2, true), "one place of each is free");
}

#[tokio::test]
async fn what_the_code_of_one_stack_says_keeps_back_another_that_says_nothing_until_it_has_ended() {
    let database = Database::new().await;
    let label = "name:b".to_owned();
    let mut plan = planned(1, &[("a", &[])]);
    plan.steps[0].labels.push(label.as_str().into());
    plan.steps[0].limits = vec![SaidLimit { of: LimitedBy::Label, name: label, most: 1 }].into();
    let runs = ChainFixture::planned_as(plan).gating().admitted().with("a", S::Planning);
    let wants = chain(2, &["b"]);
    database.save(&[&runs, &wants, &chain(3, &["c"])]).await.unwrap();
    assert!(database.holders(3).await.is_empty(), "it has no such label");
    let (_, hold) = database.holders(2).await["b"].clone();
    let Hold::Places(places) = &hold else { panic!("{hold:?}") };
    assert_eq!((places.most, &places.said_by), (1, &Some("a".into())));

    let mut queues = wants.held_by("b", 1, hold);
    queues.tell(queues.gate_says("b", Outcome::Pass));
    assert_eq!(queues.step("b").state, S::Queued);
    database.save(&[&queues]).await.unwrap();
    assert!(next(&database).await.is_empty());

    let woken = database.save(&[&runs.with("a", S::Finished)]).await.unwrap();
    assert!(numbers(woken).contains(&2) || next(&database).await == [2]);
    assert!(database.holders(2).await.is_empty(), "nobody at work says anything");
}
