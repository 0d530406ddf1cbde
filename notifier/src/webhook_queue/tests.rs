use serde_json::Value;
use uuid::Uuid;

use super::{Dispatch, Queue, WAITING_MAX};
use crate::{sample::at, webhook::Hook};

fn hook(number: u128) -> Hook {
    Hook {
        endpoint: "billing".to_owned(),
        id: Uuid::from_u128(number),
        kind: "step.finished".to_owned(),
        time: at(0),
        data: Value::Null,
    }
}

#[test]
fn events_go_one_after_the_other() {
    let mut queue = Queue::default();
    assert_eq!(queue.push(hook(1), at(0)), [Dispatch::Next(hook(1))]);
    assert_eq!(queue.push(hook(2), at(1)), []);
    assert_eq!(queue.push(hook(3), at(1)), []);
    assert_eq!(queue.concluded(Uuid::from_u128(9), at(2)), [], "not the one under way");
    assert_eq!(queue.concluded(Uuid::from_u128(1), at(2)), [Dispatch::Next(hook(2))]);
    assert_eq!(queue.concluded(Uuid::from_u128(2), at(3)), [Dispatch::Next(hook(3))]);
    assert_eq!(queue.concluded(Uuid::from_u128(3), at(4)), []);
    assert!(queue.is_idle());
}

#[test]
fn nobody_waits_for_a_stuck_one_longer_than_ten_minutes() {
    let mut queue = Queue::default();
    queue.push(hook(1), at(0));
    assert_eq!(queue.due(), None, "nobody waits");
    queue.push(hook(2), at(1));
    assert_eq!(queue.due(), Some(at(600)));
    assert_eq!(queue.release(at(599)), []);
    assert_eq!(queue.release(at(600)), [Dispatch::ByItself(hook(2))]);
    assert_eq!(queue.due(), None);
    assert_eq!(queue.push(hook(3), at(601)), [Dispatch::ByItself(hook(3))]);
    assert_eq!(queue.concluded(Uuid::from_u128(1), at(700)), []);
    assert_eq!(queue.push(hook(4), at(701)), [Dispatch::Next(hook(4))], "order is kept again");
}

#[test]
fn a_long_queue_is_not_kept() {
    let mut queue = Queue::default();
    queue.push(hook(0), at(0));
    for number in 0..WAITING_MAX {
        assert_eq!(queue.push(hook(number as u128 + 1), at(1)), []);
    }
    assert_eq!(queue.push(hook(999), at(1)).len(), WAITING_MAX + 1);
}
