//! What people say about a gate.

use std::collections::BTreeSet;

use bus::{Problem, ProblemKind};
use chrono::{DateTime, Utc};
use contracts::{ChainId, GateId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::people::People;

/// A person said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Made by who sent it: the same review sent twice is one.
    pub id: Uuid,
    /// Who.
    pub by: String,
    /// The groups that an issuer of identities says they belong to, by its own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What.
    #[serde(flatten)]
    pub word: Word,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When they said so, as far as that is known; otherwise when it was taken down.
    pub at: DateTime<Utc>,
}

impl Review {
    /// From when a word counts: a host whose clock is ahead makes it no later than it is.
    pub fn counts_from(said_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
        said_at.map_or(now, |at| at.min(now))
    }

    /// Breaking the glass is another matter than what is said about the gate.
    pub(crate) const fn is_vote(&self) -> bool {
        !matches!(self.word, Word::Override { .. })
    }
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "word")]
pub enum Word {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Neither; what was said before is taken back.
    Withdraw,
    /// Yes, whatever the policies say.
    Override {
        /// Until when it holds.
        until: DateTime<Utc>,
        /// Also for gates of the chain that are asked later.
        whole_chain: bool,
    },
}

impl Word {
    /// Yes or no.
    pub const fn of(approve: bool) -> Self {
        if approve { Self::Approve } else { Self::Reject }
    }
}

/// What each person said last, in the order in which they said it; what was taken back is left
/// out, and breaking the glass is another matter.
pub fn newest<'a>(people: &People, reviews: &'a [Review]) -> Vec<&'a Review> {
    let spoken: Vec<&Review> = reviews.iter().filter(|review| review.is_vote()).collect();
    // A word may come after another that was said later.
    let is_newest = |(index, review): &(usize, &&Review)| {
        let mut all = spoken.iter().enumerate();
        !all.any(|(place, other)| {
            (other.at, place) > (review.at, *index) && people.same(&other.by, &review.by)
        })
    };
    let newest = spoken.iter().enumerate().filter(is_newest).map(|(_, review)| *review);
    newest.filter(|review| review.word != Word::Withdraw).collect()
}

/// Those of different people, as far as anybody knows, and the others: whom only a source knows may be
/// one of those whom policies know by no name of that source, and whom a source knows that does not
/// know all the `authors`, anybody. Who `is_meant` by a policy is known.
pub fn apart<'a>(
    people: &People,
    authors: &[&str],
    reviews: Vec<&'a Review>,
    is_meant: impl Fn(&Review) -> bool,
) -> (Vec<&'a Review>, Vec<&'a Review>) {
    let source = |review: &Review| match is_meant(review) {
        true => None,
        false => people.known_only_to(&review.by),
    };
    let is_told =
        |review: &Review| source(review).is_none() || !people.may_be_anybody(&review.by, authors);
    // Those whom policies know are different people; so are those whom one source knows.
    let is_one_of = |of: &Option<String>, review: &Review| match (of, source(review)) {
        (Some(of), None) => people.is_known_to(of, &review.by),
        (of, source) => is_told(review) && *of == source,
    };
    let sources: BTreeSet<Option<String>> =
        reviews.iter().filter(|review| is_told(review)).map(|review| source(review)).collect();
    let count = |of: &Option<String>| reviews.iter().filter(|review| is_one_of(of, review)).count();
    // Of as many, those whom policies know.
    let most = sources.into_iter().rev().max_by_key(count);
    reviews
        .into_iter()
        .partition(|review| most.as_ref().is_some_and(|most| is_one_of(most, review)))
}

/// Why a review is not taken down. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewRefused {
    /// The gate has its final answer.
    #[error("{gate} is decided: {decision}")]
    Decided {
        /// The gate.
        gate: GateId,
        /// How it was decided.
        decision: String,
    },
    /// It waits for something, but not for people.
    #[error("{gate} asks for no approval: {waits_for}")]
    NotAsked {
        /// The gate.
        gate: GateId,
        /// What it waits for.
        waits_for: String,
    },
    /// The author of the change wants to approve it.
    #[error("{by} made this change, and policy {policy} wants others to approve it{who}")]
    SelfApproval {
        /// Who.
        by: String,
        /// The policy.
        policy: String,
        /// Who may.
        who: String,
    },
    /// This person may not.
    #[error("policy {policy} gives {by} no say in this{who}")]
    NotAllowed {
        /// Who.
        by: String,
        /// The policy.
        policy: String,
        /// Who may.
        who: String,
    },
    /// Nobody can tell whether this person is somebody else than those who count already.
    #[error(
        "policy {policy} counts different people, and nobody knows who {by} is; say so in the \
         policies, `person \"…\" {{ also = [\"{by}\"] }}`, or under [people] of ingest"
    )]
    Unknown {
        /// Who.
        by: String,
        /// The policy.
        policy: String,
    },
    /// Nobody can tell whether this person made the change.
    #[error(
        "policy {policy} wants to know who made the change, and nobody knows who that is: {authors}; \
         say so in the policies, `person \"…\" {{ also = [\"…\"] }}`, and approve it then"
    )]
    NoAuthor {
        /// The policy.
        policy: String,
        /// Whom nobody knows.
        authors: String,
    },
    /// Nobody is asked, and this person has no say in it.
    #[error(
        "{gate} asks nobody, so only who made the change, may approve it elsewhere or may break its \
         glass rejects it, and {by} is none of them; who may end it does with: stackly cancel {chain}"
    )]
    MayNotReject {
        /// Who.
        by: String,
        /// The gate.
        gate: GateId,
        /// Its chain.
        chain: ChainId,
    },
    /// Nobody's name is on it.
    #[error("a review needs a name; say who you are with --as")]
    Nameless,
    /// There is nothing they could take back.
    #[error("{by} has said nothing about {gate} that could be taken back")]
    NothingSaid {
        /// Who.
        by: String,
        /// The gate.
        gate: GateId,
    },
    /// It comes late, and they said something else meanwhile.
    #[error("{by} has said something else about {gate} since, and that counts")]
    SaidSince {
        /// Who.
        by: String,
        /// The gate.
        gate: GateId,
    },
    /// This person may not break the glass.
    #[error("no `break_glass` block lets {by} pass over what holds {gate}")]
    NotTrusted {
        /// Who.
        by: String,
        /// The gate.
        gate: GateId,
    },
    /// Everybody will ask why.
    #[error("whoever breaks the glass says why; give a --reason")]
    Reasonless,
    /// Everybody will ask what came of it.
    #[error("whoever followed it up says what came of it; give a --note")]
    Noteless,
}

impl ReviewRefused {
    /// The code of the problem the asker gets.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Decided { .. } => "gate_decided",
            Self::NotAsked { .. } => "approval_not_asked",
            Self::SelfApproval { .. } => "self_approval",
            Self::NotAllowed { .. } => "not_an_approver",
            Self::Unknown { .. } => "approver_unknown",
            Self::NoAuthor { .. } => "author_unknown",
            Self::MayNotReject { .. } => "rejection_refused",
            Self::Nameless => "reviewer_missing",
            Self::NothingSaid { .. } => "nothing_said",
            Self::SaidSince { .. } => "said_since",
            Self::NotTrusted { .. } => "override_refused",
            Self::Reasonless => "reason_missing",
            Self::Noteless => "note_missing",
        }
    }

    const fn kind(&self) -> ProblemKind {
        match self {
            Self::Nameless | Self::Reasonless | Self::Noteless => ProblemKind::Malformed,
            Self::Decided { .. }
            | Self::NotAsked { .. }
            | Self::NothingSaid { .. }
            | Self::SaidSince { .. } => ProblemKind::Conflict,
            Self::SelfApproval { .. }
            | Self::NotAllowed { .. }
            | Self::Unknown { .. }
            | Self::NoAuthor { .. }
            | Self::MayNotReject { .. }
            | Self::NotTrusted { .. } => ProblemKind::Refused,
        }
    }
}

impl From<ReviewRefused> for Problem {
    fn from(refused: ReviewRefused) -> Self {
        Self::new(refused.kind(), refused.code(), refused.to_string())
    }
}
