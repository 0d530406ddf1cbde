use std::time::Duration;

use uuid::Uuid;

use super::{BACKOFF_MAX, Brake, backoff};

#[test]
fn waits_double_up_to_five_minutes() {
    let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 1_000].map(|n| backoff(n).as_secs()).to_vec();
    assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300]);
    assert_eq!(backoff(i32::MAX), BACKOFF_MAX);
}

#[test]
fn a_pulled_brake_holds_everybody_but_not_until_the_same_moment() {
    let brake = Brake::default();
    let (one, two) = (Uuid::from_u128(0x00), Uuid::from_u128(0xff));
    assert_eq!(brake.left(one), None);
    brake.pull(Duration::from_secs(30));
    brake.pull(Duration::from_secs(1));
    let (first, second) = (brake.left(one).unwrap(), brake.left(two).unwrap());
    assert!(first > Duration::from_secs(29), "a shorter wait does not end a longer one");
    assert!(second > first + Duration::from_secs(4));
}
