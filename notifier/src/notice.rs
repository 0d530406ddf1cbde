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

#[cfg(test)]
mod tests;

/// A fault reported again within this time is the same story, not another message.
const SAME_ALERT: TimeDelta = TimeDelta::hours(1);

/// A change that was ignored, refused or both (the same commit can be pushed to two branches).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) change: Change,
    /// It was proposed, as told of last, although it may be no pull request: a merge queue asks about
    /// the commit that it pushes then.
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
    pub(crate) fn new(change: &Change) -> Self {
        Self { change: change.clone(), is_preview: false, ignored: vec![], refused: vec![] }
    }

    /// The key of the notice about a commit, and what chains of the same commit are found by.
    pub(crate) fn key(repository: &str, commit: &CommitSha) -> Uuid {
        Uuid::new_v5(&contracts::id::NAMESPACE, format!("commit/{repository}@{commit}").as_bytes())
    }

    pub(crate) fn ignored(&mut self, event: &ChainIgnored) {
        self.is_preview = event.kind == Some(ChainKind::Preview);
        insert(&mut self.ignored, &event.reason);
    }

    pub(crate) fn refused(&mut self, event: &ChainRefused) {
        self.is_preview = event.kind == Some(ChainKind::Preview);
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

fn insert(reasons: &mut Vec<Reason>, reason: &Reason) {
    let order =
        |known: &Reason| (known.code, known.text.as_str()).cmp(&(reason.code, &reason.text));
    if let Err(place) = reasons.binary_search_by(order) {
        reasons.insert(place, reason.clone());
    }
}
