//! What a person orders in a comment or in Slack: to say yes or no to what a gate holds, or to have
//! a chain tried again, resumed or cancelled.
//!
//! It goes the way of `stackly approve` and `stackly retry`: the command `gate.review`, which the
//! policy service commits and judges, or `chain.retry` and its like, which the executor does and
//! judges. The order is committed with its delivery, so it is carried out although this process dies;
//! its id is made from the delivery, so it is one review however often it is sent.

use bus::{Problem, ProblemKind};
use chrono::{DateTime, Utc};
use contracts::{ChainId, CommitSha, GateId, change::Command, gate::ReviewCommit};
use serde::{Deserialize, Serialize};

mod seen;

pub(crate) use seen::{ChainSeen, ChangeSeen, GateSeen, GatesSeen, Known};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Act {
    /// Something is said about what a gate holds.
    Review(Word),
    /// A chain, or a step of it, is to do something.
    Chain(ChainOrder),
}

/// What is said about what a gate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// What was said is taken back.
    Withdraw,
}

/// What a chain, or a step of it, is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChainOrder {
    /// Try again what ended badly.
    Retry,
    /// Go on, if it is paused or held after a wave.
    Resume,
    /// End.
    Cancel,
}

impl Act {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Review(Word::Approve),
        Self::Review(Word::Reject),
        Self::Chain(ChainOrder::Retry),
        Self::Review(Word::Withdraw),
        Self::Chain(ChainOrder::Resume),
        Self::Chain(ChainOrder::Cancel),
    ];

    /// The act as people write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Review(Word::Approve) => "approve",
            Self::Review(Word::Reject) => "reject",
            Self::Review(Word::Withdraw) => "withdraw",
            Self::Chain(order) => order.as_str(),
        }
    }

    /// The command it was at a pull request; none for what nobody can say there.
    pub(crate) const fn command(self) -> Option<Command> {
        match self {
            Self::Review(Word::Approve) => Some(Command::Approve),
            Self::Review(Word::Reject) => Some(Command::Reject),
            Self::Review(Word::Withdraw) => Some(Command::Withdraw),
            Self::Chain(ChainOrder::Retry) => Some(Command::Retry),
            Self::Chain(ChainOrder::Resume | ChainOrder::Cancel) => None,
        }
    }
}

impl ChainOrder {
    /// The order as people write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
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
    /// The groups that an issuer of ID tokens says they belong to, by its own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Where the person can be told of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer_to: Option<String>,
    /// The pull request at which they said so, and where they are answered: its repository and number.
    #[serde(rename = "said_at", default, skip_serializing_if = "Option::is_none")]
    pub(crate) pull_request: Option<(String, u64)>,
    /// The repository in which they said so: there, only its own changes can be meant. None for
    /// what is said in Slack or with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) said_in: Option<String>,
    /// When they said so, where the host tells: it may have come here much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spoken_at: Option<DateTime<Utc>>,
    /// A review of the host's own: it means everything that waits of its commit, and nobody is told
    /// that nothing does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_review: bool,
}

impl Order {
    /// The repository in which it was said, also by an order that was kept before this was.
    pub(crate) fn said_in(&self) -> Option<&str> {
        let at = self.pull_request.as_ref().map(|(repository, _)| repository);
        self.said_in.as_ref().or(at).map(String::as_str)
    }
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
        /// The commit that is meant; its head at the time, if nobody says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<CommitSha>,
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

    /// Whether it is a pull request, and the one this change is of: by its number, or, once it is
    /// merged, by the commit that merged it. A commit that is meant is the only one that is.
    pub(crate) fn is_of(&self, change: &ChangeSeen) -> bool {
        let Self::PullRequest { repository, number, commit, .. } = self else { return false };
        // Some hosts cut short what they say a pull request is, or was merged as.
        let is_meant = commit
            .as_ref()
            .is_none_or(|commit| change.commit.as_str().starts_with(commit.as_str()));
        let is_here = change.pull_request == Some(*number)
            || (commit.is_some() && change.pull_request.is_none());
        change.repository.eq_ignore_ascii_case(repository) && is_meant && is_here
    }

    /// The same, of this commit.
    pub(crate) fn of_commit(&self, meant: CommitSha) -> Self {
        let mut bound = self.clone();
        if let Self::PullRequest { commit, .. } = &mut bound {
            *commit = Some(meant);
        }
        bound
    }
}

/// The commit that was meant at a pull request, or what to tell the person.
pub(crate) fn bind(
    number: u64,
    named: Option<&CommitSha>,
    known: &Known,
    said_at: DateTime<Utc>,
) -> Result<CommitSha, Problem> {
    let Some(newest) = known.merged_as.as_ref().or(known.head.as_ref()) else {
        let text = format!(
            "nothing is known of pull request {number}; name the gate: `stackly gates` lists them"
        );
        return Err(Problem::new(ProblemKind::NotFound, "pull_request_unknown", text));
    };
    let Some(named) = named else {
        let moved = known.merged_as.is_none() && known.since.is_some_and(|since| since > said_at);
        if moved {
            let text = format!(
                "pull request {number} got the head {} after that was said; look at it and say it \
                 again",
                newest.short()
            );
            return Err(Problem::new(ProblemKind::Conflict, "head_moved", text));
        }
        return Ok(newest.clone());
    };
    let all = [known.merged_as.as_ref(), known.head.as_ref()];
    let fits = |commit: &&CommitSha| commit.as_str().starts_with(named.as_str());
    all.into_iter().flatten().find(fits).cloned().ok_or_else(|| {
        let text = format!(
            "pull request {number} is at {}, not at {}; look at it and say it again",
            newest.short(),
            named.short()
        );
        Problem::new(ProblemKind::Conflict, "head_moved", text)
    })
}

/// The gates a review is about: all of its commit that waited for people when it was given. What
/// is rejected may wait for anything.
pub(crate) fn reviewed(order: &Order, said_at: DateTime<Utc>, open: &[GateSeen]) -> Vec<GateId> {
    let waits = |gate: &&GateSeen| {
        order.act != Act::Review(Word::Approve) || gate.outcome == "hold_for_approvals"
    };
    let meant = open.iter().filter(|gate| order.target.fits(gate)).filter(waits);
    meant.filter(|gate| gate.was_there(said_at)).map(|gate| gate.gate).collect()
}

/// What a review of the host says about its commit, whatever gates there are.
pub(crate) fn about_commit(order: &Order, said_at: DateTime<Utc>) -> Option<ReviewCommit> {
    let Target::PullRequest { repository, number, commit: Some(commit), .. } = &order.target else {
        return None;
    };
    let Act::Review(word) = order.act else { return None };
    order.is_review.then(|| ReviewCommit {
        repository: repository.clone(),
        pull_request: *number,
        commit: commit.clone(),
        approve: word == Word::Approve,
        withdraw: word == Word::Withdraw,
        by: order.by.clone(),
        note: order.note.clone(),
        said_at: Some(said_at),
    })
}

/// Which gate an order is about, among those that are open; or what to tell the person.
pub(crate) fn pick(
    order: &Order,
    said_at: DateTime<Utc>,
    open: &[GateSeen],
) -> Result<GateId, Problem> {
    if let Target::Gate(gate) = order.target {
        return Ok(gate);
    }
    let fitting: Vec<&GateSeen> = open.iter().filter(|gate| order.target.fits(gate)).collect();
    let mut meant: Vec<&GateSeen> =
        fitting.iter().copied().filter(|gate| gate.was_there(said_at)).collect();
    // What waits for the clock can be rejected, but nobody asks for its approval.
    let waits = |gate: &GateSeen| gate.outcome == "hold_for_approvals";
    if order.act == Act::Review(Word::Approve) && meant.iter().any(|gate| waits(gate)) {
        meant.retain(|gate| waits(gate));
    }
    let verb = order.act.as_str();
    match meant.as_slice() {
        [] if !fitting.is_empty() => {
            let text =
                "what is held now was asked after that was said; look at it and say it again";
            Err(Problem::new(ProblemKind::Conflict, "asked_later", text))
        }
        [] => {
            let text = "nothing of it is held by a gate just now";
            Err(Problem::new(ProblemKind::NotFound, "nothing_open", text))
        }
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
            Err(Problem::new(ProblemKind::Conflict, "several_open", text))
        }
    }
}

/// Which chain an order at a pull request is about: the newest there was when it was said; or what
/// to tell the person. However late it is carried out and however often, that is the same one.
pub(crate) fn newest(
    order: &Order,
    said_at: DateTime<Utc>,
    newest_first: &[ChainSeen],
) -> Result<ChainId, Problem> {
    let mut fitting =
        newest_first.iter().filter(|seen| order.target.is_of(&seen.change)).peekable();
    if fitting.peek().is_none() {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "nothing_there",
            "no chain of late is of this pull request",
        ));
    }
    let meant = fitting.find(|seen| seen.began_at <= said_at).map(|seen| seen.chain);
    meant.ok_or_else(|| {
        let text = "the chain of this pull request was planned after that was said; look at it and \
                    say it again";
        Problem::new(ProblemKind::Conflict, "planned_later", text)
    })
}

#[cfg(test)]
mod tests;
