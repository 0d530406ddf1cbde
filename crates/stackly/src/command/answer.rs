//! `stackly answer GATE HOOK`, and `stackly answer CHAIN CHECK`.

use clap::Args;
use contracts::{check::AnswerCheck, gate::AnswerHook};
use policy::page::GatePage;

use super::{
    desk::{Desk, read},
    names::{self, Who},
    order, review,
    value::amount,
};
use crate::{failure::Failure, output::gates, print::Terminal};

/// Which hook, or which health check, answers what.
#[derive(Debug, Args)]
pub struct Options {
    /// A gate (`gate_…`) that a hook holds, or a chain (`chain_…`) that waits for a health check, or a
    /// unique prefix of its id
    gate: String,
    /// The name of the hook or check
    hook: String,
    /// Deny it; for a check: it failed
    #[arg(long)]
    deny: bool,
    /// Reason, shown to people
    #[arg(long)]
    text: Option<String>,
    /// For a hook: the change in monthly cost, in the account's currency
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, value_parser = amount)]
    cost_delta: Option<f64>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let by = options.who.name()?;
    if options.gate.trim().to_ascii_lowercase().starts_with("chain_") {
        return check(options, by, desk, terminal).await;
    }
    let answer = AnswerHook {
        hook: options.hook.clone(),
        gate: review::any_gate(desk, options.gate.trim()).await?,
        pass: !options.deny,
        by: by.clone(),
        text: options.text.clone(),
        cost_delta: options.cost_delta,
    };
    let answer = desk.order_for(&answer, &options.hook).await?;
    let gate: GatePage = read("policy", answer.clone())?;
    let said = format!("hook {} answered as {by}", options.hook);
    terminal.answer(&answer, |look| gates::reviewed(&gate, &said, look))
}

/// The look it is about is the one under way.
async fn check(
    options: &Options,
    by: String,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = AnswerCheck {
        chain: names::chain(desk, &options.gate).await?,
        check: options.hook.clone(),
        look: None,
        pass: !options.deny,
        by,
        text: options.text.clone(),
        groups: None,
    };
    order::order(&answer, desk, terminal).await
}
