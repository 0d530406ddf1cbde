//! `stackly loose`.

use clap::Subcommand;
use planner::register::State;
use serde_json::json;

use super::desk::{Desk, read};
use crate::{failure::Failure, output::loose, print::Terminal};

/// The most that are asked for at once.
const PAGE: usize = 500;

/// What can be done about stacks whose code is gone.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List stacks whose code is gone while what they made is still there
    List,
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Action::List = action;
    let mut all: Vec<State> = Vec::new();
    loop {
        let after = all.last().map(|state| &state.stack);
        let question = json!({ "after": after, "limit": PAGE });
        let page: Vec<State> = read("planner", desk.ask("planner", "loose", question).await?)?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            break;
        }
    }
    terminal.answer(&json!(all), |look| loose::render(&all, look))
}
