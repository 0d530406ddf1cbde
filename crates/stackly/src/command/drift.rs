//! `stackly drift`: what does not say the same.

use clap::Subcommand;
use planner::drift::Difference;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::desk::{Desk, read};
use crate::{failure::Failure, output::drift, print::Terminal};

/// What is compared.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// The Spacelift account with the code of its stacks
    Catalogue,
}

/// All differences of one version of the catalogue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Differences {
    pub(crate) version: i64,
    pub(crate) as_of: chrono::DateTime<chrono::Utc>,
    pub(crate) total: usize,
    pub(crate) differences: Vec<Difference>,
    #[serde(skip_serializing)]
    next: Option<usize>,
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Action::Catalogue = action;
    let mut all = page(desk, Value::Null).await?;
    while let Some(from) = all.next.take() {
        let next = page(desk, json!({ "from": from })).await?;
        all = Differences { differences: [all.differences, next.differences].concat(), ..next };
    }
    terminal.answer(&all, |look| drift::render(&all, look))
}

async fn page(desk: &Desk, question: Value) -> Result<Differences, Failure> {
    read("planner", desk.ask("planner", "drift", question).await?)
}
