//! Turns at the mirror of one repository: one at a time, in the order of arrival.
//!
//! A push that still waits when another one is made on top of it is joined to that one: the newer
//! push is planned alone, with the changes of both. What is looked at already is left alone.

use std::collections::VecDeque;

use contracts::{CommitSha, Trace, chain::ChainKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    memory::{Before, Waiting, Wish},
    mirror::Call,
};

/// What waits for the mirror, and what is looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Turns {
    waiting: VecDeque<Turn>,
    now: Option<Turn>,
}

/// One look at the mirror.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Turn {
    /// For a change.
    Change(Box<Waiting>),
    /// For the code of a branch.
    Survey {
        /// Who asks.
        id: Uuid,
        /// The branch.
        branch: String,
    },
}

/// A turn that begins.
#[derive(Debug)]
pub(crate) struct Next {
    /// The turn.
    pub turn: Turn,
    /// Changes that were joined to it, each with the commit it was joined to.
    pub superseded: Vec<(Waiting, CommitSha)>,
}

impl Turns {
    /// How many wait or are looked at.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.now.is_some())
    }

    /// Lets something wait for its turn. Two surveys of a branch see the same.
    pub(crate) fn push(&mut self, turn: Turn) {
        let same = |other: &Turn| match (other, &turn) {
            (Turn::Survey { branch: a, .. }, Turn::Survey { branch: b, .. }) => a == b,
            _ => false,
        };
        if !self.waiting.iter().any(same) {
            self.waiting.push_back(turn);
        }
    }

    /// What was looked at, now that it was.
    pub(crate) fn finish(&mut self) -> Option<Turn> {
        self.now.take()
    }

    /// Begins the next turn, if nothing is looked at and something waits.
    pub(crate) fn begin(&mut self) -> Option<Next> {
        if self.now.is_some() {
            return None;
        }
        let mut turn = self.waiting.pop_front()?;
        let mut superseded = Vec::new();
        while let Some(newer) = self.waiting.front_mut()
            && let Some(by) = join(&turn, newer)
        {
            let newer = self.waiting.pop_front()?;
            if let Turn::Change(older) = std::mem::replace(&mut turn, newer) {
                superseded.push((*older, by));
            }
        }
        self.now = Some(turn.clone());
        Some(Next { turn, superseded })
    }
}

/// Joins an older push to a newer one that was made on top of it; gives the newer commit.
fn join(older: &Turn, newer: &mut Turn) -> Option<CommitSha> {
    let (Turn::Change(older), Turn::Change(newer)) = (older, newer) else { return None };
    let (Wish::Pushed(old), Wish::Pushed(new)) = (&older.wish, &mut newer.wish) else {
        return None;
    };
    let is_on_top = older.wish.kind() == ChainKind::Deploy
        && old.change.branch == new.change.branch
        && new.change.previous.as_ref() == Some(&old.change.commit)
        && !new.forced;
    if !is_on_top {
        return None;
    }
    new.change.previous.clone_from(&old.change.previous);
    new.forced = old.forced;
    new.paths = old.paths.clone().and(&new.paths);
    let author = std::iter::once(&old.change.author);
    for name in author.chain(&old.change.authors) {
        if *name != new.change.author && !new.change.authors.contains(name) {
            new.change.authors.push(name.clone());
        }
    }
    Some(new.change.commit.clone())
}

impl Turn {
    /// What is to be looked at.
    pub(crate) fn call(&self, repository: &str) -> Call {
        match self {
            Self::Change(waiting) => {
                let change = waiting.wish.change();
                Call {
                    repository: change.repository.clone(),
                    branch: change.branch.clone(),
                    commit: Some(change.commit.clone()),
                    previous: change.previous.clone(),
                    pull_request: change.pull_request,
                    on_head: false,
                    before: Before::default(),
                    speculative: waiting.wish.kind() == ChainKind::Preview,
                }
            }
            Self::Survey { branch, .. } => Call::head_of(repository, branch),
        }
    }

    /// How often it was looked at already.
    pub(crate) fn looks(&self) -> u32 {
        match self {
            Self::Change(waiting) => waiting.looks,
            Self::Survey { .. } => 0,
        }
    }

    /// The event, the story and the trace it belongs to.
    pub(crate) fn cause(&self) -> (Uuid, Uuid, Option<Trace>) {
        match self {
            Self::Change(waiting) => (waiting.event, waiting.correlation, waiting.trace.clone()),
            Self::Survey { id, .. } => (*id, *id, None),
        }
    }
}

#[cfg(test)]
mod tests;
