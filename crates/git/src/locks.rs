//! Locks that a process left behind which was killed while it wrote. Nobody else takes them away,
//! and nothing can be fetched while they are there.

use std::{fs, io, path::Path, time::Duration};

/// A lock as old as this is held by nobody: even for the largest repositories it takes seconds to
/// write all references. Another process may work in the same folder.
const HELD_MAX: Duration = Duration::from_secs(3 * 60);

/// Takes old locks away from a mirror; one that cannot be taken away is told of by who needs it.
pub(crate) fn take_away_old(mirror: &Path) {
    let _ = take_away(mirror, false);
    let _ = take_away(&mirror.join("refs"), true);
}

fn take_away(folder: &Path, is_deep: bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && is_deep {
            take_away(&path, true)?;
        }
        let is_lock = kind.is_file() && path.extension().is_some_and(|it| it == "lock");
        // Of a clock that was set back nothing follows.
        if is_lock && entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > HELD_MAX) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
