use std::time::Duration;

use tokio::time::Instant;

use super::Speed;

const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(51);

fn speed(now: Instant) -> Speed {
    Speed::new(Duration::from_millis(100), now)
}

/// So many commits of 200 in a row, 20 ms each; gives when the last was done.
fn commits(speed: &Speed, count: u32, waited: Duration, mut now: Instant) -> Instant {
    for _ in 0..count {
        now += Duration::from_millis(20);
        speed.note(200, Duration::from_millis(20), waited, now);
    }
    now
}

/// The same, all of them late, with somebody refused after the first.
fn late_commits(speed: &Speed, count: u32, now: Instant) -> Instant {
    let now = commits(speed, 1, LATE, now);
    assert!(speed.is_behind(1_001, now));
    commits(speed, count - 1, LATE, now)
}

#[test]
fn only_many_at_once_tell_how_fast_it_goes() {
    let now = Instant::now();
    let speed = speed(now);
    speed.note(1, Duration::from_secs(3), SOON, now);
    assert_eq!(speed.wait(1_000, now), Duration::ZERO);
    speed.note(200, Duration::from_millis(20), SOON, now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(100));
    speed.note(1, Duration::from_secs(3), SOON, now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(100));
}

#[test]
fn one_slow_commit_counts_for_a_quarter() {
    let now = Instant::now();
    let speed = speed(now);
    speed.note(200, Duration::from_millis(20), SOON, now);
    speed.note(200, Duration::from_millis(100), SOON, now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(200));
}

#[test]
fn a_stall_is_forgotten_when_no_flood_follows_it() {
    let now = Instant::now();
    let speed = speed(now);
    speed.note(200, Duration::from_secs(4), SOON, now);
    assert_eq!(speed.wait(10, now), Duration::from_millis(200));
    let later = now + Duration::from_millis(1_001);
    assert_eq!(speed.wait(10, later), Duration::ZERO);
    speed.note(200, Duration::from_millis(20), SOON, later);
    assert_eq!(speed.wait(10, later), Duration::from_millis(1));
}

#[test]
fn who_would_wait_for_longer_than_may_be_is_refused() {
    let now = Instant::now();
    let speed = speed(now);
    let now = commits(&speed, 1, SOON, now);
    assert!(!speed.is_behind(1_000, now));
    assert!(speed.is_behind(1_001, now));
}

#[test]
fn a_stall_refuses_nobody_and_a_flood_refuses_more() {
    let now = Instant::now();
    let speed = speed(now);
    let now = late_commits(&speed, 10, now);
    assert!(!speed.is_behind(170, now), "late for less than a fifth of a second");
    let now = commits(&speed, 1, SOON, now);
    let now = late_commits(&speed, 10, now);
    assert!(!speed.is_behind(170, now), "late again, but not on end");
    let now = commits(&speed, 1, LATE, now);
    assert!(speed.is_behind(170, now));
    assert!(!speed.is_behind(160, now), "some are always taken");
}

#[test]
fn a_flood_is_over_when_nobody_had_to_be_refused_for_a_second() {
    let now = Instant::now();
    let speed = speed(now);
    let mut now = late_commits(&speed, 11, now);
    for _ in 0..3 {
        now = commits(&speed, 45, SOON, now);
        assert!(speed.is_behind(170, now));
    }
    let now = commits(&speed, 51, SOON, now);
    assert!(!speed.is_behind(170, now));
}

#[test]
fn what_is_late_without_a_long_queue_is_no_flood() {
    let now = Instant::now();
    let speed = speed(now);
    let now = commits(&speed, 50, LATE, now);
    assert!(!speed.is_behind(1_000, now));
}

#[test]
fn a_flood_that_does_not_end_is_questioned() {
    let now = Instant::now();
    let speed = speed(now);
    let mut now = late_commits(&speed, 11, now);
    for _ in 0..34 {
        assert!(speed.is_behind(170, now));
        now = commits(&speed, 45, SOON, now);
    }
    assert!(!speed.is_behind(170, now), "those who come again at once would wait for very little");
    let now = late_commits(&speed, 11, now);
    assert!(speed.is_behind(170, now), "it is one indeed");
}
