//! `stackly override ID`.

use chrono::TimeDelta;
use clap::Args;
use contracts::gate::OverrideGate;
use policy::page::GatePage;

use super::{
    desk::{Desk, read},
    names::Who,
    review::{self, Word},
    value,
};
use crate::{
    failure::Failure,
    output::gates,
    print::{Terminal, moment, span},
};

/// What is passed over, by whom and why.
#[derive(Debug, Args)]
pub struct Options {
    /// A gate (`gate_…`), a chain (`chain_…`), or one stack of a chain (`chain_…/STACK`)
    id: String,
    /// Reason, sent to everyone
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
    /// How long it lasts [default: as long as the policies allow]
    #[arg(long = "for", value_name = "SPAN", value_parser = value::span)]
    span: Option<TimeDelta>,
    /// Also pass gates of the same chain that come up while it lasts
    #[arg(long)]
    chain: bool,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let by = options.who.name()?;
    let gate = review::gate(desk, options.id.trim(), Word::Override).await?;
    let order = OverrideGate {
        gate,
        by: by.clone(),
        reason: options.reason.clone(),
        seconds: options.span.and_then(|span| u64::try_from(span.num_seconds()).ok()),
        chain: options.chain,
        done: false,
    };
    let answer = desk.order(&order).await?;
    let gate: GatePage = read("policy", answer.clone())?;
    let said = said(&gate, &by, options.span);
    terminal.answer(&answer, |look| gates::reviewed(&gate, &said, look))
}

/// Who broke the glass, and until when: policies may allow less than was asked for.
fn said(gate: &GatePage, by: &str, asked: Option<TimeDelta>) -> String {
    let Some((since, until)) = gate.broken() else { return format!("broke the glass as {by}") };
    let is_shorter = |asked: &TimeDelta| until - since < *asked - TimeDelta::seconds(1);
    let asked = asked.filter(is_shorter).map(|asked| format!("; {} were asked for", span(asked)));
    format!("broke the glass as {by} until {}{}", moment(until), asked.unwrap_or_default())
}
