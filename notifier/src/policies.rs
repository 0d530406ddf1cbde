//! What people should see of the policies themselves: that others are in force, or were refused.
//!
//! What was refused in a repository is a notice about its commit, so that it also stands there.

use contracts::{
    catalogue::AccountAlerted,
    change::Change,
    policies::{PoliciesRefused, PoliciesReplaced},
};
use uuid::Uuid;

use crate::{
    notice::{Alert, Notice},
    routes::Routes,
};

/// The story of policies that came into force.
pub(crate) fn replaced_key(event: &PoliciesReplaced) -> Uuid {
    Alert::key(&replaced(event))
}

/// The story of policies that were refused: where there is a commit, it is told of that.
pub(crate) fn refused_key(event: &PoliciesRefused, routes: &Routes) -> Uuid {
    match change(event) {
        Some(change) => Notice::key(&change, None, routes),
        None => Alert::key(&refused(event)),
    }
}

/// Policies that came into force, as an alert.
pub(crate) fn replaced(event: &PoliciesReplaced) -> AccountAlerted {
    AccountAlerted {
        account: event.source.key(),
        severity: "INFO".to_owned(),
        title: "Other policies are in force".to_owned(),
        text: format!("{} (digest {})", event.reason.text, event.digest),
    }
}

/// Policies of a folder that were refused, as an alert.
pub(crate) fn refused(event: &PoliciesRefused) -> AccountAlerted {
    AccountAlerted {
        account: event.source.key(),
        severity: "ERROR".to_owned(),
        title: if event.trial {
            "Policies on trial are refused"
        } else {
            "New policies are refused"
        }
        .to_owned(),
        text: event.reason.text.clone(),
    }
}

/// The commit whose policies were refused, as a change; none for a folder.
pub(crate) fn change(event: &PoliciesRefused) -> Option<Change> {
    let (repository, commit) =
        event.source.repository.as_ref().zip(event.source.commit.as_ref())?;
    Some(Change {
        repository: repository.clone(),
        branch: event.source.branch.clone().unwrap_or_default(),
        commit: commit.clone(),
        previous: None,
        author: String::new(),
        authors: Vec::new(),
        title: "policies".to_owned(),
        url: None,
        pull_request: None,
    })
}

#[cfg(test)]
mod tests;
