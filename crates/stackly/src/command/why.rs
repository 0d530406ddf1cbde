//! `stackly why WHAT`: why a chain or a stack waits, and what became of a delivery or a commit.

pub(super) mod became;

use chrono::Utc;
use clap::Args;
use executor::WaitLine;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{Desk, read},
    names,
};
use crate::{failure::Failure, output::why::waits, print::Terminal};

/// What is asked about.
#[derive(Debug, Args)]
pub struct Options {
    /// A chain (`chain_…`, or the beginning of its id), a stack, a commit or its beginning, a
    /// delivery (its id, or the one its sender gave it), or an event
    what: String,
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let what = options.what.trim();
    if what.to_ascii_lowercase().starts_with("chain_") {
        let question = json!({ "chain": names::chain(desk, what).await? });
        let (answer, lines) = waiting(desk, question).await?;
        return terminal.answer(&answer, |look| waits::render(what, &lines, Utc::now(), look));
    }
    if is_commit_or_id(what) {
        return became::run(what, desk, terminal).await;
    }
    let (answer, lines) = waiting(desk, json!({ "stack": what })).await?;
    // Nothing of a stack of this name waits; a sender may call its deliveries anything.
    if lines.is_empty()
        && let Some(found) = became::find(what, desk).await?
    {
        return became::tell(found, desk, terminal).await;
    }
    terminal.answer(&answer, |look| waits::render(what, &lines, Utc::now(), look))
}

async fn waiting(desk: &Desk, question: Value) -> Result<(Value, Vec<WaitLine>), Failure> {
    let answer = desk.ask("executor", "why", question).await?;
    let lines = read("executor", answer.clone())?;
    Ok((answer, lines))
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
