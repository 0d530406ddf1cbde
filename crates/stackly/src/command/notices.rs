//! `stackly notices ID`.

use chrono::Utc;
use clap::Args;
use notifier::page::Deliveries;
use serde_json::json;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output::notices, print::Terminal};

/// About which chain.
#[derive(Debug, Args)]
pub struct Options {
    /// The chain's id, or a unique prefix of it
    id: String,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let chain = names::chain(desk, &options.id).await?;
    let answer = desk.ask("notifier", "deliveries", json!({ "chain": chain })).await?;
    let found: Deliveries = read("notifier", answer.clone())?;
    terminal.answer(&answer, |look| notices::render(&found, Utc::now(), look))
}
