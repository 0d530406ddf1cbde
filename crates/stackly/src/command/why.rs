//! `stackly why WHAT`: why a chain or a stack waits, and what became of a delivery or a commit.

pub(super) mod became;

use chrono::Utc;
use clap::Args;
use contracts::{ChainId, Reason};
use executor::{ChainLine, ChainPage, WaitLine};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{Desk, read},
    names, policy, stacks,
};
use crate::{
    failure::Failure,
    output::why::waits,
    print::{Terminal, clean},
};

/// In so many of the newest chains a stack of which nothing waits is looked for.
const SEARCHED: usize = 20;

/// What is asked about.
#[derive(Debug, Args)]
pub struct Options {
    /// A chain (`chain_…`, or the beginning of its id), a stack, a gate (`gate_…`), a commit or its
    /// beginning, a delivery (its id, or the one its sender gave it), or an event
    what: String,
    /// For a commit or a delivery, also show reports of runs and what had no effect
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let what = options.what.trim();
    if what.is_empty() {
        let text = "name a chain, a stack, a gate, a commit, a delivery or an event";
        return Err(Failure::Usage(text.to_owned()));
    }
    if what.to_ascii_lowercase().starts_with("gate_") {
        return policy::explain(what, desk, terminal).await;
    }
    if what.to_ascii_lowercase().starts_with("chain_") {
        let chain = names::chain(desk, what).await?;
        let (answer, lines) = waiting(desk, json!({ "chain": chain })).await?;
        if lines.is_empty() {
            let last = Some(page(chain, desk).await?);
            return ended((what, None), last, terminal);
        }
        return terminal.answer(&answer, |look| waits::render(&lines, Utc::now(), look));
    }
    if is_commit_or_id(what) {
        return became::run(what, options.all, desk, terminal).await;
    }
    let (answer, lines) = waiting(desk, json!({ "stack": what })).await?;
    if lines.is_empty() {
        // Nothing of a stack of this name waits; a sender may call its deliveries anything.
        if let Some(found) = became::find(what, desk).await? {
            return became::tell(found, options.all, desk, terminal).await;
        }
        is_stack(what, desk).await?;
        return ended((what, Some(what)), last_of(what, desk).await?, terminal);
    }
    terminal.answer(&answer, |look| waits::render(&lines, Utc::now(), look))
}

/// A chain as it is shown in full, for programs and for us.
type Page = (Value, ChainPage);

async fn page(chain: ChainId, desk: &Desk) -> Result<Page, Failure> {
    let answer = desk.ask("executor", "chain", json!({ "chain": chain })).await?;
    Ok((answer.clone(), read("executor", answer)?))
}

/// The newest chain with a step of a stack, if it is among the newest of all.
async fn last_of(stack: &str, desk: &Desk) -> Result<Option<Page>, Failure> {
    let answer = desk.ask("executor", "chains", json!({ "limit": SEARCHED })).await?;
    for line in read::<Vec<ChainLine>>("executor", answer)? {
        let found = match page(line.chain, desk).await {
            // It was forgotten since it was listed.
            Err(Failure::NotFound(_)) => continue,
            found => found?,
        };
        // Whether it has a step of the stack is not told.
        if let Some(Reason { code, text }) = found.1.left_out {
            let (code, message) = (code.to_string(), format!("{}: {text}", line.chain));
            return Err(Failure::Problem { code, message });
        }
        let steps = &found.1.steps_in_order;
        if steps.iter().any(|step| step.summary.stack.as_str() == stack) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Nothing waits: how it ended.
fn ended(
    (what, stack): (&str, Option<&str>),
    last: Option<Page>,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut document = json!({ "waits": [] });
    let page = last.map(|(value, page)| {
        document["last"] = value;
        page
    });
    terminal.answer(&document, |_| waits::ended(what, page.as_ref(), stack))
}

/// That nothing of a stack waits is an answer only if there is such a stack.
async fn is_stack(what: &str, desk: &Desk) -> Result<(), Failure> {
    let known = stacks::all(desk, "").await?.stacks;
    match known.iter().any(|line| line.stack.id.as_str() == what) {
        true => Ok(()),
        false => Err(Failure::NotFound(format!(
            "no stack, delivery or event is called `{}`; `stackly stacks WORD` and `stackly \
             deliveries` list what there is",
            clean(what)
        ))),
    }
}

async fn waiting(desk: &Desk, question: Value) -> Result<(Value, Vec<WaitLine>), Failure> {
    let answer = desk.ask("executor", "why", question).await?;
    let lines = read("executor", answer.clone())?;
    Ok((json!({ "waits": answer }), lines))
}

/// No stack is called like that.
fn is_commit_or_id(what: &str) -> bool {
    let is_hex = what.chars().all(|letter| letter.is_ascii_hexdigit());
    Uuid::parse_str(what).is_ok() || (is_hex && (7..=64).contains(&what.len()))
}

#[cfg(test)]
mod tests {
    use super::is_commit_or_id;

    #[test]
    fn commits_and_ids_are_told_from_stacks_by_their_looks() {
        for what in ["c0ffee1", "01997f0e-7c1b-7bd3-9f6a-0a4f6a3a2b10", &"a".repeat(40)] {
            assert!(is_commit_or_id(what), "{what}");
        }
        for what in ["network-prod", "c0ffee", "", "feedback"] {
            assert!(!is_commit_or_id(what), "{what}");
        }
    }
}
