//! `stackly pause`, `resume`, `cancel` and `retry`: orders to the executor.

use chrono::Utc;
use clap::Args;
use contracts::{
    ChainId, Message, StackId,
    order::{CancelChain, PauseChain, ResumeChain, RetryChain},
};
use executor::ChainPage;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output, print::Terminal};

/// Which chain or step, and who says so.
#[derive(Debug, Args)]
pub struct Options {
    /// A chain (`chain_…`) or one step of it (`chain_…/STACK`); a unique prefix of the id is enough
    id: String,
    #[command(flatten)]
    said: Said,
}

/// Who gives the order, and why.
#[derive(Debug, Args)]
pub(super) struct Said {
    #[command(flatten)]
    who: names::Who,
    /// Reason, in your own words
    #[arg(long)]
    note: Option<String>,
}

/// Which chain or step, and who says so.
#[derive(Debug, Args)]
pub struct CancelOptions {
    #[command(flatten)]
    order: Options,
    /// Also abort a running apply
    #[arg(long)]
    force: bool,
}

/// What is to be tried again, and who says so.
#[derive(Debug, Args)]
pub struct RetryOptions {
    #[command(flatten)]
    order: Options,
    /// Also steps of unknown outcome, because you have looked
    #[arg(long)]
    force: bool,
    /// Also run steps that were skipped because nothing they read has changed
    #[arg(long)]
    all: bool,
}

impl Options {
    /// The chain or the step, who says so, and why.
    async fn read(&self, desk: &Desk) -> Result<Read, Failure> {
        let (chain, stack) = split(&self.id)?;
        let chain = names::chain(desk, chain).await?;
        let (by, note) = self.said.say()?;
        Ok((chain, stack, by, note))
    }
}

impl Said {
    pub(super) fn say(&self) -> Result<(String, Option<String>), Failure> {
        Ok((self.who.name()?, self.note.clone()))
    }
}

type Read = (ChainId, Option<StackId>, String, Option<String>);

pub(super) async fn pause(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (chain, stack, by, note) = options.read(desk).await?;
    order(&PauseChain { chain, stack, by, note }, desk, terminal).await
}

pub(super) async fn resume(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (chain, stack, by, note) = options.read(desk).await?;
    order(&ResumeChain { chain, stack, by, note }, desk, terminal).await
}

pub(super) async fn cancel(
    options: &CancelOptions,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (chain, stack, by, note) = options.order.read(desk).await?;
    order(&CancelChain { chain, stack, force: options.force, by, note }, desk, terminal).await
}

pub(super) async fn retry(
    options: &RetryOptions,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let (chain, stack, by, note) = options.order.read(desk).await?;
    let RetryOptions { force, all, .. } = *options;
    order(&RetryChain { chain, stack, force, all, by, note }, desk, terminal).await
}

/// `chain_…/STACK`.
fn split(given: &str) -> Result<(&str, Option<StackId>), Failure> {
    match given.split_once('/') {
        Some((_, "")) => Err(Failure::Usage(format!("`{given}` names no stack behind the slash"))),
        Some((chain, stack)) => Ok((chain, Some(StackId::from(stack)))),
        None => Ok((given, None)),
    }
}

/// Gives the order, and shows how the chain stands since.
pub(super) async fn order<M: Message>(
    order: &M,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let answer = desk.order(order).await?;
    let page: ChainPage = read("executor", answer.clone())?;
    terminal.answer(&answer, |look| output::chain::render(&page, Utc::now(), look))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_named_behind_its_chain() {
        assert_eq!(split("chain_7").unwrap(), ("chain_7", None));
        assert_eq!(split("chain_7/a/b").unwrap(), ("chain_7", Some("a/b".into())));
        assert_eq!(split("chain_7/").unwrap_err().status(), 2);
    }
}
