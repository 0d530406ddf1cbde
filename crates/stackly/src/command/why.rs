//! `stackly why ID`.

use chrono::Utc;
use clap::Args;
use executor::WaitLine;
use serde_json::json;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output, print::Terminal};

/// What is asked about.
#[derive(Debug, Args)]
pub struct Options {
    /// A chain (`chain_…`, or the beginning of its id) or a stack
    what: String,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let what = options.what.trim();
    let question = match what.to_ascii_lowercase().starts_with("chain_") {
        true => json!({ "chain": names::chain(desk, what).await? }),
        false => json!({ "stack": what }),
    };
    let answer = desk.ask("executor", "why", question).await?;
    let lines: Vec<WaitLine> = read("executor", answer.clone())?;
    terminal.answer(&answer, |look| output::why::render(what, &lines, Utc::now(), look))
}
