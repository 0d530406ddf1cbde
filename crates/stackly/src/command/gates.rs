//! `stackly gates`.

use chrono::Utc;
use clap::Args;
use policy::page::Gates;
use serde_json::json;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output::gates, print::Terminal};

/// Which gates are listed.
#[derive(Debug, Args)]
pub struct Options {
    /// Only of this chain (its id, or a prefix of it)
    #[arg(long, value_name = "ID")]
    chain: Option<String>,
    /// Only of this stack
    #[arg(long)]
    stack: Option<String>,
    /// Include gates that are decided for good
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let chain = match &options.chain {
        Some(given) => Some(names::chain(desk, given).await?),
        None => None,
    };
    let question = json!({ "chain": chain, "stack": options.stack, "open_only": !options.all });
    let answer = desk.ask("policy", "gates", question).await?;
    let found: Gates = read("policy", answer.clone())?;
    terminal.answer(&answer, |look| match found.gates.is_empty() {
        true => gates::none(options.all),
        false => gates::render(&found, Utc::now(), look),
    })
}
