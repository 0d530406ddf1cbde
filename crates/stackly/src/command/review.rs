//! `stackly approve ID` and `stackly reject ID`.

use std::cmp::Reverse;

use clap::Args;
use contracts::{ChainId, GateId, gate::ReviewGate};
use policy::page::{GatePage, Gates};
use serde_json::{Value, json};

use super::{
    desk::{Desk, read},
    names::{self, Who},
};
use crate::{failure::Failure, output::gates, print::Terminal};

/// What is approved or rejected, and by whom.
#[derive(Debug, Args)]
pub struct Options {
    /// A gate (`gate_…`), a chain (`chain_…`), or one stack of a chain (`chain_…/STACK`); a
    /// prefix of an id is enough if it is unique among the open gates
    id: String,
    #[command(flatten)]
    who: Who,
    /// Reason, in your own words
    #[arg(long)]
    note: Option<String>,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Approve,
    Reject,
    Withdraw,
    Override,
}

impl Word {
    fn verb(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::Override => "override",
        }
    }
}

pub(super) async fn run(
    options: &Options,
    word: Word,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let by = options.who.name()?;
    let gate = gate(desk, options.id.trim(), word).await?;
    let note = options.note.clone();
    let (approve, withdraw) = (word == Word::Approve, word == Word::Withdraw);
    let review = ReviewGate {
        gate,
        approve,
        by: by.clone(),
        groups: Vec::new(),
        note,
        withdraw,
        said_at: None,
    };
    let answer = desk.order(&review).await?;
    let gate: GatePage = read("policy", answer.clone())?;
    let said = match word {
        Word::Approve => "approved",
        Word::Reject => "rejected",
        Word::Withdraw | Word::Override => "taken back",
    };
    terminal.answer(&answer, |look| gates::reviewed(&gate, &format!("{said} as {by}"), look))
}

/// The gate that is meant. Only what is open can be approved or rejected.
pub(super) async fn gate(desk: &Desk, given: &str, word: Word) -> Result<GateId, Failure> {
    if let Ok(gate) = given.to_ascii_lowercase().parse() {
        return Ok(gate);
    }
    let meant = Meant::read(given)?;
    let answer = desk.ask("policy", "gates", meant.question()).await?;
    let found: Gates = read("policy", answer)?;
    pick(&found, &meant, word)
}

/// The gate that is meant, also one that is decided; of a chain, the newest.
pub(super) async fn any_gate(desk: &Desk, given: &str) -> Result<GateId, Failure> {
    if let Ok(gate) = given.to_ascii_lowercase().parse() {
        return Ok(gate);
    }
    let meant = Meant::read(given)?;
    let mut question = meant.question();
    question["open_only"] = json!(false);
    let found: Gates = read("policy", desk.ask("policy", "gates", question).await?)?;
    let mut fitting: Vec<_> = found.gates.iter().filter(|gate| meant.fits(gate)).collect();
    fitting.sort_by_key(|gate| Reverse(gate.requested_at));
    let gates: Vec<GateId> = fitting.iter().map(|gate| gate.decided.gate).collect();
    match (gates.as_slice(), &meant) {
        ([], _) => Err(Failure::NotFound(format!(
            "there is no gate of {}; `stackly gates --all` lists them",
            meant.show()
        ))),
        ([newest, ..], Meant::Chain(..)) | ([newest], _) => Ok(*newest),
        (several, Meant::Gate(start)) => Err(names::ambiguous("gates", start, several)),
    }
}

/// What a person named.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    /// A gate whose id begins so.
    Gate(String),
    /// The gates of chains whose id begins so, of one stack or of any.
    Chain(String, Option<String>),
}

impl Meant {
    fn read(given: &str) -> Result<Self, Failure> {
        let lower = given.to_ascii_lowercase();
        if lower.starts_with("gate_") {
            return Ok(Self::Gate(lower));
        }
        match given.split_once('/') {
            Some((_, "")) => {
                Err(Failure::Usage(format!("`{given}` names no stack behind the slash")))
            }
            Some((chain, stack)) => {
                Ok(Self::Chain(names::beginning(chain)?, Some(stack.to_owned())))
            }
            None => {
                let start = names::beginning(given).map_err(|_| no_id(given))?;
                Ok(Self::Chain(start, None))
            }
        }
    }

    /// Narrows as far as the service can; the rest is for [`Meant::fits`].
    fn question(&self) -> Value {
        match self {
            Self::Gate(start) => json!({ "open_only": true, "begins": start }),
            Self::Chain(start, stack) => {
                let named = if start.parse::<ChainId>().is_ok() { "chain" } else { "begins" };
                json!({ "open_only": true, named: start, "stack": stack })
            }
        }
    }

    fn fits(&self, gate: &GatePage) -> bool {
        let decided = &gate.decided;
        match self {
            Self::Gate(start) => decided.gate.to_string().starts_with(start),
            Self::Chain(start, stack) => {
                let is_stack = stack
                    .as_ref()
                    .is_none_or(|stack| gate.stacks.iter().any(|of| of.stack.as_str() == stack));
                decided.chain.to_string().starts_with(start) && is_stack
            }
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Gate(start) | Self::Chain(start, None) => start.clone(),
            Self::Chain(start, Some(stack)) => format!("{start}/{stack}"),
        }
    }
}

fn no_id(given: &str) -> Failure {
    Failure::Usage(format!(
        "`{}` is neither a gate (gate_…) nor a chain (chain_…), nor the beginning of the id of one; \
         `stackly gates` lists those that are open",
        crate::print::clean(given)
    ))
}

fn pick(found: &Gates, meant: &Meant, word: Word) -> Result<GateId, Failure> {
    let mut gates: Vec<&GatePage> = found.gates.iter().filter(|gate| meant.fits(gate)).collect();
    // What waits for the clock can be rejected, but nobody asks for its approval.
    if word == Word::Approve && gates.iter().any(|gate| gate.waits_for_people()) {
        gates.retain(|gate| gate.waits_for_people());
    }
    let verb = word.verb();
    match gates.as_slice() {
        [] => Err(nothing_open(meant, found.more)),
        [gate] => Ok(gate.decided.gate),
        several => {
            let lines = several.iter().map(|gate| {
                let why = crate::print::clean(gate.why());
                format!("\n  stackly {verb} {}  # {}: {why}", gate.decided.gate, gate.place())
            });
            Err(Failure::Usage(format!(
                "{} gates of {} are open; say which one:{}",
                several.len(),
                meant.show(),
                lines.collect::<String>()
            )))
        }
    }
}

fn nothing_open(meant: &Meant, more: bool) -> Failure {
    let shown = meant.show();
    let what = match meant {
        Meant::Gate(_) => format!("no open gate begins with {shown}"),
        Meant::Chain(..) => format!("no gate of {shown} is open"),
    };
    let hint = match (meant, more) {
        (_, true) => "more begin so than one answer has: give more of the id".to_owned(),
        (Meant::Gate(_), _) => "`stackly gates` lists those that are open".to_owned(),
        (Meant::Chain(chain, _), _) => {
            format!("`stackly gates --all --chain {chain}` shows how they were decided")
        }
    };
    Failure::NotFound(format!("{what}; {hint}"))
}

#[cfg(test)]
mod tests;
