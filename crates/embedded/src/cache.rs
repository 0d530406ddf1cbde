//! Where what was fetched is kept, and how many processes fetch it only once.

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::user::{are_we_root, our_uid};
use crate::{Error, RunAs, Say, environment};

/// Where things are kept: `$STACKLY_CACHE`, else `$XDG_CACHE_HOME/stackly`, else `~/.cache/stackly`,
/// else a folder of our own in the folder for temporary files.
pub fn cache_folder() -> PathBuf {
    environment::path("STACKLY_CACHE")
        .or_else(|| environment::path("XDG_CACHE_HOME").map(|folder| folder.join("stackly")))
        .or_else(|| environment::path("HOME").map(|folder| folder.join(".cache").join("stackly")))
        .unwrap_or_else(temporary_cache)
}

/// Named after the user, because the folder for temporary files belongs to all users.
fn temporary_cache() -> PathBuf {
    environment::temporary_folder().join(format!("stackly-{}", our_uid()))
}

/// The folder to keep things in so that `reader` can use them: the cache folder where that works, else
/// another place. A home folder such as /root is closed to all but its owner.
pub(crate) fn usable_cache(reader: Option<&RunAs>) -> Result<PathBuf, Error> {
    let first = cache_folder();
    let mut candidates = vec![first.clone()];
    if are_we_root() {
        candidates.push(PathBuf::from("/var/cache/stackly"));
    }
    candidates.push(temporary_cache());
    let mut failure = None;
    for folder in candidates {
        match make_own_folder(&folder) {
            Ok(()) if reader.is_none_or(|reader| reader.can_enter(&folder)) => return Ok(folder),
            Ok(()) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| Error::NotFound {
        what: "folder for downloads",
        looked: format!("{} and others are closed to the server's user", first.display()),
        advice: "set STACKLY_CACHE to a folder that every user may enter".to_owned(),
    }))
}

/// Makes the folder if it is not there, and refuses one that somebody else owns: programs are run from
/// it, so whoever can write there could have us run anything.
fn make_own_folder(folder: &Path) -> Result<(), Error> {
    make_open_folder(folder)?;
    let owner = fs::metadata(folder).map_err(|error| Error::file("read", folder, error))?.uid();
    if owner == our_uid() {
        return Ok(());
    }
    let other =
        std::io::Error::other(format!("it belongs to user {owner}, not to us; set STACKLY_CACHE"));
    Err(Error::file("use folder", folder, other))
}

/// Makes a folder that every user may enter, whatever our umask, if it is not there.
pub(crate) fn make_open_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755)))
        .map_err(|error| Error::file("create folder", folder, error))
}

/// Holds the lock `name` of the cache until dropped; only one process at a time has it.
pub(crate) async fn lock(cache: &Path, name: &str, say: &Say) -> Result<File, Error> {
    let path = cache.join(format!("{name}.lock"));
    let file = File::create(&path).map_err(|error| Error::file("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            say(&format!("waiting for another process that fetches {name}"))
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path, error)),
    }
    let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    match waiting.await {
        Ok(locked) => locked.map_err(|error| Error::file("lock", &path, error)),
        Err(stopped) => Err(Error::file("lock", &path, std::io::Error::other(stopped))),
    }
}
