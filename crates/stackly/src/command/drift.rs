//! `stackly drift`: what does not say the same, and putting it right.

use clap::{Args, Subcommand};
use contracts::{Message, StackId, stack::FixDrift};
use planner::{drift::Differences, ordered::Begun};
use serde_json::{Value, json};

use super::{
    desk::{Desk, read},
    names::Who,
};
use crate::{failure::Failure, output::drift, print::Terminal};

/// What is compared.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// The Spacelift account with the code of its stacks
    Catalogue,
    /// Fix drift: run the code as it is, in order, through all gates
    Fix(Stacks),
}

/// Which stacks, and who wants something of them.
#[derive(Debug, Args)]
pub struct Stacks {
    /// The stacks, by id
    #[arg(required = true)]
    stacks: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// Reason, in your own words
    #[arg(long)]
    note: Option<String>,
}

impl Stacks {
    /// The stacks, who wants something of them, and why.
    pub(super) fn said(&self) -> Result<(Vec<StackId>, String, Option<String>), Failure> {
        let mut stacks: Vec<StackId> = Vec::with_capacity(self.stacks.len());
        for stack in self.stacks.iter().map(|stack| StackId::from(stack.as_str())) {
            // Whoever names one twice means it once.
            if !stacks.contains(&stack) {
                stacks.push(stack);
            }
        }
        Ok((stacks, self.who.name()?, self.note.clone()))
    }
}

/// Sends a command about stacks, and shows the chains that follow.
pub(super) async fn ask_for(
    order: &impl Message,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.order(order).await?;
    let begun: Begun = read("planner", answer.clone())?;
    terminal.answer(&answer, |look| drift::begun(&begun, look))
}

pub(super) async fn run(
    action: &Action,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    if let Action::Fix(options) = action {
        let (stacks, by, note) = options.said()?;
        return ask_for(&FixDrift { stacks, by, note }, desk, terminal).await;
    }
    let mut all = page(desk, Value::Null).await?;
    while let Some(from) = all.next.take() {
        let next = page(desk, json!({ "from": from })).await?;
        all = Differences { differences: [all.differences, next.differences].concat(), ..next };
    }
    let Differences { version, as_of, total, differences, .. } = &all;
    let document = json!({
        "version": version, "as_of": as_of, "total": total, "differences": differences,
    });
    terminal.answer(&document, |look| drift::render(&all, look))
}

async fn page(desk: &Desk, question: Value) -> Result<Differences, Failure> {
    read("planner", desk.ask("planner", "drift", question).await?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        stacks: Stacks,
    }

    #[test]
    fn a_stack_that_is_named_twice_is_meant_once() {
        let typed = Typed::parse_from(["x", "dns", "network", "dns", "--as", "jane"]);
        let (stacks, ..) = typed.stacks.said().unwrap();
        assert_eq!(stacks, ["dns".into(), "network".into()]);
    }
}
