//! Where policies are read.

use std::{path::PathBuf, sync::Arc};

use contracts::{CommitSha, policies::PolicySource};

use crate::branch::Branch;

/// Where policies are read.
#[derive(Debug, Clone)]
pub enum Source {
    /// The files of a folder.
    Folder(PathBuf),
    /// The head of a branch.
    Branch(Arc<Branch>),
}

impl Source {
    /// What it is known by.
    pub fn key(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Branch(branch) => branch.key(),
        }
    }

    /// What people call it.
    pub fn title(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Branch(branch) => branch.title(),
        }
    }

    /// The same as data, at a commit if there is one.
    pub fn at(&self, commit: Option<&CommitSha>) -> PolicySource {
        match self {
            Self::Branch(branch) => branch.source(commit),
            Self::Folder(folder) => PolicySource {
                repository: None,
                branch: None,
                path: folder.display().to_string(),
                commit: None,
            },
        }
    }
}
