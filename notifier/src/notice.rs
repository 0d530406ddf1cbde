//! What people should see of a change that leads to no chain, and of faults of the account.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Code, CommitSha, Reason,
    catalogue::AccountAlerted,
    chain::{ChainIgnored, ChainKind, ChainRefused},
    change::Change,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::routes::Routes;

#[cfg(test)]
mod tests;

/// A fault reported again within this time is the same story, not another message.
const SAME_ALERT: TimeDelta = TimeDelta::hours(1);

/// A change that was ignored, refused or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) change: Change,
    /// It was proposed, although it may be no pull request: a merge queue asks about the commit that
    /// it pushes then.
    #[serde(default)]
    pub(crate) is_preview: bool,
    /// Sorted and without doubles, so that the order of arrival does not matter.
    ignored: Vec<Reason>,
    refused: Vec<Reason>,
}

/// A fault of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alert {
    pub(crate) alert: AccountAlerted,
    /// When the current message about it was due.
    pub(crate) since: DateTime<Utc>,
}

impl Notice {
    pub(crate) fn new(change: &Change, kind: Option<ChainKind>) -> Self {
        let is_preview = is_preview(change, kind);
        Self { change: change.clone(), is_preview, ignored: vec![], refused: vec![] }
    }

    /// The key of a notice, and what a chain is found by whose status stands where that of the
    /// notice would: made of all that the name of a status depends on, because what is said of a
    /// commit at one branch must not keep silent what is said of it at another, unless both are said
    /// under the same name.
    pub(crate) fn key(change: &Change, kind: Option<ChainKind>, routes: &Routes) -> Uuid {
        let Change { repository, commit, .. } = change;
        let (is_preview, branch) = (is_preview(change, kind), routes.branch_of(change));
        let mut name = format!("notice/{repository}@{commit}/{is_preview}/{branch}");
        if let Some(number) = routes.pull_request_of(change) {
            name.push_str(&format!("/{number}"));
        }
        Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
    }

    /// What the notices about a commit are asked for by.
    pub(crate) fn commit_key(repository: &str, commit: &CommitSha) -> Uuid {
        Uuid::new_v5(&contracts::id::NAMESPACE, format!("commit/{repository}@{commit}").as_bytes())
    }

    /// Another change has the same place, as pull requests with one head and one target have where
    /// commits have statuses: the newest is told next.
    pub(crate) fn also_of(&mut self, change: &Change) {
        if change.pull_request.is_some() {
            self.change.clone_from(change);
        }
    }

    pub(crate) fn ignored(&mut self, event: &ChainIgnored) {
        insert(&mut self.ignored, &event.reason);
    }

    pub(crate) fn refused(&mut self, event: &ChainRefused) {
        insert(&mut self.refused, &event.reason);
    }

    /// Why the change could not be planned; empty if it could.
    pub(crate) fn refusals(&self) -> &[Reason] {
        &self.refused
    }

    /// The reason worth showing at the commit. A deleted or tagged commit concerns nobody there,
    /// a commit planned before has the status of its chain, and a repository that no stack uses
    /// should not carry our mark on every commit.
    pub(crate) fn worth_a_status(&self) -> Option<&Reason> {
        self.ignored.iter().find(|reason| {
            !matches!(
                reason.code,
                Code::RefDeleted | Code::TagPushed | Code::AlreadyPlanned | Code::RepositoryUnknown
            )
        })
    }
}

impl Alert {
    pub(crate) fn new(alert: &AccountAlerted, at: DateTime<Utc>) -> Self {
        Self { alert: alert.clone(), since: at }
    }

    pub(crate) fn key(alert: &AccountAlerted) -> Uuid {
        let AccountAlerted { account, severity, title, text } = alert;
        let name = format!("alert/{account}/{severity}/{title}/{text}");
        Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes())
    }

    /// The same fault was reported again. True if that is long enough after the last message for
    /// people to be told anew.
    pub(crate) fn again(&mut self, at: DateTime<Utc>) -> bool {
        let anew = at - self.since > SAME_ALERT;
        if anew {
            self.since = at;
        }
        anew
    }
}

/// Whether a change is proposed, not made.
pub(crate) fn is_preview(change: &Change, kind: Option<ChainKind>) -> bool {
    change.pull_request.is_some() || kind == Some(ChainKind::Preview)
}

fn insert(reasons: &mut Vec<Reason>, reason: &Reason) {
    let order =
        |known: &Reason| (known.code, known.text.as_str()).cmp(&(reason.code, &reason.text));
    if let Err(place) = reasons.binary_search_by(order) {
        reasons.insert(place, reason.clone());
    }
}
