#![doc = include_str!("../README.md")]

mod access;
mod compare;
mod error;
mod fetch;
mod locks;
mod packs;
mod snapshot;

use std::path::{Path, PathBuf};

use gix::{ObjectId, Repository};

pub use access::Access;
pub use compare::{Comparison, History, PathChange};
pub use error::Error;
pub use fetch::without_secrets;
pub use github::{App, AppOptions};
pub use snapshot::{File, FileKind, FileList, Snapshot};

/// Where a mirror is fetched from, and as whom.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `https://…`, `ssh://…`, `user@host:path`, `file://…` or a path.
    pub url: String,
    /// Who asks, over https.
    pub access: Access,
    /// What is called instead of `ssh`, with its arguments; empty for `ssh`.
    pub ssh_command: String,
}

/// A bare mirror of one repository.
#[derive(Debug, Clone)]
pub struct Mirror {
    folder: PathBuf,
    origin: Origin,
}

impl Mirror {
    /// The mirror kept in this folder, which is made when it is fetched first.
    pub fn new(folder: impl Into<PathBuf>, origin: Origin) -> Self {
        Self { folder: folder.into(), origin }
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the commit is here.
    pub fn has(&self, commit: &str) -> Result<bool, Error> {
        if !self.folder.join("HEAD").exists() {
            return Ok(false);
        }
        let id = parse(commit)?;
        let repository = self.open()?;
        let found = repository.try_find_object(id).map_err(|error| self.broken(error))?;
        Ok(found.is_some())
    }

    /// The newest commit of a branch, as of the last fetch.
    pub fn head(&self, branch: &str) -> Result<Option<String>, Error> {
        if !self.folder.join("HEAD").exists() {
            return Ok(None);
        }
        let repository = self.open()?;
        let name = format!("refs/remotes/origin/{branch}");
        let found =
            repository.try_find_reference(name.as_str()).map_err(|error| self.broken(error))?;
        Ok(found.and_then(|reference| reference.try_id().map(|id| id.to_string())))
    }

    fn open(&self) -> Result<Repository, Error> {
        let ssh = &self.origin.ssh_command;
        let ssh = (!ssh.is_empty()).then(|| format!("core.sshCommand={ssh}"));
        let options = gix::open::Options::isolated()
            .permissions(permissions())
            .config_overrides(ssh)
            .open_path_as_is(true);
        let mut repository =
            options.open(&self.folder).map_err(|error| self.broken(error))?.to_thread_local();
        // Trees share most of their subtrees with their neighbours.
        repository.object_cache_size_if_unset(16 * 1024 * 1024);
        Ok(repository)
    }

    fn broken(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Broken { folder: self.folder.clone(), source: Box::new(error) }
    }
}

/// The settings of whoever runs this are none of ours; proxies and the `ssh` program are.
fn permissions() -> gix::open::Permissions {
    gix::open::Permissions {
        env: gix::open::permissions::Environment::all(),
        ..gix::open::Permissions::isolated()
    }
}

fn parse(commit: &str) -> Result<ObjectId, Error> {
    ObjectId::from_hex(commit.as_bytes()).map_err(|_| Error::NoCommit { given: commit.to_owned() })
}
