//! What can go wrong, by what can be done about it.

use std::path::PathBuf;

use github::AppError;

type Source = Box<dyn std::error::Error + Send + Sync>;

impl From<AppError> for Error {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Unreachable { url, source } => Self::Unreachable { url, source },
            AppError::Refused { url, advice, source } => Self::Refused { url, advice, source },
        }
    }
}

/// Why a mirror did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given can be no commit.
    #[error("`{given}` is not a commit; one has 40 hexadecimal digits")]
    NoCommit {
        /// What was given.
        given: String,
    },
    /// The commit is not in the mirror.
    #[error("commit {commit} is not in the mirror")]
    Missing {
        /// The commit.
        commit: String,
    },
    /// The origin cannot be reached now.
    #[error("cannot fetch from {url}")]
    Unreachable {
        /// The origin, without secrets.
        url: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The origin gives nothing to us, and will not before somebody does something about it.
    #[error("{url} refuses: {advice}")]
    Refused {
        /// The origin, without secrets.
        url: String,
        /// What may help.
        advice: &'static str,
        /// Why.
        #[source]
        source: Source,
    },
    /// The mirror itself cannot be read or written.
    #[error("the mirror in {folder} cannot be used")]
    Broken {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// A file is larger than what is read.
    #[error("{path} has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
}
