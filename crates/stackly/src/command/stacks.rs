//! `stackly stacks`.

use chrono::Utc;
use clap::Args;
use contracts::StackId;
use planner::question::StackPage;
use serde_json::json;

use super::desk::{Desk, read};
use crate::{failure::Failure, output::stacks, print::Terminal};

/// Which stacks are listed.
#[derive(Debug, Args)]
pub struct Options {
    /// Words that must all match, such as `label:env:prod space:root,legacy path:stacks not:net*`;
    /// fields are label, space, repository, branch, path, owner, status and name, and `not:`
    /// before a word negates it
    #[arg(value_name = "WORD")]
    query: Vec<String>,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let whole = all(desk, &options.query.join(" ")).await?;
    let document =
        json!({ "version": whole.version, "as_of": whole.as_of, "stacks": whole.stacks });
    terminal.answer(&document, |look| stacks::render(&whole, Utc::now(), look))
}

/// Those that a query finds, of however many pages.
pub(super) async fn all(desk: &Desk, query: &str) -> Result<StackPage, Failure> {
    let mut whole = page(desk, query, None).await?;
    while let Some(after) = whole.next.take() {
        let next = page(desk, query, Some(after)).await?;
        whole = StackPage { stacks: [whole.stacks, next.stacks].concat(), ..next };
    }
    Ok(whole)
}

async fn page(desk: &Desk, query: &str, after: Option<StackId>) -> Result<StackPage, Failure> {
    let question = match query {
        "" => json!({ "after": after }),
        query => json!({ "after": after, "query": query }),
    };
    read("planner", desk.ask("planner", "stacks", question).await?)
}
