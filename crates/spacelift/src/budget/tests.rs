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
fn who_will_not_wait_that_long_takes_no_place() {
    let now = Instant::now();
    let budget = Budget::new(1, 1, now);
    assert_eq!(budget.reserve(now, LONG), Ok(milliseconds(0)));
    assert_eq!(budget.reserve(now, milliseconds(10)), Err(milliseconds(1000)));
    assert_eq!(budget.reserve(now, LONG), Ok(milliseconds(1000)));
}

#[test]
fn nobody_sends_while_spacelift_wants_quiet_and_then_at_the_rate() {
    let now = Instant::now();
    let budget = Budget::new(10, 2, now);
    budget.be_quiet(now + milliseconds(5000));
    budget.be_quiet(now + milliseconds(10));
    let waits: Vec<_> = (0..4).map(|_| budget.reserve(now, LONG)).collect();
    assert_eq!(waits, [5000, 5000, 5100, 5200].map(|n| Ok(milliseconds(n))));
}
