use super::*;

const CARD: Card = Card {
    service: "planner",
    consumer: "planner-changes",
    takes: &["change.pushed"],
    gives: &[],
    commands: &[],
    fails_by: &[],
};

#[test]
fn streams_are_named_by_need_in_capitals_and_hold_different_things() {
    for (index, stream) in STREAMS.iter().enumerate() {
        let sound = stream.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        assert!(sound && stream.name.starts_with("STACKLY_"), "{}", stream.name);
        assert!(!stream.purpose.is_empty());
        for other in &STREAMS[index + 1..] {
            assert_ne!(stream.name, other.name);
            for subject in stream.subjects {
                assert!(!other.subjects.contains(subject), "{subject} is kept twice");
            }
        }
    }
}

#[test]
fn the_streams_are_kept_as_long_as_was_promised() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    assert_eq!((EVENTS.name, EVENTS.max_age), ("STACKLY_EVENTS", days(7)));
    assert_eq!((DEAD_LETTERS.name, DEAD_LETTERS.max_age), ("STACKLY_DEAD_LETTERS", days(90)));
    for stream in STREAMS {
        assert!(stream.duplicate_window <= stream.max_age, "the server would refuse it");
    }
}

#[test]
fn every_event_is_kept_and_so_is_every_dead_letter() {
    for event in crate::registry::EVENTS {
        let subject = subject::event(event.kind, "key");
        assert!(subject.starts_with(EVENTS.subjects[0].trim_end_matches('>')), "{subject}");
    }
    let letter = subject::dead_letter(CARD.consumer);
    assert!(letter.starts_with(DEAD_LETTERS.subjects[0].trim_end_matches('>')), "{letter}");
}

#[test]
fn who_takes_nothing_has_no_consumer() {
    let idle = Card { service: "ingest", consumer: "ingest-deliveries", takes: &[], ..CARD };
    let consumers = consumers(&[idle, CARD]);
    assert_eq!(consumers, [Consumer { name: "planner-changes", takes: &["change.pushed"] }]);
}
