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
    /// When it last changed, where its host says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
}

impl Memory {
    /// Notes the newest head of a pull request, unless it has changed since, or was closed since that
    /// was told. Its previews for another branch than it goes to now are not wanted any more.
    pub fn note_open(
        &mut self,
        proposed: &ChangeProposed,
        since: DateTime<Utc>,
    ) -> Vec<ChainWithdrawn> {
        // What a merge queue asks about is no pull request.
        let Some(number) = proposed.change.pull_request else { return Vec::new() };
        let closed_at = self.proposal(number).and_then(|known| known.closed_at);
        if closed_at.is_some_and(|at| at > since) || self.is_past(number, proposed.updated_at) {
            return Vec::new();
        }
        let chains = self.heads.withdraw(Some(number), |branch| branch != proposed.change.branch);
        self.open.retain(|open| open.change.pull_request != Some(number));
        self.note_head(&proposed.change, (since, proposed.updated_at), None);
        self.open.push_back(proposed.clone());
        while self.open.len() > OPEN_MAX {
            self.open.pop_front();
        }
        withdrawn(chains, &proposed.change, &retargeted(&proposed.change))
    }

    /// A pull request was merged or closed: its previews are not wanted any more, unless it has
    /// changed since. They are forgotten, so that its head is planned anew if it is reopened.
    pub fn note_closed(&mut self, closed: &ChangeClosed, at: DateTime<Utc>) -> Vec<ChainWithdrawn> {
        let number = closed.change.pull_request;
        if number.is_some_and(|number| self.is_past(number, closed.updated_at)) {
            return Vec::new();
        }
        self.open.retain(|open| open.change.pull_request != number);
        let merged = Some((at, closed.merged_as.clone()));
        self.note_head(&closed.change, (at, closed.updated_at), merged);
        let Some(reason) = self.closed(&closed.change) else { return Vec::new() };
        let chains = self.heads.withdraw(number, |_| true);
        withdrawn(chains, &closed.change, &reason)
    }

    fn note_head(
        &mut self,
        change: &Change,
        (at, updated_at): (DateTime<Utc>, Option<DateTime<Utc>>),
        closed: Option<(DateTime<Utc>, Option<CommitSha>)>,
    ) {
        let Some(number) = change.pull_request else { return };
        let known = self.proposals.iter().position(|known| known.number == number);
        let known = known.and_then(|at| self.proposals.remove(at));
        let updated_at = updated_at.or_else(|| known.as_ref()?.updated_at);
        // The same head told of again is no younger.
        let since = known.filter(|known| known.head == change.commit).map_or(at, |it| it.since);
        let head = change.commit.clone();
        let (closed_at, merged_as) = closed.unzip();
        let merged_as = merged_as.flatten();
        let known = Proposal { number, head, since, merged_as, closed_at, updated_at };
        self.proposals.push_back(known);
        while self.proposals.len() > OPEN_MAX {
            self.proposals.pop_front();
        }
    }

    /// Whether a pull request has changed since this moment of its host, where that is told.
    fn is_past(&self, number: u64, updated_at: Option<DateTime<Utc>>) -> bool {
        let known = self.proposal(number).and_then(|known| known.updated_at);
        updated_at.is_some() && updated_at < known
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

    /// Why nothing of a pull request is planned as it is told here, if it has another head since.
    pub fn changed_since(&self, proposed: &ChangeProposed) -> Option<Reason> {
        let ChangeProposed { change, updated_at, .. } = proposed;
        let number = change.pull_request.filter(|&number| self.is_past(number, *updated_at))?;
        let known = self.proposal(number).filter(|known| known.head != change.commit)?;
        let text = format!(
            "pull request {number} of {} has changed since it was at {}; its head is {} now",
            change.repository,
            change.commit.short(),
            known.head.short(),
        );
        Some(Reason::new(Code::Superseded, text))
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
    Reason::new(Code::Retargeted, text)
}

fn withdrawn(chains: Vec<ChainId>, change: &Change, reason: &Reason) -> Vec<ChainWithdrawn> {
    let withdrawn =
        |chain| ChainWithdrawn { chain, change: change.clone(), reason: reason.clone() };
    chains.into_iter().map(withdrawn).collect()
}
