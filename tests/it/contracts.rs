//! The contract as published: `docs/EVENTS.md`, `docs/asyncapi.json` and the table in
//! `docs/runbook/REASONS.md` are made from the types, the registry and the services' cards.
//!
//! A stale document fails its test, which writes the right one to the target folder and says how
//! to take it over.

mod asyncapi;
mod cards;
mod events;
mod fields;
mod published;
mod reasons;
mod states;
mod wire;

use contracts::Card;

/// The services, in the order of the way.
pub static CARDS: [Card; 5] =
    [ingest::CARD, planner::CARD, policy::CARD, executor::CARD, notifier::CARD];

/// The names of those who give what `of` picks out of their card.
fn services(of: impl Fn(&Card) -> &'static [&'static str], kind: &str) -> Vec<&'static str> {
    CARDS.iter().filter(|card| of(card).contains(&kind)).map(|card| card.service).collect()
}

fn writers(kind: &str) -> Vec<&'static str> {
    services(|card| card.gives, kind)
}

fn readers(kind: &str) -> Vec<&'static str> {
    services(|card| card.takes, kind)
}

fn responders(kind: &str) -> Vec<&'static str> {
    services(|card| card.commands, kind)
}
