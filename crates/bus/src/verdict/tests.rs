//! The table of what becomes of a message.

use std::time::Duration;

use contracts::Code;
use uuid::Uuid;

use super::{BACKOFF, FAILING_MAX, Failures, Verdict, verdict};
use crate::Failure;

fn retry(after: Option<Duration>) -> Result<(), Failure> {
    Err(Failure::Retry { after, source: anyhow::anyhow!("the database is away") })
}

#[track_caller]
fn check_wait(attempt: usize, after: Option<Duration>, expected: Duration) {
    match verdict(retry(after), attempt, 1) {
        Verdict::Redeliver { after, .. } => assert_eq!(after, expected),
        other => panic!("attempt {attempt} became {other:?}"),
    }
}

#[test]
fn an_answer_is_published_whatever_the_attempt() {
    for attempt in [1, 2, 100] {
        assert!(matches!(verdict(Ok(()), attempt, 1), Verdict::Answered(())));
    }
}

#[test]
fn what_may_work_later_comes_back_at_the_pace_of_the_table() {
    for (index, wait) in BACKOFF.iter().enumerate() {
        check_wait(index + 1, None, *wait);
    }
}

#[test]
fn who_failed_may_know_better_when_to_try_again() {
    check_wait(1, Some(Duration::from_secs(7)), Duration::from_secs(7));
}

#[test]
fn when_all_attempts_are_used_up_the_message_is_dead() {
    let dead = verdict(retry(None), BACKOFF.len() + 1, 1);
    assert!(matches!(dead, Verdict::DeadLetter { code: "attempts_exhausted", .. }));
    let asked_for_more = verdict(retry(Some(Duration::from_secs(1))), BACKOFF.len() + 1, 1);
    assert!(matches!(asked_for_more, Verdict::DeadLetter { .. }));
}

#[test]
fn what_never_works_is_dead_at_once() {
    let dead = verdict::<()>(Err(Failure::reject(Code::Cycle, anyhow::anyhow!("a -> a"))), 1, 1);
    assert!(matches!(dead, Verdict::DeadLetter { code: "cycle", .. }));
}

#[test]
fn what_waits_for_the_database_is_never_given_up() {
    for attempt in [1, BACKOFF.len() + 1, 1000] {
        let kept = verdict::<()>(Err(Failure::wait(anyhow::anyhow!("it is away"))), attempt, 1);
        assert!(matches!(kept, Verdict::Keep { .. }), "{kept:?}");
    }
}

#[test]
fn what_there_is_no_room_for_comes_back_as_often_as_need_be() {
    let after = Duration::from_secs(30);
    for attempt in [1, BACKOFF.len() + 1, 1000] {
        let full = Failure::Full { after, source: anyhow::anyhow!("so many wait") };
        let given_back = verdict::<()>(Err(full), attempt, 1);
        assert!(matches!(given_back, Verdict::Redeliver { after: told, .. } if told == after));
    }
}

#[test]
fn what_waits_for_a_newer_build_comes_back_after_longer_each_time() {
    let waits = |deliveries| {
        let newer = Failure::Newer { source: anyhow::anyhow!("version 3") };
        match verdict::<()>(Err(newer), 1, deliveries) {
            Verdict::Redeliver { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([0, 1, 2, 3, 6, 7, 8, 1_000_000].map(waits), [1, 1, 2, 4, 32, 60, 60, 60]);
}

#[test]
fn only_failures_are_attempts() {
    let mut failures = Failures::default();
    let [one, other] = [Uuid::new_v4(), Uuid::new_v4()];
    let full = || {
        Err::<(), _>(Failure::Full {
            after: Duration::from_secs(30),
            source: anyhow::anyhow!("no room"),
        })
    };
    for _ in 0..20 {
        failures.attempt(one, &full());
    }
    assert_eq!(failures.attempt(one, &retry(None)), 1, "what found no room did not fail");
    assert_eq!(failures.attempt(other, &retry(None)), 1);
    assert_eq!(failures.attempt(one, &retry(None)), 2);
    failures.attempt(one, &full());
    assert_eq!(failures.attempt(one, &retry(None)), 3);
    failures.attempt(one, &Ok(()));
    assert_eq!(failures.attempt(one, &retry(None)), 1, "it went well meanwhile");
}

#[test]
fn a_flood_of_failing_messages_does_not_grow_without_bound() {
    let mut failures = Failures::default();
    for _ in 0..=FAILING_MAX {
        failures.attempt(Uuid::new_v4(), &retry(None));
    }
    assert!(failures.0.len() <= FAILING_MAX);
}
