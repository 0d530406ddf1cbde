use std::time::Duration;

use tokio::time::Instant;

use super::Speed;

#[test]
fn only_many_at_once_tell_how_fast_it_goes() {
    let now = Instant::now();
    let speed = Speed::new(now);
    speed.note(1, Duration::from_secs(3), now);
    assert_eq!(speed.wait(1_000, now), Duration::ZERO);
    speed.note(200, Duration::from_millis(20), now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(100));
    speed.note(1, Duration::from_secs(3), now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(100));
}

#[test]
fn one_slow_commit_counts_for_a_quarter() {
    let now = Instant::now();
    let speed = Speed::new(now);
    speed.note(200, Duration::from_millis(20), now);
    speed.note(200, Duration::from_millis(100), now);
    assert_eq!(speed.wait(1_000, now), Duration::from_millis(200));
}

#[test]
fn a_stall_is_forgotten_when_no_flood_follows_it() {
    let now = Instant::now();
    let speed = Speed::new(now);
    speed.note(200, Duration::from_secs(4), now);
    assert_eq!(speed.wait(10, now), Duration::from_millis(200));
    let later = now + Duration::from_millis(1_001);
    assert_eq!(speed.wait(10, later), Duration::ZERO);
    speed.note(200, Duration::from_millis(20), later);
    assert_eq!(speed.wait(10, later), Duration::from_millis(1));
}
