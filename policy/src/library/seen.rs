//! What is found where policies are read.

use contracts::CommitSha;

use crate::{
    branch::{Branch, Unread},
    document::File,
    fault::Faults,
};

/// What was found at a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The commit; none of a folder.
    pub(super) commit: Option<CommitSha>,
    /// Its files, or what is wrong with them.
    pub(super) files: Result<Vec<File>, Faults>,
    /// Whether another look at the same commit may find something else.
    is_passing: bool,
}

impl Seen {
    pub(super) fn of(commit: Option<CommitSha>, files: Result<Vec<File>, Faults>) -> Self {
        Self { commit, files, is_passing: false }
    }

    /// What a branch has at its head.
    pub(super) fn at(branch: &Branch, head: CommitSha) -> Self {
        match branch.files(&head) {
            Ok(files) => Self::of(Some(head), Ok(files)),
            Err(Unread { faults, is_passing }) => {
                Self { commit: Some(head), files: Err(faults), is_passing }
            }
        }
    }

    /// Whether this is all there is to be found at a commit.
    pub(super) fn is_all_of(&self, commit: &CommitSha) -> bool {
        self.commit.as_ref() == Some(commit) && !self.is_passing
    }
}
