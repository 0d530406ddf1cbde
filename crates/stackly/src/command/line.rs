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
    /// Only stacks with a matching label; can be repeated [default: everything]
    #[arg(long = "label", value_name = "PATTERN")]
    labels: Vec<String>,
    /// Reason, sent to everyone
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

/// For what the line goes on.
#[derive(Debug, Clone, Args)]
pub struct Go {
    /// The labels of the stop to end [default: the stop without labels]
    #[arg(long = "label", value_name = "PATTERN")]
    labels: Vec<String>,
    /// Reason, sent to everyone
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
