//! `stackly deliveries`.

use chrono::Utc;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::desk::{Desk, read};
use crate::{
    failure::Failure,
    output::deliveries::{self, Delivery},
    print::Terminal,
};

/// Which deliveries are listed.
#[derive(Debug, Args)]
pub struct Options {
    /// Only those from here
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// The most that are listed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Who sends webhooks.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    Github,
    Spacelift,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let source = options.source.map(|source| match source {
        Source::Github => "github",
        Source::Spacelift => "spacelift",
    });
    let question = json!({ "limit": options.limit, "source": source });
    let answer = desk.ask("ingest", "deliveries", question).await?;
    let found: Vec<Delivery> = read("ingest", answer.clone())?;
    terminal.answer(&answer, |look| deliveries::render(&found, Utc::now(), look))
}
