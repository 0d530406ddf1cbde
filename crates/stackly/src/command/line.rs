//! `stackly stop`, `stackly go`, and `stackly stops`.

use clap::Args;
use contracts::policies::SwitchLine;
use planner::question::StackLine;
use policy::{line::settled, page::Stops};
use serde_json::Value;

use super::{
    desk::{Desk, read},
    names::Who,
    stacks,
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
    let order = SwitchLine { stop: true, labels: labels.clone(), by, reason: Some(reason) };
    let mut answer = desk.order(&order).await?;
    let line: Stops = read("policy", answer.clone())?;
    let held = match labels.is_empty() {
        true => None,
        false => held(&line, &labels, desk).await,
    };
    answer["held_stacks"] = held.into();
    terminal.answer(&answer, |look| output::line(&line, look) + &output::held(held, &labels))
}

/// How many stacks those have labels for which the line was just stopped: whoever mistyped one
/// believes that it holds. Not known if the planner does not answer; it is stopped all the same.
async fn held(line: &Stops, labels: &[String], desk: &Desk) -> Option<usize> {
    let wanted = settled(labels.to_vec());
    let stop = line.stopped.iter().find(|stop| stop.labels == wanted)?;
    let stacks = stacks::all(desk, "").await.ok()?.stacks;
    let labels = |line: &StackLine| {
        let labels = line.stack.labels.iter().chain(line.code_labels.iter());
        labels.map(ToString::to_string).collect::<Vec<_>>()
    };
    let is_held = |line: &&StackLine| stop.is_about(labels(line).iter().map(String::as_str));
    Some(stacks.iter().filter(is_held).count())
}

pub(super) async fn go(
    options: &Go,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Go { labels, reason, who } = options.clone();
    let by = who.name()?;
    let answer = desk.order(&SwitchLine { stop: false, labels, by, reason }).await?;
    show(&answer, terminal)
}

pub(super) async fn list(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    show(&desk.ask("policy", "line", Value::Null).await?, terminal)
}

fn show(answer: &Value, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let line: Stops = read("policy", answer.clone())?;
    terminal.answer(answer, |look| output::line(&line, look))
}
