//! `stackly chain ID`.

use chrono::Utc;
use clap::Args;
use executor::{ChainPage, OperationLine};
use serde_json::json;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output, print::Terminal};

/// Which chain is shown.
#[derive(Debug, Args)]
pub struct Options {
    /// The chain's id, or a unique prefix of it
    id: String,
    /// Show every transition instead: when, what, by whom, why
    #[arg(long)]
    history: bool,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let chain = names::chain(desk, &options.id).await?;
    if options.history {
        let answer = desk.ask("executor", "history", json!({ "chain": chain })).await?;
        let lines: Vec<OperationLine> = read("executor", answer.clone())?;
        let document = json!({ "operations": answer });
        return terminal.answer(&document, |look| output::history::render(&lines, look));
    }
    let answer = desk.ask("executor", "chain", json!({ "chain": chain })).await?;
    let page: ChainPage = read("executor", answer.clone())?;
    terminal.answer(&answer, |look| output::chain::render(&page, Utc::now(), look))
}
