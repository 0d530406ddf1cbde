//! What became of a delivery, or of everything that spoke of a commit.

use chrono::{DateTime, Utc};
use contracts::ChainId;
use executor::ChainLine;
use ingest::page::Told;
use serde::{Deserialize, Serialize};

use crate::{
    output::{
        deliveries::{ordered, verdict_cell},
        trace::tally,
    },
    print::{Look, Tone, age, clean, moment},
};

/// The answer of `stackly.ask.ingest.why`, with what followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Why {
    pub(crate) about: String,
    pub(crate) deliveries: Vec<Became>,
    /// The chains that came of it, as they stand.
    #[serde(default)]
    pub(crate) chains: Vec<ChainLine>,
}

/// One delivery, and what became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Became {
    #[serde(flatten)]
    pub(crate) told: Told,
    /// What the other services made of its events.
    #[serde(default)]
    pub(crate) followed: Vec<Followed>,
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
pub(crate) fn chains<'a>(followed: impl IntoIterator<Item = &'a Followed>) -> Vec<ChainId> {
    let mut chains = Vec::new();
    for chain in followed.into_iter().filter_map(|one| one.key.parse().ok()) {
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    chains
}

impl Became {
    fn is_change(&self) -> bool {
        self.told.events.iter().any(|event| event.kind.starts_with("change."))
    }
}

impl Followed {
    /// Whether it says something that the chain itself does not say better.
    fn matters(&self) -> bool {
        match self.answers.is_empty() {
            true => self.note.is_some(),
            false => self.service == "planner",
        }
    }
}

/// In sentences: all of it, or what matters where a change is among it.
pub(crate) fn render(why: &Why, all: bool, now: DateTime<Utc>, look: &Look) -> String {
    let all = all || !why.deliveries.iter().any(Became::is_change);
    let shown = why.deliveries.iter().filter(|became| all || became.is_change());
    let mut texts: Vec<String> = shown.map(|became| one(became, all, now, look)).collect();
    let hidden = why.deliveries.len() - texts.len();
    let chains = chains(why.deliveries.iter().flat_map(|became| &became.followed));
    texts.push(chains.into_iter().map(|chain| standing(chain, why)).collect());
    if hidden > 0 {
        texts.push(
            look.paint(Tone::Faint, &format!("{hidden} more spoke of it; --all shows them\n")),
        );
    }
    texts.retain(|text| !text.is_empty());
    texts.join("\n")
}

/// A chain, and how it stands if that is known.
fn standing(chain: ChainId, why: &Why) -> String {
    let known = why.chains.iter().find(|line| line.chain == chain);
    let stands = known.map(|ChainLine { state, reason, steps, ended, .. }| {
        clean(&format!(" is {state}, {ended}/{steps}: {}", reason.text))
    });
    format!("chain {chain}{}\n", stands.unwrap_or_default())
}

fn one(became: &Became, all: bool, now: DateTime<Utc>, look: &Look) -> String {
    let told = &became.told;
    let delivery = &told.delivery;
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
    for repeat in &told.repeats {
        let id = if repeat.sender_id.is_empty() { "no id" } else { &repeat.sender_id };
        lines.push(format!("  told again {}×, last as {}", repeat.times, clean(id)));
    }
    for order in &told.orders {
        lines.push(format!("  {}", ordered(order)));
    }
    for event in &told.events {
        lines.push(format!("  → {} {} ({})", event.kind, event.id, clean(&event.key)));
    }
    for followed in became.followed.iter().filter(|followed| all || followed.matters()) {
        let answers = match followed.answers.is_empty() {
            true => "nothing".to_owned(),
            false => tally(&followed.answers),
        };
        let note = followed.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let line = format!("    {} {} → {answers}{note}", followed.service, followed.what);
        lines.push(clean(&line));
    }
    for event in &told.replays {
        lines.push(format!("  read again: event {event}"));
    }
    lines.join("\n") + "\n"
}
