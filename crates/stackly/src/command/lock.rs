//! `stackly lock`, `unlock` and `locks`.

use clap::Args;
use contracts::{
    Message, StackId,
    order::{LockStack, UnlockStack},
};
use executor::{LockLine, LockPage};
use serde_json::{Value, json};

use super::{
    desk::{Desk, read},
    order::Said,
};
use crate::{
    failure::Failure,
    output::{history, locks},
    print::Terminal,
};

/// Which stack, and who says so.
#[derive(Debug, Args)]
pub struct Lock {
    /// The stack
    stack: StackId,
    #[command(flatten)]
    said: Said,
}

/// Which stack, and who says so.
#[derive(Debug, Args)]
pub struct Unlock {
    /// The stack
    stack: StackId,
    /// Even if somebody else locked it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    said: Said,
}

/// Which locks.
#[derive(Debug, Args)]
pub struct Locks {
    /// Show the history of the lock on this stack
    stack: Option<StackId>,
}

pub(super) async fn lock(
    options: &Lock,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (by, note) = options.said.say()?;
    change(&LockStack { stack: options.stack.clone(), by, note }, desk, terminal).await
}

pub(super) async fn unlock(
    options: &Unlock,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (by, note) = options.said.say()?;
    let Unlock { stack, force, .. } = options;
    change(&UnlockStack { stack: stack.clone(), force: *force, by, note }, desk, terminal).await
}

async fn change<M: Message>(
    order: &M,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.order(order).await?;
    let line: LockLine = read("executor", answer.clone())?;
    terminal.answer(&answer, |_| locks::sentence(&line))
}

pub(super) async fn list(
    options: &Locks,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let Some(stack) = &options.stack else {
        let answer = desk.ask("executor", "locks", Value::Null).await?;
        let lines: Vec<LockLine> = read("executor", answer.clone())?;
        return terminal.answer(&json!({ "locks": answer }), |look| locks::render(&lines, look));
    };
    let answer = desk.ask("executor", "locks", json!({ "stack": stack })).await?;
    let page: LockPage = read("executor", answer.clone())?;
    terminal.answer(&answer, |look| match &page.lock {
        Some(line) => {
            format!("{}\n\n{}", locks::sentence(line), history::render(&page.history, look))
        }
        None => format!("nobody ever locked {stack} with `stackly lock`"),
    })
}
