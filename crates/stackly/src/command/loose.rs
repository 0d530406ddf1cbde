//! `stackly loose`.

use clap::{Args, Subcommand};
use contracts::stack::{AdoptStack, DestroyStacks};
use planner::register::State;
use serde_json::json;

use super::{
    desk::{Desk, read},
    drift::{Stacks, ask_for},
    names::Who,
};
use crate::{failure::Failure, output::loose, print::Terminal};

/// The most that are asked for at once.
const PAGE: usize = 500;

/// What can be done about stacks whose code is gone.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List stacks whose code is gone while their resources still exist
    List,
    /// Assign a loose stack to its code; refused, with reasons, if it does not fit
    Adopt(Adopt),
    /// Destroy the resources of loose stacks, through all gates, in the given order
    Destroy(Stacks),
}

/// Which stack, and which code.
#[derive(Debug, Args)]
pub struct Adopt {
    /// The stack, by id
    stack: String,
    /// The folder of its code, from the root of the repository it tracks
    #[arg(long, value_name = "FOLDER")]
    path: String,
    /// Its name in stackly.hcl; needed if the folder has several stacks
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    who: Who,
    /// Reason, in your own words
    #[arg(long)]
    note: Option<String>,
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match action {
        Action::List => list(desk, terminal).await,
        Action::Adopt(options) => adopt(options, desk, terminal).await,
        Action::Destroy(options) => {
            let (stacks, by, note) = options.said()?;
            ask_for(&DestroyStacks { stacks, by, note }, desk, terminal).await
        }
    }
}

async fn adopt(options: &Adopt, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let Adopt { stack, path, name, who, note } = options;
    let command = AdoptStack {
        stack: stack.as_str().into(),
        path: path.clone(),
        name: name.clone(),
        by: who.name()?,
        note: note.clone(),
    };
    let answer = desk.order(&command).await?;
    let state: State = read("planner", answer.clone())?;
    terminal.answer(&answer, |look| loose::adopted(&state, look))
}

async fn list(desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
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
    terminal.answer(&json!({ "stacks": all }), |look| loose::render(&all, look))
}
