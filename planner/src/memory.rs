//! What the planner remembers of one repository: what it planned last, and what still waits.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    ChainId, CommitSha, Reason, StackId, Trace,
    chain::ChainKind,
    change::{Change, ChangeCommanded, ChangeProposed, ChangePushed, Paths},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    adopt::Adopted,
    catalogue::repository_key,
    plan::{self, Request},
    register::Registration,
    turns::{Turn, Turns},
    validate::{self, reports::Handed},
};

mod heads;
mod proposals;

use heads::Heads;
pub use heads::{Before, Followed};
pub use proposals::Proposal;

/// How many changes of one repository may wait here; more of them wait in the stream.
const WAITING_MAX: usize = 200;
/// How many changes are kept to be looked at again that could not be.
const UNREAD_MAX: usize = 64;
/// How often an origin is asked for a change that it does not have.
const MISSING_MAX: u32 = 5;
/// When a change that has to wait is looked at again, at the earliest and at the latest.
const PAUSE_MIN: TimeDelta = TimeDelta::milliseconds(500);
const PAUSE_MAX: TimeDelta = TimeDelta::seconds(30);
/// When what the mirror did not show is looked at again, if nothing else is read before.
const UNREAD_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// The state kept per repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The repository, as last written by a sender; the key only has its digest.
    #[serde(default)]
    pub repository: String,
    /// The heads seen of tracked branches, oldest first.
    #[serde(default)]
    heads: Heads,
    /// The pull requests that are open, each as it was told of last; the latest at the end.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    open: VecDeque<ChangeProposed>,
    /// The newest head of each pull request, and what merged it; the latest at the end.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    proposals: VecDeque<Proposal>,
    /// Changes that cannot be planned before the account has been read (again).
    #[serde(default)]
    waiting: Vec<Waiting>,
    /// Changes that the mirror could not show, and from which nothing followed; the newest of each
    /// line.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    unread: VecDeque<Waiting>,
    /// When those that wait are looked at again.
    #[serde(default)]
    wake_at: Option<DateTime<Utc>>,
    /// When those that the mirror could not show are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unread_at: Option<DateTime<Utc>>,
    /// What waits for its turn at the mirror, and what is looked at there just now.
    #[serde(default)]
    pub(crate) turns: Turns,
    /// What is to be validated because of the decision; begun with it.
    #[serde(skip)]
    pub(crate) to_validate: Vec<validate::Call>,
    /// Reports that were handed in; written with the decision.
    #[serde(skip)]
    pub(crate) handed_in: Vec<Handed>,
    /// What the decision changes in the register; written with it.
    #[serde(skip)]
    pub(crate) registered: Option<Arc<Registration>>,
    /// What people said of stacks and their code; likewise.
    #[serde(skip)]
    pub(crate) adopted: Vec<Arc<Adopted>>,
    /// Stacks whose chains a person asked for that destroy what they made; they must be loose when
    /// that is written.
    #[serde(skip)]
    pub(crate) to_destroy: Vec<StackId>,
    /// Stacks whose mark of a rewritten history is set or taken away; likewise.
    #[serde(skip)]
    pub(crate) rewritten: Option<(Vec<StackId>, Option<String>)>,
}

/// A change somebody wants to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// A push.
    Pushed(ChangePushed),
    /// A pull request.
    Proposed(ChangeProposed),
    /// The same, because a person asked for it.
    Commanded(Box<Commanded>),
}

/// A pull request that a person wants to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commanded {
    /// Its head, as far as is known.
    pub proposed: ChangeProposed,
    /// What they said.
    pub said: ChangeCommanded,
}

/// A change that waits for the account to be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The event that brought it; its chain is named after it.
    pub event: Uuid,
    /// The story it belongs to.
    pub correlation: Uuid,
    /// The trace it belongs to.
    pub trace: Option<Trace>,
    /// The account must have been read after this.
    pub since: DateTime<Utc>,
    /// The change.
    pub wish: Wish,
    /// How often it was looked at in the mirror.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub looks: u32,
    /// How often the origin was asked and did not have it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Wish {
    /// Whether both are of one branch, or of one pull request. A merge queue waits for each of its
    /// groups, so none is in line with another.
    fn is_in_line_with(&self, kind: ChainKind, change: &Change) -> bool {
        let own = self.as_head();
        let is_group = kind == ChainKind::Preview && change.pull_request.is_none();
        self.kind() == kind
            && own.branch == change.branch
            && own.pull_request == change.pull_request
            && (!is_group || own.commit == change.commit)
    }

    /// What changed.
    pub fn change(&self) -> &Change {
        match self {
            Self::Pushed(pushed) => &pushed.change,
            Self::Proposed(proposed) => &proposed.change,
            Self::Commanded(commanded) => &commanded.proposed.change,
        }
    }

    /// The change as its head is remembered: that of a tag apart from a branch of its name.
    pub fn as_head(&self) -> Cow<'_, Change> {
        match self {
            Self::Pushed(pushed) if pushed.tag => {
                let branch = format!("refs/tags/{}", pushed.change.branch);
                Cow::Owned(Change { branch, ..pushed.change.clone() })
            }
            _ => Cow::Borrowed(self.change()),
        }
    }

    /// Which files.
    pub fn paths(&self) -> &Paths {
        match self {
            Self::Pushed(pushed) => &pushed.paths,
            Self::Proposed(proposed) => &proposed.paths,
            Self::Commanded(commanded) => &commanded.proposed.paths,
        }
    }

    /// Whether it is of a tag.
    pub fn is_tag(&self) -> bool {
        matches!(self, Self::Pushed(ChangePushed { tag: true, .. }))
    }

    /// Why it leads to no chain, whatever the catalogue says.
    pub fn no_chain(&self, previews_from_forks: bool) -> Option<Reason> {
        match self {
            Self::Pushed(pushed) => plan::no_delivery(pushed),
            Self::Proposed(proposed) => plan::no_preview(proposed, previews_from_forks),
            Self::Commanded(it) => plan::no_preview(&it.proposed, previews_from_forks),
        }
    }

    /// What it asks for by what its sender tells alone.
    pub fn request(&self, chain: ChainId) -> Request<'_> {
        Request {
            chain,
            kind: self.kind(),
            change: self.change(),
            paths: self.paths(),
            by_code: &[],
            gone: &[],
            before: None,
            tag: self.is_tag(),
        }
    }

    /// What its chain would do.
    pub fn kind(&self) -> ChainKind {
        match self {
            Self::Pushed(_) => ChainKind::Deploy,
            Self::Proposed(_) | Self::Commanded(_) => ChainKind::Preview,
        }
    }

    /// What a person said that is to be answered.
    pub fn said(&self) -> Option<&ChangeCommanded> {
        match self {
            Self::Commanded(commanded) => Some(&commanded.said),
            Self::Pushed(_) | Self::Proposed(_) => None,
        }
    }
}

/// The key under which a repository is remembered.
pub fn key(repository: &str) -> Uuid {
    Uuid::new_v5(&contracts::id::NAMESPACE, repository_key(repository).as_bytes())
}

impl Memory {
    /// Notes which repository it is of, if nothing was heard of it before.
    pub(crate) fn name_once(&mut self, repository: &str) {
        if self.repository.is_empty() {
            repository.clone_into(&mut self.repository);
        }
    }

    /// The chain that was planned for this very head, if the change merely says again that it is
    /// the head.
    pub fn planned_already(&self, kind: ChainKind, change: &Change) -> Option<ChainId> {
        self.heads.planned_already(kind, change)
    }

    /// The head that was planned already although it was pushed after this one.
    pub fn overtook(&self, kind: ChainKind, change: &Change) -> Option<&CommitSha> {
        self.heads.overtook(kind, change)
    }

    /// What is known of the branch of a change.
    pub fn before(&self, kind: ChainKind, change: &Change) -> Before {
        self.heads.before(kind, change)
    }

    /// The commit since which everything that changed counts for a change, if that is known: what
    /// others before it left over comes along.
    pub fn looked_at_since(&self, kind: ChainKind, change: &Change) -> Option<CommitSha> {
        self.heads.looked_at_since(kind, change)
    }

    /// Remembers a head and what followed from it.
    pub fn remember(&mut self, kind: ChainKind, change: &Change, followed: Followed<'_>) {
        if followed.is_settled {
            self.unread.retain(|Waiting { wish, .. }| {
                let unread = &wish.change().commit;
                let is_in_it = *unread == change.commit || Some(unread) == change.previous.as_ref();
                !(is_in_it && wish.is_in_line_with(kind, change))
            });
        }
        self.heads.remember(kind, change, followed);
    }

    /// Notes where a branch stood before the first head that could not be planned.
    pub fn note_base(&mut self, kind: ChainKind, change: &Change) {
        self.heads.note_base(kind, change);
    }

    /// Remembers a head that others overtook, and the chain of its changes.
    pub fn remember_late(&mut self, kind: ChainKind, change: &Change, chain: ChainId) {
        self.heads.remember_late(kind, change, chain);
    }

    /// A tag that was deleted is news when it is pushed again, also at the commit it was at.
    pub fn forget_tag(&mut self, wish: &Wish) {
        if matches!(wish, Wish::Pushed(ChangePushed { tag: true, deleted: true, .. })) {
            self.heads.forget(wish.kind(), &wish.as_head());
        }
    }

    /// Lets a change wait for the account to be read. The reader wakes it; the time set here is
    /// for the case that the reader died: soon at first, then as rarely as it has waited long.
    pub fn wait(&mut self, waiting: Waiting, now: DateTime<Utc>) {
        let pause = (now - waiting.since).clamp(PAUSE_MIN, PAUSE_MAX);
        self.wake_at = Some(self.wake_at.map_or(now + pause, |at| at.min(now + pause)));
        self.waiting.push(waiting);
    }

    /// Keeps a change that the mirror did not show, until it can be read. The time set here is for
    /// a commit that the host has late, where nothing else is pushed.
    pub fn keep_unread(&mut self, waiting: Waiting, now: DateTime<Utc>) {
        let (kind, change) = (waiting.wish.kind(), waiting.wish.change());
        let proposal = change.pull_request.and_then(|number| self.proposal(number));
        // What was pushed over is nothing that anybody waits for, and may be nowhere any more.
        let is_past = proposal.is_some_and(|known| known.head != change.commit);
        if waiting.missing >= MISSING_MAX || waiting.wish.said().is_some() || is_past {
            return;
        }
        self.unread.retain(|unread| !unread.wish.is_in_line_with(kind, change));
        self.unread.push_back(waiting);
        while self.unread.len() > UNREAD_MAX {
            self.unread.pop_front();
        }
        self.unread_at = Some(now + UNREAD_PAUSE);
    }

    /// Has what the mirror did not show looked at again, if it is time. While the mirror is away,
    /// it is not: those who ask whether it is back have it looked at then.
    pub fn read_in_time(&mut self, is_away: bool, now: DateTime<Utc>) {
        if self.unread_at.is_none_or(|at| now < at) {
            return;
        }
        if is_away && !self.unread.is_empty() {
            self.unread_at = Some(now + UNREAD_PAUSE);
        } else {
            self.read_anew();
        }
    }

    /// Has what the mirror did not show looked at again.
    pub fn read_anew(&mut self) {
        self.unread_at = None;
        for waiting in self.unread.drain(..) {
            self.turns.push(Turn::Change(Box::new(waiting)));
        }
    }

    /// Whether so many wait that no more are taken in.
    pub fn is_full(&self) -> bool {
        self.waiting.len() + self.turns.len() >= WAITING_MAX
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.turns.len()
    }

    /// Takes out everything that waits, in the order it came.
    pub fn take_waiting(&mut self) -> Vec<Waiting> {
        self.wake_at = None;
        std::mem::take(&mut self.waiting)
    }

    /// When those that wait want to be looked at again.
    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        self.wake_at.into_iter().chain(self.unread_at).min()
    }

    /// How recent the account must be for the last of those that wait.
    pub fn waits_since(&self) -> Option<DateTime<Utc>> {
        self.waiting.iter().map(|waiting| waiting.since).max()
    }
}

#[cfg(test)]
mod tests;
