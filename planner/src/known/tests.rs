use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Known, Shelf, Snapshot};
use crate::catalogue::tests::stack;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

#[test]
fn the_shelf_is_empty_until_something_is_put_there() {
    let shelf = Shelf::default();
    assert!(shelf.snapshot().is_none());
    shelf.put(Snapshot { known: Arc::new(Known::new(2, vec![stack("a")])), as_of: at(5) });
    let snapshot = shelf.snapshot().unwrap();
    assert_eq!((snapshot.known.catalogue.version(), snapshot.as_of), (2, at(5)));
}

#[test]
fn only_a_reading_from_after_the_latest_wish_fulfils_it() {
    let shelf = Shelf::default();
    assert!(!shelf.wants_newer_than(at(-1_000)), "nobody asked");
    shelf.want(at(10));
    shelf.want(at(7));
    assert!(shelf.wants_newer_than(at(9)));
    assert!(!shelf.wants_newer_than(at(10)));
}

#[test]
fn a_reading_is_news_until_it_was_announced() {
    let shelf = Shelf::default();
    assert!(shelf.is_news(at(1)) && shelf.is_news(at(1)));
    shelf.note_announced(at(2));
    shelf.note_announced(at(1));
    assert!(!shelf.is_news(at(1)) && !shelf.is_news(at(2)));
    assert!(shelf.is_news(at(3)));
}

#[test]
fn stacks_that_are_wanted_are_taken_once_and_too_many_are_the_account() {
    let shelf = Shelf::default();
    let some = |count: usize| (0..count).map(|number| format!("s{number:02}").into());
    assert!(!shelf.wants_stacks());
    shelf.want_stacks(some(2), at(10));
    shelf.want_stacks(some(3), at(11));
    assert!(shelf.wants_stacks() && !shelf.wants_newer_than(at(9)));
    assert_eq!(shelf.take_stacks(), some(3).collect());
    assert!(!shelf.wants_stacks());

    shelf.want_stacks(some(50), at(12));
    assert!(!shelf.wants_newer_than(at(11)));
    shelf.want_stacks(some(51), at(12));
    assert!(shelf.wants_newer_than(at(11)) && !shelf.wants_stacks());
}
