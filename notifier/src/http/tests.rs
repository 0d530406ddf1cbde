use std::time::Duration;

use reqwest::header::HeaderName;
use uuid::Uuid;

use super::{Answer, BACKOFF_MAX, Brake, backoff, mending};

#[test]
fn waits_double_up_to_five_minutes() {
    let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 1_000].map(|n| backoff(n).as_secs()).to_vec();
    assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300]);
    assert_eq!(backoff(i32::MAX), BACKOFF_MAX);
    let waits: Vec<u64> = [0, 1, 2, 3, 4, 1_000].map(|n| mending(n).as_secs()).to_vec();
    assert_eq!(waits, [60, 60, 120, 240, 300, 300], "while a person mends something");
}

#[test]
fn nobody_is_waited_for_longer_than_a_day_whatever_they_ask() {
    let asked = |value: &str| {
        let headers = [(HeaderName::from_static("retry-after"), value.parse().unwrap())];
        let headers = headers.into_iter().collect();
        Answer { status: 429, headers, body: Vec::new() }.retry_after()
    };
    let day = Duration::from_secs(86_400);
    assert_eq!(asked("7"), Some(Duration::from_secs(7)));
    assert_eq!(asked("86401"), Some(day));
    assert_eq!(asked(&u64::MAX.to_string()), Some(day));
    assert_eq!(asked("-1"), None);
    assert_eq!(asked("soon"), None);
    let brake = Brake::default();
    brake.pull(Duration::MAX);
    assert!(brake.left(Uuid::nil()).unwrap() <= day + Duration::from_secs(1));
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
