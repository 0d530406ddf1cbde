//! What a person orders in a comment or in Slack: to say yes or no to what a gate holds, or to have
//! a chain tried again.
//!
//! It goes the way of `stackly approve` and `stackly retry`: the command `gate.review`, which the
//! policy service commits and judges, or `chain.retry`, which the executor does. The order is committed with its delivery, so it is carried out although this
//! process dies; its id is made from the delivery, so it is one review however often it is sent.

use contracts::{ChainId, GateId};
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    /// Say yes to what a gate holds.
    Approve,
    /// Say no to it.
    Reject,
    /// Try again what ended badly.
    Retry,
}

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What.
    pub(crate) act: Act,
    /// Of what.
    pub(crate) target: Target,
    /// Who says so, by the name policies know.
    pub(crate) by: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Where the person can be told of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer_to: Option<String>,
}

/// What is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// This gate.
    Gate(GateId),
    /// What is open of this chain, of one stack or of the only one.
    Chain(ChainId, Option<String>),
    /// What is open of this pull request, of one stack or of the only one.
    PullRequest {
        /// Its repository.
        repository: String,
        /// Its number.
        number: u64,
        /// The stack.
        stack: Option<String>,
    },
}

impl Target {
    /// What a word behind `approve` means: a gate, a chain, or a stack of a chain.
    pub(crate) fn read(word: &str) -> Option<Self> {
        if let Ok(gate) = word.parse() {
            return Some(Self::Gate(gate));
        }
        let (chain, stack) = match word.split_once('/') {
            Some((chain, stack)) => (chain, Some(stack.to_owned())),
            None => (word, None),
        };
        Some(Self::Chain(chain.parse().ok()?, stack))
    }

    /// Whether it is about this gate, as the policy service shows it.
    pub(crate) fn fits(&self, gate: &GateSeen) -> bool {
        let of_stack = |wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|stack| gate.stacks.iter().any(|of| of.stack == *stack))
        };
        match self {
            Self::Gate(id) => gate.gate == *id,
            Self::Chain(chain, stack) => gate.chain == *chain && of_stack(stack),
            Self::PullRequest { stack, .. } => self.is_of(&gate.change) && of_stack(stack),
        }
    }

    /// Whether it is a pull request, and the one this change is of.
    pub(crate) fn is_of(&self, change: &ChangeSeen) -> bool {
        let Self::PullRequest { repository, number, .. } = self else { return false };
        change.repository.eq_ignore_ascii_case(repository) && change.pull_request == Some(*number)
    }
}

/// A gate, as far as it must be found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GateSeen {
    pub(crate) gate: GateId,
    pub(crate) chain: ChainId,
    #[serde(default)]
    pub(crate) stacks: Vec<StackSeen>,
    pub(crate) change: ChangeSeen,
    #[serde(default)]
    pub(crate) outcome: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StackSeen {
    pub(crate) stack: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ChangeSeen {
    pub(crate) repository: String,
    #[serde(default)]
    pub(crate) pull_request: Option<u64>,
}

/// A chain, as far as it must be found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ChainSeen {
    pub(crate) chain: ChainId,
    pub(crate) change: ChangeSeen,
}

/// Which gate an order is about, among those that are open; or what to tell the person.
pub(crate) fn pick(order: &Order, open: &[GateSeen]) -> Result<GateId, (&'static str, String)> {
    if let Target::Gate(gate) = order.target {
        return Ok(gate);
    }
    let mut meant: Vec<&GateSeen> = open.iter().filter(|gate| order.target.fits(gate)).collect();
    // What waits for the clock can be rejected, but nobody asks for its approval.
    let waits = |gate: &GateSeen| gate.outcome == "hold_for_approvals";
    if order.act == Act::Approve && meant.iter().any(|gate| waits(gate)) {
        meant.retain(|gate| waits(gate));
    }
    let verb = if order.act == Act::Approve { "approve" } else { "reject" };
    match meant.as_slice() {
        [] => Err(("nothing_open", "nothing of it is held by a gate just now".to_owned())),
        [gate] => Ok(gate.gate),
        several => {
            let lines = several.iter().take(10).map(|gate| {
                let stacks: Vec<_> = gate.stacks.iter().map(|of| of.stack.as_str()).collect();
                format!("\nstackly {verb} {}  ({})", gate.gate, stacks.join(", "))
            });
            let text = format!(
                "{} gates are open; say which one:{}",
                several.len(),
                lines.collect::<String>()
            );
            Err(("several_open", text))
        }
    }
}

#[cfg(test)]
mod tests;
