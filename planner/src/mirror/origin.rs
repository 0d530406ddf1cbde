//! Where mirrors lie, where they are fetched from, and as whom.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use git::{Access, App, Mirror, Origin};

use crate::{
    catalogue::{Provider, repository_key},
    config,
};

/// In place of a folder: whatever folder there is for such things.
pub(crate) const AUTO: &str = "auto";

/// What is known of every mirror.
#[derive(Debug)]
pub(crate) struct Origins {
    folder: Option<PathBuf>,
    options: config::Git,
    app: Option<Arc<App>>,
}

/// Why a repository cannot be mirrored before somebody configures something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOrigin {
    #[error("the planner has no folder for mirrors (`git.folder`), so it cannot look at a commit")]
    NoFolder,
    #[error(
        "nothing says where {repository} is fetched from: as far as Spacelift tells, it is neither at \
         github.com nor at bitbucket.org; set `git.url`"
    )]
    NoUrl { repository: String },
}

impl Origins {
    pub(crate) fn new(options: config::Git) -> anyhow::Result<Self> {
        let folder = match options.folder.as_str() {
            "" => None,
            AUTO => service::state::folder("mirrors"),
            folder => Some(PathBuf::from(folder)),
        };
        let app = options.app.app().context("`git.app.key`")?;
        Ok(Self { folder, options, app: app.map(Arc::new) })
    }

    /// The folder of all mirrors, if there may be any.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The mirror of a repository, which is at this host as far as is known.
    pub(crate) fn mirror(&self, repository: &str, at: Provider) -> Result<Mirror, NoOrigin> {
        let folder = self.folder.as_ref().ok_or(NoOrigin::NoFolder)?;
        let name = repository.trim_matches('/');
        let config::Git { url, username, token, ssh_command, .. } = &self.options;
        let usual = match at {
            Provider::Github => Some("https://github.com/{repository}.git"),
            Provider::Bitbucket => Some("https://bitbucket.org/{repository}.git"),
            Provider::Other => None,
        };
        let is_given = !url.is_empty();
        let url = Some(url.as_str()).filter(|_| is_given).or(usual);
        let url = url.ok_or_else(|| NoOrigin::NoUrl { repository: repository.to_owned() })?;
        // What was given for one host is never shown to another.
        let is_theirs = is_given || at == Provider::Github;
        let access = match is_theirs {
            true => Access::given(self.app.as_ref(), (username, token), name),
            false => Access::Open,
        };
        let url = url.replace("{repository}", name);
        let origin = Origin { url, access, ssh_command: ssh_command.clone() };
        Ok(Mirror::new(folder.join(folder_of(repository)), origin))
    }
}

/// Whether only a person can change that the mirror cannot be read.
pub(crate) fn is_lasting(error: &anyhow::Error) -> bool {
    error.is::<NoOrigin>()
        || matches!(error.downcast_ref::<git::Error>(), Some(git::Error::Refused { .. }))
}

/// A folder name that tells repositories apart and cannot lead elsewhere.
pub(super) fn folder_of(repository: &str) -> String {
    let key = repository_key(repository);
    let plain: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(80)
        .collect();
    let digest = crate::memory::key(repository).simple().to_string();
    format!("{plain}-{}.git", &digest[..8])
}

#[cfg(test)]
mod tests;
