//! The folder a server keeps its data in.

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Error, RunAs, Say, cache, environment};

/// Under root, where folders stand for those that the server's user cannot enter.
const STAND_INS: &str = "/var/lib/stackly";

/// Where a server keeps its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreFolder {
    /// In a folder of its own that goes when the server's handle goes, or the process that holds it.
    #[default]
    Temporary,
    /// In this folder, which is made when it is not there and stays.
    Given(PathBuf),
}

/// An opened folder: it exists, the server's user can write in it, and no other process uses it.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    temporary: Option<TempDir>,
    /// Held, never read: it keeps a second server out of a given folder.
    _lock: Option<File>,
}

impl Home {
    /// Opens the folder for a server called `kind` that runs as `user`.
    pub(crate) fn open(
        folder: &StoreFolder,
        kind: &str,
        user: Option<&RunAs>,
        say: &Say,
    ) -> Result<Home, Error> {
        match folder {
            StoreFolder::Temporary => Home::temporary(kind, user),
            StoreFolder::Given(folder) => Home::given(folder, kind, user, say),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, if it must not outlive us.
    pub(crate) fn temporary_path(&self) -> Option<PathBuf> {
        self.temporary.as_ref().map(|_| self.path.clone())
    }

    fn temporary(kind: &str, user: Option<&RunAs>) -> Result<Home, Error> {
        let mut failure = None;
        // A person's own TMPDIR may be closed to the server's user; these two are open to everyone.
        for parent in
            [environment::temporary_folder(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]
        {
            let made = tempfile::Builder::new()
                .prefix(&format!("stackly-{kind}-"))
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(&parent)
                .map_err(|error| Error::file("create a folder in", &parent, error))
                .and_then(|folder| give(folder.path(), user).map(|()| folder));
            match made {
                Ok(folder) if user.is_none_or(|user| user.can_write_in(folder.path())) => {
                    return Ok(Home {
                        path: folder.path().to_owned(),
                        temporary: Some(folder),
                        _lock: None,
                    });
                }
                Ok(folder) => failure = failure.or_else(|| Some(closed(folder.path(), user))),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| closed(&environment::temporary_folder(), user)))
    }

    fn given(folder: &Path, kind: &str, user: Option<&RunAs>, say: &Say) -> Result<Home, Error> {
        let folder =
            std::path::absolute(folder).map_err(|error| Error::file("find", folder, error))?;
        make(&folder)?;
        let (path, lock) = match user {
            // The folder itself becomes the user's; the way to it does not.
            Some(user) if !user.can_enter(folder.parent().unwrap_or(&folder)) => {
                let path = stand_in(&folder, kind);
                say(&format!(
                    "keeping the data of {kind} in {}, because user {}, whom it runs as, cannot enter {}",
                    path.display(),
                    user.name,
                    folder.display(),
                ));
                cache::make_open_folder(Path::new(STAND_INS))?;
                make(&path)?;
                let lock = lock(&path)?;
                (path, lock)
            }
            _ => {
                let lock = lock(&folder)?;
                (folder, lock)
            }
        };
        give(&path, user)?;
        if let Some(user) = user.filter(|user| !user.can_write_in(&path)) {
            return Err(closed(&path, Some(user)));
        }
        Ok(Home { path, temporary: None, _lock: Some(lock) })
    }
}

impl Drop for Home {
    /// Backends of a killed Postgres live, and write, for a moment longer than their server.
    fn drop(&mut self) {
        let Some(temporary) = self.temporary.take() else {
            return;
        };
        let path = temporary.keep();
        for _ in 0..200 {
            match fs::remove_dir_all(&path) {
                Err(_) if path.exists() => std::thread::park_timeout(Duration::from_millis(10)),
                _ => return,
            }
        }
        tracing::warn!(folder = %path.display(), "a temporary folder could not be removed");
    }
}

/// The place that stands for a folder the server's user cannot enter: always the same for one folder.
pub(crate) fn stand_in(folder: &Path, kind: &str) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let digest = hex::encode(Sha256::digest(folder.as_os_str().as_bytes()));
    Path::new(STAND_INS).join(format!("{kind}-{}", &digest[..16]))
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::file("create folder", folder, error))
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("in-use.lock");
    let file = File::create(&path).map_err(|error| Error::file("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::FolderInUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", &path, error)),
    }
}

fn give(folder: &Path, user: Option<&RunAs>) -> Result<(), Error> {
    match user {
        Some(user) => chown(folder, Some(user.uid), Some(user.gid))
            .map_err(|error| Error::file("change the owner of", folder, error)),
        None => Ok(()),
    }
}

fn closed(folder: &Path, user: Option<&RunAs>) -> Error {
    let name = user.map_or("this user", |user| &user.name);
    let source = std::io::Error::new(
        std::io::ErrorKind::PermissionDenied,
        format!("{name} cannot write there; give a folder whose parents every user may enter"),
    );
    Error::file("use folder", folder, source)
}
