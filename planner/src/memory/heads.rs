//! The heads that branches and pull requests had, and what followed from each.

use std::collections::VecDeque;

use contracts::{ChainId, CommitSha, chain::ChainKind, change::Change};
use serde::{Deserialize, Serialize};

/// How many heads of a branch are remembered. Doubled deliveries follow each other within hours; a
/// commit that was pushed again after so many others is planned again.
pub(super) const REMEMBERED: usize = 64;
/// How many heads of a pull request are.
const REMEMBERED_PROPOSED: usize = 8;
/// How many heads of one repository are.
const REMEMBERED_ALL: usize = 512;
/// How many of them are kept of what is proposed, whatever branches there are.
const REMEMBERED_ALL_PROPOSED: usize = 256;
/// What the names of tags begin with. They are many, and each is pushed once.
const TAGS: &str = "refs/tags/";

/// The heads of one repository, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Heads(VecDeque<Head>);

/// The head of a branch, or of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    branch: String,
    pull_request: Option<u64>,
    kind: ChainKind,
    commit: CommitSha,
    /// What followed from it, if anything.
    chain: Option<ChainId>,
    /// The head it took the place of, as the sender told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<CommitSha>,
    /// The commit that it was compared with, where both were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<CommitSha>,
    /// Whether everything that changed up to it was looked at; absent if an earlier build wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
}

/// What came of a head.
#[derive(Debug, Clone, Copy, Default)]
pub struct Followed<'a> {
    /// The chain, if there is one.
    pub chain: Option<ChainId>,
    /// The commit that it was compared with, where both were seen.
    pub since: Option<&'a CommitSha>,
    /// Everything that changed up to it was looked at.
    pub is_settled: bool,
}

/// What is known of a branch when a commit of it is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// The newest head from which something followed, or nothing had to.
    pub newest: Option<CommitSha>,
    /// The commit that one was compared with, where both were seen.
    pub since: Option<CommitSha>,
    /// The newest head up to which everything that changed was looked at.
    pub settled: Option<CommitSha>,
}

impl Head {
    fn is_of(&self, kind: ChainKind, change: &Change) -> bool {
        self.kind == kind
            && self.branch == change.branch
            && self.pull_request == change.pull_request
    }

    /// Whether both are of one branch, of one pull request, or of tags.
    fn is_beside(&self, other: &Self) -> bool {
        let are_tags = self.branch.starts_with(TAGS) && other.branch.starts_with(TAGS);
        self.kind == other.kind
            && self.pull_request == other.pull_request
            && (self.branch == other.branch || are_tags)
    }

    fn is_settled(&self) -> bool {
        self.settled.unwrap_or_else(|| self.chain.is_some())
    }

    /// Whether it was more than noted.
    fn is_decided(&self) -> bool {
        self.chain.is_some() || self.is_settled()
    }
}

impl Heads {
    fn line(&self, kind: ChainKind, change: &Change) -> impl DoubleEndedIterator<Item = &Head> {
        self.0.iter().rev().filter(move |head| head.is_of(kind, change))
    }

    /// The chain that was planned for this very head, if the change merely says again that it is
    /// the head. A branch that was moved back to a commit it had before is news: its push names
    /// the newest head we know as the one it replaces.
    pub(super) fn planned_already(&self, kind: ChainKind, change: &Change) -> Option<ChainId> {
        let mut heads = self.line(kind, change);
        let newest = heads.next()?;
        if newest.commit == change.commit {
            return newest.chain;
        }
        if change.previous.as_ref() == Some(&newest.commit) {
            return None;
        }
        heads.find(|head| head.commit == change.commit)?.chain
    }

    /// The newest head, if another one was told of already that took the place of this one. Whoever
    /// moves a branch back names the newest as the one that is replaced.
    pub(super) fn overtook(&self, kind: ChainKind, change: &Change) -> Option<&CommitSha> {
        let last = self.line(kind, change).next()?;
        if change.previous.as_ref() == Some(&last.commit) || last.commit == change.commit {
            return None;
        }
        let took_its_place = |head: &Head| head.previous.as_ref() == Some(&change.commit);
        let newest = self.line(kind, change).find(|head| head.is_decided())?;
        let is_overtaken =
            newest.commit != change.commit && self.line(kind, change).any(took_its_place);
        is_overtaken.then_some(&newest.commit)
    }

    /// What is known of the branch of a change.
    pub(super) fn before(&self, kind: ChainKind, change: &Change) -> Before {
        let newest = self.line(kind, change).find(|head| head.is_decided());
        let settled = self.line(kind, change).find(|head| head.is_settled());
        Before {
            newest: newest.map(|head| head.commit.clone()),
            since: newest.and_then(|head| head.since.clone()),
            settled: settled.map(|head| head.commit.clone()),
        }
    }

    /// The commit that a head was compared with, if that is remembered; else the newest head up to
    /// which everything that changed was looked at.
    pub(super) fn looked_at_since(&self, kind: ChainKind, change: &Change) -> Option<CommitSha> {
        let known = self.line(kind, change).find(|head| head.commit == change.commit);
        known.and_then(|head| head.since.clone()).or_else(|| self.before(kind, change).settled)
    }

    /// Remembers a head and what followed from it.
    pub(super) fn remember(&mut self, kind: ChainKind, change: &Change, followed: Followed<'_>) {
        let head = head(kind, change, followed);
        self.0.push_back(head.clone());
        self.forget_old(&head);
    }

    /// Remembers a head that others overtook: it is not the newest.
    pub(super) fn remember_late(&mut self, kind: ChainKind, change: &Change, chain: ChainId) {
        let followed = Followed { chain: Some(chain), ..Followed::default() };
        let first = self.0.iter().position(|head| head.is_of(kind, change));
        let head = head(kind, change, followed);
        self.0.insert(first.unwrap_or_default(), head.clone());
        self.forget_old(&head);
    }

    /// Forgets all heads of a branch or a tag.
    pub(super) fn forget(&mut self, kind: ChainKind, change: &Change) {
        self.0.retain(|head| !head.is_of(kind, change));
    }

    /// Forgets the heads of a pull request, where it goes to such branches; gives the chains that
    /// followed from them.
    pub(super) fn withdraw(
        &mut self,
        pull_request: Option<u64>,
        is_such: impl Fn(&str) -> bool,
    ) -> Vec<ChainId> {
        let is_of_it = |head: &Head| {
            head.kind == ChainKind::Preview
                && head.pull_request == pull_request
                && is_such(&head.branch)
        };
        let chains = self.0.iter().filter(|head| is_of_it(head)).filter_map(|head| head.chain);
        let chains = chains.collect();
        self.0.retain(|head| !is_of_it(head));
        chains
    }

    /// Notes where a branch stood before the first head that could not be planned.
    pub(super) fn note_base(&mut self, kind: ChainKind, change: &Change) {
        let is_known = self.line(kind, change).any(Head::is_settled);
        let base = change.previous.clone().filter(|_| kind == ChainKind::Deploy && !is_known);
        let Some(base) = base else { return };
        let base = Change { commit: base, previous: None, ..change.clone() };
        let followed = Followed { is_settled: true, ..Followed::default() };
        let first = self.0.iter().position(|head| head.is_of(kind, change));
        let at = first.unwrap_or(self.0.len());
        let head = head(kind, &base, followed);
        self.0.insert(at, head.clone());
        self.forget_old(&head);
    }

    /// Forgets the oldest heads beside a new one, but not the one up to which everything of the
    /// branch was looked at.
    fn forget_old(&mut self, new: &Head) {
        let most = match new.pull_request {
            Some(_) => REMEMBERED_PROPOSED,
            None => REMEMBERED,
        };
        let settled = self.0.iter().rposition(|head| head.is_beside(new) && head.is_settled());
        let count = self.0.iter().filter(|head| head.is_beside(new)).count();
        let (mut at, mut left) = (0, count.saturating_sub(most));
        self.0.retain(|head| {
            let goes = left > 0 && head.is_beside(new) && Some(at) != settled;
            at += 1;
            left -= usize::from(goes);
            !goes
        });
        while self.0.len() > REMEMBERED_ALL {
            self.0.remove(self.least());
        }
    }

    /// The head that is missed least: the oldest that is proposed, if there are many of these; else
    /// the oldest of a branch that is known without it.
    fn least(&self) -> usize {
        let is_proposed = |head: &&Head| head.kind == ChainKind::Preview;
        let proposed = self.0.iter().position(|head| is_proposed(&head));
        if self.0.iter().filter(is_proposed).count() > REMEMBERED_ALL_PROPOSED {
            return proposed.unwrap_or_default();
        }
        let is_past = |(at, head): (usize, &Head)| {
            let mut later = self.0.iter().skip(at + 1);
            !is_proposed(&head) && later.any(|it| it.is_beside(head) && it.is_settled())
        };
        let past = self.0.iter().enumerate().position(is_past);
        past.or(proposed).unwrap_or_default()
    }
}

fn head(kind: ChainKind, change: &Change, followed: Followed<'_>) -> Head {
    Head {
        branch: change.branch.clone(),
        pull_request: change.pull_request,
        kind,
        commit: change.commit.clone(),
        chain: followed.chain,
        previous: change.previous.clone(),
        since: followed.since.cloned(),
        settled: Some(followed.is_settled),
    }
}
