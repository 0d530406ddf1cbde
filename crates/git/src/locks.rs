//! What a process left behind which was killed while it wrote. Nobody else takes it away: nothing can
//! be fetched while there are locks, and of a pack that was half here nobody knows any more.

use std::{ffi::OsStr, fs, io, path::Path, time::Duration};

/// A lock as old as this is held by nobody: even for the largest repositories it takes seconds to
/// write all references. Another process may work in the same folder.
const HELD_MAX: Duration = Duration::from_secs(3 * 60);

/// A file that nobody has written to for so long will be no pack: what came is put in order meanwhile.
const WRITTEN_MAX: Duration = Duration::from_secs(60 * 60);
/// How files are called that are still being written, by `gix`.
const UNFINISHED: &str = ".tmp";

/// Takes old locks and packs that were never finished away from a mirror; a lock that cannot be taken
/// away is told of by who needs it.
pub(crate) fn take_away_old(mirror: &Path) {
    let is_lock = |path: &Path| path.extension().is_some_and(|it| it == "lock");
    let locks = (is_lock, HELD_MAX);
    let _ = take_away(mirror, false, locks);
    let _ = take_away(&mirror.join("refs"), true, locks);
    let is_unfinished = |path: &Path| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|it| it.starts_with(UNFINISHED))
    };
    let _ = take_away(&mirror.join("objects/pack"), false, (is_unfinished, WRITTEN_MAX));
}

fn take_away(
    folder: &Path,
    is_deep: bool,
    (is_it, age_max): (impl Fn(&Path) -> bool + Copy, Duration),
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && is_deep {
            take_away(&path, true, (is_it, age_max))?;
        }
        let is_it = kind.is_file() && is_it(&path);
        // Of a clock that was set back nothing follows.
        if is_it && entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > age_max) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
