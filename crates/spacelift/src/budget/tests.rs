use std::time::Duration;

use tokio::time::Instant;

use super::Budget;

const LONG: Duration = Duration::from_secs(60);

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let now = Instant::now();
    let budget = Budget::new(10, 3, now);
    let waits: Vec<_> = (0..6).map(|_| budget.reserve(now, LONG)).collect();
    let expected = [0, 0, 0, 100, 200, 300].map(|n| Ok(milliseconds(n)));
    assert_eq!(waits, expected);
}

#[test]
fn a_pause_refills_no_more_than_the_burst() {
    let now = Instant::now();
    let budget = Budget::new(10, 2, now);
    let later = now + LONG;
    let waits: Vec<_> = (0..3).map(|_| budget.reserve(later, LONG)).collect();
    assert_eq!(waits, [0, 0, 100].map(|n| Ok(milliseconds(n))));
}

#[test]
fn of_a_rate_that_is_shared_each_process_takes_its_part_as_they_come_and_go() {
    let now = Instant::now();
    let budget = Budget::new(10, 4, now);
    let waits = |at| (0..4).map(|_| budget.reserve(at, LONG).unwrap().as_millis()).collect();
    budget.share_among(2);
    let two: Vec<_> = waits(now);
    assert_eq!(two, [0, 0, 200, 400]);
    budget.share_among(8);
    let many: Vec<_> = waits(now + LONG);
    assert_eq!(many, [0, 800, 1_600, 2_400], "one may always go");
    budget.share_among(1);
    let alone: Vec<_> = waits(now + LONG + LONG);
    assert_eq!(alone, [0, 0, 0, 0]);
}

#[test]
fn who_will_not_wait_that_long_takes_no_place() {
    let now = Instant::now();
    let budget = Budget::new(1, 1, now);
    assert_eq!(budget.reserve(now, LONG), Ok(milliseconds(0)));
    assert_eq!(budget.reserve(now, milliseconds(10)), Err(milliseconds(1000)));
    assert_eq!(budget.reserve(now, LONG), Ok(milliseconds(1000)));
}

#[test]
fn nobody_sends_while_spacelift_wants_quiet_and_then_at_half_the_rate_one_by_one() {
    let now = Instant::now();
    let budget = Budget::new(10, 3, now);
    budget.be_quiet(now, now + milliseconds(5000));
    // One that was under way with the first.
    budget.be_quiet(now, now + milliseconds(10));
    let waits: Vec<_> = (0..4).map(|_| budget.reserve(now, LONG)).collect();
    assert_eq!(waits, [5000, 5200, 5400, 5600].map(|n| Ok(milliseconds(n))));
}

#[test]
fn the_rate_comes_back_little_by_little_and_so_does_the_burst() {
    let now = Instant::now();
    let at = |seconds: u64| {
        let budget = Budget::new(10, 3, now);
        budget.be_quiet(now, now);
        let later = now + Duration::from_secs(seconds);
        let waits = (0..4).map(|_| budget.reserve(later, LONG).unwrap().as_millis());
        waits.collect::<Vec<_>>()
    };
    assert_eq!(at(0), [0, 200, 400, 600]);
    // The rate is whole, and the burst half.
    assert_eq!(at(10), [0, 0, 100, 200]);
    assert_eq!(at(20), [0, 0, 0, 100]);
    assert_eq!(at(3_600), [0, 0, 0, 100]);
}

#[test]
fn however_often_it_is_too_much_something_is_left_of_the_rate() {
    let now = Instant::now();
    let budget = Budget::new(32, 100, now);
    let mut later = now;
    for _ in 0..100 {
        budget.be_quiet(later, later + milliseconds(1));
        later += milliseconds(1);
    }
    let waits: Vec<_> = (0..2).map(|_| budget.reserve(later, LONG).unwrap()).collect();
    assert!(waits[1] > milliseconds(950) && waits[1] <= milliseconds(1000), "{waits:?}");
}
