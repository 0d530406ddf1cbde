//! `stackly chains`.

use chrono::Utc;
use clap::Args;
use executor::ChainLine;
use serde_json::json;

use super::{
    desk::{Desk, read},
    value::limit,
};
use crate::{failure::Failure, output, print::Terminal};

/// Which chains are listed.
#[derive(Debug, Args)]
pub struct Options {
    /// Only chains that have not ended
    #[arg(long)]
    open: bool,
    /// Maximum number of results
    #[arg(long, default_value_t = 20, value_parser = limit::<500>)]
    limit: u64,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let question = json!({ "open": options.open, "limit": options.limit });
    let answer = desk.ask("executor", "chains", question).await?;
    let lines: Vec<ChainLine> = read("executor", answer.clone())?;
    let document = json!({ "chains": answer });
    terminal.answer(&document, |look| output::chains::render(&lines, Utc::now(), look))
}
