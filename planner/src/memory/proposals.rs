//! The pull requests of a repository: which are open, and at which head each is.

use chrono::{DateTime, Utc};
use contracts::{
    ChainId, Code, CommitSha, Reason,
    chain::ChainWithdrawn,
    change::{Change, ChangeClosed, ChangeProposed},
};
use serde::{Deserialize, Serialize};

use super::Memory;

/// How many open pull requests are remembered per repository.
const OPEN_MAX: usize = 256;

/// A pull request, as far as is needed to know which commit people mean who speak at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number.
    pub number: u64,
    /// Its newest head.
    pub head: CommitSha,
    /// Since when it is that.
    pub since: DateTime<Utc>,
    /// The commit that merged it, where the host said which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_as: Option<CommitSha>,
    /// When it was merged or closed, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
}

impl Memory {
    /// Notes the newest head of a pull request, unless it was closed since that was told. Its previews
    /// for another branch than it goes to now are not wanted any more.
    pub fn note_open(
        &mut self,
        proposed: &ChangeProposed,
        since: DateTime<Utc>,
    ) -> Vec<ChainWithdrawn> {
        // What a merge queue asks about is no pull request.
        let Some(number) = proposed.change.pull_request else { return Vec::new() };
        let closed_at = self.proposal(number).and_then(|known| known.closed_at);
        if closed_at.is_some_and(|at| at > since) {
            return Vec::new();
        }
        let chains = self.heads.withdraw(Some(number), |branch| branch != proposed.change.branch);
        self.open.retain(|open| open.change.pull_request != Some(number));
        self.note_head(&proposed.change, since, None);
        self.open.push_back(proposed.clone());
        while self.open.len() > OPEN_MAX {
            self.open.pop_front();
        }
        withdrawn(chains, &proposed.change, &retargeted(&proposed.change))
    }

    /// A pull request was merged or closed: its previews are not wanted any more. They are forgotten,
    /// so that its head is planned anew if it is reopened.
    pub fn note_closed(&mut self, closed: &ChangeClosed, at: DateTime<Utc>) -> Vec<ChainWithdrawn> {
        self.open.retain(|open| open.change.pull_request != closed.change.pull_request);
        self.note_head(&closed.change, at, Some((at, closed.merged_as.clone())));
        let Some(reason) = self.closed(&closed.change) else { return Vec::new() };
        let chains = self.heads.withdraw(closed.change.pull_request, |_| true);
        withdrawn(chains, &closed.change, &reason)
    }

    fn note_head(
        &mut self,
        change: &Change,
        at: DateTime<Utc>,
        closed: Option<(DateTime<Utc>, Option<CommitSha>)>,
    ) {
        let Some(number) = change.pull_request else { return };
        let known = self.proposals.iter().position(|known| known.number == number);
        let known = known.and_then(|at| self.proposals.remove(at));
        // The same head told of again is no younger.
        let since = known.filter(|known| known.head == change.commit).map_or(at, |it| it.since);
        let head = change.commit.clone();
        let (closed_at, merged_as) = closed.unzip();
        let merged_as = merged_as.flatten();
        self.proposals.push_back(Proposal { number, head, since, merged_as, closed_at });
        while self.proposals.len() > OPEN_MAX {
            self.proposals.pop_front();
        }
    }

    /// What is known of a pull request, open or not.
    pub fn proposal(&self, number: u64) -> Option<&Proposal> {
        self.proposals.iter().find(|known| known.number == number)
    }

    /// A pull request that is open, if we were told of it.
    pub fn open(&self, pull_request: u64) -> Option<&ChangeProposed> {
        self.open.iter().find(|open| open.change.pull_request == Some(pull_request))
    }

    /// Why nothing of a pull request is planned for this branch any more, if it goes to another one.
    pub fn retargeted(&self, change: &Change) -> Option<Reason> {
        let open = &self.open(change.pull_request?)?.change;
        (open.branch != change.branch).then(|| retargeted(open))
    }

    /// Why nothing of a pull request is planned any more, if it is closed.
    pub fn closed(&self, change: &Change) -> Option<Reason> {
        let number = change.pull_request?;
        let known = self.proposal(number).filter(|known| known.closed_at.is_some())?;
        let what = if known.merged_as.is_some() { "merged" } else { "closed" };
        let text = format!(
            "pull request {number} of {} was {what}, so nothing of it is planned",
            change.repository
        );
        Some(Reason::new(Code::PullRequestClosed, text))
    }
}

/// That what was planned for another branch gives way, as the pull request goes to this one.
fn retargeted(Change { repository, branch, pull_request, .. }: &Change) -> Reason {
    let number = pull_request.unwrap_or_default();
    let text = format!("pull request {number} of {repository} goes to {branch} now");
    Reason::new(Code::Superseded, text)
}

fn withdrawn(chains: Vec<ChainId>, change: &Change, reason: &Reason) -> Vec<ChainWithdrawn> {
    let withdrawn =
        |chain| ChainWithdrawn { chain, change: change.clone(), reason: reason.clone() };
    chains.into_iter().map(withdrawn).collect()
}
