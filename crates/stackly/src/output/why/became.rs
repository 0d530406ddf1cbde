//! What became of a delivery, or of everything that spoke of a commit.

use chrono::{DateTime, Utc};
use contracts::ChainId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    output::deliveries::{Delivery, Ordered, Repeat, verdict_cell},
    print::{Look, Tone, age, clean, moment},
};

/// The answer of `stackly.ask.ingest.why`, with what followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Why {
    pub(crate) about: String,
    pub(crate) deliveries: Vec<Became>,
}

/// One delivery, and what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Became {
    pub(crate) delivery: Delivery,
    pub(crate) events: Vec<Event>,
    #[serde(default)]
    pub(crate) repeats: Vec<Repeat>,
    #[serde(default)]
    pub(crate) orders: Vec<Ordered>,
    #[serde(default)]
    pub(crate) replays: Vec<Uuid>,
    /// What the other services made of its events.
    #[serde(default)]
    pub(crate) followed: Vec<Followed>,
}

/// An event that followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) key: String,
}

/// What a service made of an event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Followed {
    pub(crate) service: String,
    pub(crate) what: String,
    pub(crate) key: String,
    pub(crate) answers: Vec<String>,
    pub(crate) note: Option<String>,
}

/// The chains that services speak of, each once.
pub(crate) fn chains(followed: &[Followed]) -> Vec<ChainId> {
    let mut chains = Vec::new();
    for chain in followed.iter().filter_map(|one| one.key.parse().ok()) {
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    chains
}

/// In sentences.
pub(crate) fn render(why: &Why, now: DateTime<Utc>, look: &Look) -> String {
    why.deliveries.iter().map(|became| one(became, now, look)).collect::<Vec<_>>().join("\n")
}

fn one(became: &Became, now: DateTime<Utc>, look: &Look) -> String {
    let delivery = &became.delivery;
    let mut lines = vec![format!(
        "{} {} from {}, {} ago ({}): {}",
        look.paint(Tone::Strong, &clean(&delivery.kind)),
        delivery.id,
        delivery.source,
        age(delivery.received_at, now),
        moment(delivery.received_at),
        verdict_cell(&delivery.verdict).1,
    )];
    lines.push(format!("  {}: {}", delivery.code, clean(&delivery.message)));
    if delivery.found {
        lines.push("  nobody delivered it; it was looked for and found".to_owned());
    }
    for repeat in &became.repeats {
        let id = if repeat.sender_id.is_empty() { "no id" } else { &repeat.sender_id };
        lines.push(format!("  told again {}×, last as {}", repeat.times, clean(id)));
    }
    for ordered in &became.orders {
        lines.push(format!("  {}", ordered.sentence()));
    }
    for event in &became.events {
        lines.push(format!("  → {} {} ({})", event.kind, event.id, clean(&event.key)));
    }
    for followed in &became.followed {
        let answers = match followed.answers.is_empty() {
            true => "nothing".to_owned(),
            false => followed.answers.join(", "),
        };
        let note = followed.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let line = format!("    {} {} → {answers}{note}", followed.service, followed.what);
        lines.push(clean(&line));
    }
    for chain in chains(&became.followed) {
        lines.push(format!("  chain {chain}"));
    }
    for event in &became.replays {
        lines.push(format!("  read again: event {event}"));
    }
    lines.join("\n") + "\n"
}
