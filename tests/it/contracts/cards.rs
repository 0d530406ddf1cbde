//! What the services' cards say, held against each other and the registry.

use std::collections::BTreeSet;

use contracts::{
    Card, Code,
    envelope::HEADERS,
    registry::{COMMANDS, EVENTS, FOR_OTHERS, FOR_SUBSCRIBERS, event},
};

use super::{CARDS, published, readers, responders, writers};

#[test]
fn every_event_is_written_and_read_by_someone() {
    for event in EVENTS {
        assert!(!writers(event.kind).is_empty(), "nobody writes {}", event.kind);
        // Some are questions to whoever is outside, some are for whoever hooks into the stream.
        let is_for_others =
            FOR_OTHERS.contains(&event.kind) || FOR_SUBSCRIBERS.contains(&event.kind);
        let is_read = !readers(event.kind).is_empty() || is_for_others;
        assert!(is_read, "nobody reads {}", event.kind);
    }
}

#[test]
fn every_command_is_answered_by_one_service() {
    for command in COMMANDS {
        let responders = responders(command.kind);
        assert_eq!(responders.len(), 1, "{} is answered by {responders:?}", command.kind);
    }
}

#[test]
fn the_cards_speak_of_messages_that_exist() {
    for card in &CARDS {
        for kind in card.takes.iter().chain(card.gives) {
            assert!(event(kind).is_some(), "{}: {kind} is not in the registry", card.service);
        }
        for kind in card.commands {
            let known = COMMANDS.iter().any(|command| command.kind == *kind);
            assert!(known, "{}: {kind} is not in the registry", card.service);
        }
        for code in card.fails_by {
            let known = Code::ALL.iter().any(|known| known.as_str() == *code);
            assert!(known, "{}: {code} is not a reason code", card.service);
        }
    }
}

#[test]
fn no_two_services_share_a_name_or_a_consumer() {
    let names: BTreeSet<_> = CARDS.iter().map(|card| card.service).collect();
    let consumers: BTreeSet<_> = CARDS.iter().map(|card| card.consumer).collect();
    assert_eq!((names.len(), consumers.len()), (CARDS.len(), CARDS.len()));
    for card in &CARDS {
        let prefix = format!("{}-", card.service);
        assert!(card.consumer.starts_with(&prefix), "{} of {}", card.consumer, card.service);
    }
}

/// Replicas of several builds share a consumer, whose filter therefore only grows: what one of them
/// takes comes to all that follow.
#[test]
fn what_was_ever_taken_goes_on_being_taken() {
    let taken = |card: &'static Card| card.takes.iter().map(move |kind| (card.consumer, *kind));
    let now: BTreeSet<_> =
        CARDS.iter().flat_map(taken).map(|(who, kind)| format!("{who}={kind}")).collect();
    let path = "crates/contracts/snapshots/takes.txt";
    let frozen: BTreeSet<_> = published::read(path).lines().map(str::to_owned).collect();
    let lost: Vec<_> = frozen.difference(&now).collect();
    assert!(
        lost.is_empty(),
        "{lost:?} would be given back for ever: go on taking it, and decide nothing"
    );
    let more: Vec<_> = now.difference(&frozen).collect();
    assert!(more.is_empty(), "{more:?} can never be left again: add it to {path}, in order");
}

#[test]
fn the_headers_that_are_listed_are_those_that_are_written() {
    let source = published::read("crates/bus/src/wire.rs");
    let listed: BTreeSet<_> = HEADERS.iter().map(|header| header.name).collect();
    let (_, writing) = source.split_once("fn headers(").unwrap();
    let (writing, _) = writing.split_once("\n}\n").unwrap();
    let mut written: BTreeSet<_> = writing
        .split("headers.insert(")
        .skip(1)
        .map(|call| call.split(',').next().unwrap().trim().trim_matches('"'))
        .collect();
    assert!(written.remove("NATS_MESSAGE_ID"), "the server would not recognise duplicates");
    written.insert("Nats-Msg-Id");
    assert_eq!(written, listed);
}
