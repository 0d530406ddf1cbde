//! What comes of a delivery whose host neither names files nor has ways of its own: read in the
//! same steps, whatever its payload is called.

use contracts::{CommitSha, change::Command};
use serde::de::IgnoredAny;

use super::{Moved, Proposal, moved, short_commit_id};
use crate::{
    comment::{self, Place},
    delivery::{Reading, Signed, Turn, Verdict},
    github::{header, optional_header},
    order::Order,
    payload::{self, Malformed, Text},
    review,
    source::Source,
};

/// The content key of a delivery if it has one, what becomes of it, and what is ordered.
#[derive(Debug)]
pub(crate) struct Outcome {
    key: Option<String>,
    verdict: Verdict,
    order: Option<Order>,
    turns: Vec<Turn>,
}

/// How a pull request stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// It is open, with this head.
    Open,
    /// It ended.
    Closed {
        /// By being merged.
        merged: bool,
        /// As which commit, where the host tells.
        merged_as: Option<CommitSha>,
    },
}

impl Standing {
    /// It was merged; the host may cut the commit short.
    pub(crate) fn merged_as(commit: Option<&Text<'_>>, what: &str) -> Result<Self, Malformed> {
        let commit = commit.map(|commit| short_commit_id(commit, what)).transpose()?;
        Ok(Self::Closed { merged: true, merged_as: commit.map(CommitSha) })
    }

    /// It was given up.
    pub(crate) const fn given_up() -> Self {
        Self::Closed { merged: false, merged_as: None }
    }
}

impl Outcome {
    fn new(key: Option<String>, verdict: Verdict) -> Self {
        Self { key, verdict, order: None, turns: Vec::new() }
    }

    /// Nothing follows from it.
    pub(crate) fn kept(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(None, Verdict::kept(code, text))
    }

    /// Nothing is known to follow from its kind; it has to be readable all the same.
    pub(crate) fn ignored(host: &str, kind: &str, body: &[u8]) -> Result<Self, Malformed> {
        payload::object::<IgnoredAny>(body)?;
        let text = format!("nothing follows from {host}'s `{kind}`; the delivery is kept");
        Ok(Self::kept("event_ignored", text))
    }

    /// Refs moved: all of one push. `at` tells it from another push that moves them the same way,
    /// where the host says something that does.
    pub(crate) fn moved(all: Vec<Moved>, at: Option<String>) -> Result<Self, Malformed> {
        let mut keys: Vec<_> = all.iter().map(Moved::key).collect();
        let turns = if at.is_none() { all.iter().map(Moved::turn).collect() } else { Vec::new() };
        // Of a push that moved nothing there is nothing that tells it from another.
        let key = (!keys.is_empty()).then(|| {
            keys.extend(at);
            keys.join("+")
        });
        Ok(Self { turns, ..Self::new(key, moved(all)?) })
    }

    /// Something happened to a pull request; `at` tells apart what can happen again.
    pub(crate) fn proposal(proposal: Proposal, action: &str, at: &str, standing: Standing) -> Self {
        let key = proposal.key(action, at);
        let verdict = match standing {
            Standing::Open => proposal.proposed(),
            Standing::Closed { merged, merged_as } => proposal.closed(merged, merged_as),
        };
        Self::new(Some(key), verdict)
    }

    /// It is told without saying when, and can be told again of this place.
    #[must_use]
    pub(crate) fn turning(self, place: String) -> Self {
        let went_to = self.key.clone().unwrap_or_default();
        Self { turns: vec![Turn { place, came_from: None, went_to }], ..self }
    }

    /// The same fact has this key.
    #[must_use]
    pub(crate) fn known_by(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Somebody wrote at a pull request; `id` is the comment's own.
    pub(crate) fn comment(source: &Source, id: &str, text: &str, place: Place) -> Self {
        let key = format!("comment/{}/{id}", place.repository);
        let (verdict, order) = comment::follow(source, text, place);
        Self { key: Some(key), verdict, order, turns: Vec::new() }
    }

    /// Somebody said yes or no by the host's own review, or took that back. `at` tells it from when
    /// they say so of the same commit again; where the host does not tell, their word is a turn.
    pub(crate) fn review(
        source: &Source,
        command: Command,
        at: Option<String>,
        place: Place,
    ) -> Self {
        let commit = place.commit.as_ref().map_or("", CommitSha::as_str);
        let number = place.pull_request.unwrap_or_default();
        let whose = format!("review/{}/{number}/{}", place.repository, place.by);
        let at_or_turn = at.as_deref().unwrap_or_default();
        let key = format!("{whose}/{commit}/{}/{at_or_turn}", command.as_str());
        let (verdict, order) = review::follow(source, command, place);
        let said = Self { key: Some(key), verdict, order, turns: Vec::new() };
        if at.is_some() { said } else { said.turning(whose) }
    }

    /// The delivery as it is recorded.
    pub(crate) fn reading(
        self,
        signed: &Signed<'_>,
        sender_id: Option<String>,
        kind: String,
    ) -> Reading {
        let key = self.key.unwrap_or_else(|| signed.body_key());
        Reading::new(sender_id, kind, key, self.verdict).ordering(self.order).turning(self.turns)
    }
}

/// The host's word for what happened and its id of the delivery, where headers tell them.
pub(crate) fn named(
    signed: &Signed<'_>,
    event: &str,
    delivery: &str,
) -> Result<(String, Option<String>), Malformed> {
    let kind = header(signed.headers, event)?.to_owned();
    Ok((kind, optional_header(signed.headers, delivery)?.map(str::to_owned)))
}
