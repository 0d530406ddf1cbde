//! `stackly connect`: what has to be set up outside, shown first and made with `--apply`.

mod account;
mod github;
mod hooks;
mod ingest_config;
mod spacelift;
mod wanted;

use std::path::Path;

use clap::Subcommand;

pub use wanted::PASSING;
pub(crate) use wanted::{Line, Step};

use crate::{failure::Failure, print::Terminal};

/// What is connected.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Set up a space of a Spacelift account: the named webhook, the notification policy that feeds
    /// it, and the push policy that hands labelled stacks to Stackly
    Spacelift(spacelift::Options),
    /// Set up the webhook of a GitHub repository
    Github(github::Options),
}

pub(super) async fn run(
    action: &Action,
    folder: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match action {
        Action::Spacelift(options) => spacelift::run(options, folder, terminal).await,
        Action::Github(options) => github::run(options, folder, terminal).await,
    }
}
