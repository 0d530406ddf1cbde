//! `stackly stop`, `stackly go`, and `stackly stops`.

use clap::Args;
use contracts::policies::SwitchLine;
use policy::page::Stops;
use serde_json::Value;

use super::{
    desk::{Desk, read},
    names::Who,
};
use crate::{failure::Failure, output::line as output, print::Terminal};

/// For what the line is stopped, by whom and why.
#[derive(Debug, Clone, Args)]
pub struct Stop {
    /// For stacks with a label that fits; may be said several times [default: everything]
    #[arg(long = "label", value_name = "PATTERN")]
    labels: Vec<String>,
    /// Why; everyone is told
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

/// For what the line goes on.
#[derive(Debug, Clone, Args)]
pub struct Go {
    /// The labels it was stopped for [default: what was stopped without any]
    #[arg(long = "label", value_name = "PATTERN")]
    labels: Vec<String>,
    /// Why; everyone is told
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn stop(
    options: &Stop,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Stop { labels, reason, who } = options.clone();
    let by = who.name()?;
    switch(&SwitchLine { stop: true, labels, by, reason: Some(reason) }, desk, terminal).await
}

pub(super) async fn go(
    options: &Go,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Go { labels, reason, who } = options.clone();
    let by = who.name()?;
    switch(&SwitchLine { stop: false, labels, by, reason }, desk, terminal).await
}

async fn switch(
    order: &SwitchLine,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    show(&desk.order(order).await?, terminal)
}

pub(super) async fn list(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    show(&desk.ask("policy", "line", Value::Null).await?, terminal)
}

fn show(answer: &Value, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let line: Stops = read("policy", answer.clone())?;
    terminal.answer(answer, |look| output::line(&line, look))
}
