//! The folder of one `stackly dev`: claimed, so that two do not share it.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};

use super::say;

mod samples;
#[cfg(test)]
mod tests;

/// Held while `stackly dev` runs, and left behind: it tells a folder of ours from all others.
const LOCK: &str = "dev.lock";

/// The folder, ours as long as this value lives.
#[derive(Debug)]
pub(crate) struct DevFolder {
    path: PathBuf,
    _claim: Flock<File>,
}

impl DevFolder {
    /// Claims the folder, or says who has it. What lies in a folder of somebody else's is not
    /// touched.
    pub(crate) fn claim(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = path.join(LOCK);
        if !lock.exists() && fs::read_dir(&path)?.next().is_some() {
            bail!(
                "{} is not empty and was not made by `cargo dev`, which clears parts of its folder \
                 at every start; give it a folder of its own with --folder: an empty one, or one \
                 that is not there yet",
                path.display()
            );
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock)?;
        let mut claim = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(claim) => claim,
            Err((mut file, _)) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!(
                    "another `cargo dev` (process {}) runs in {}; stop it, or give this one a \
                     folder of its own with --folder",
                    holder.trim(),
                    path.display()
                );
            }
        };
        claim.set_len(0)?;
        claim.rewind()?;
        write!(claim, "{}", std::process::id())?;
        let folder = Self { path, _claim: claim };
        folder.clear("logs")?;
        fs::create_dir_all(folder.path("logs"))?;
        Ok(folder)
    }

    /// Something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What tells this folder from all others, wherever it is moved to: what is kept outside of it
    /// is named after it.
    pub(crate) fn identity(&self) -> anyhow::Result<String> {
        let path = self.path("identity");
        let known = fs::read_to_string(&path).unwrap_or_default();
        if !known.trim().is_empty() {
            return Ok(known.trim().to_owned());
        }
        let identity = hex::encode(rand::random::<[u8; 6]>());
        fs::write(&path, &identity).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(identity)
    }

    /// The log of one process.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// Removes a folder that an earlier `stackly dev` made.
    pub(super) fn clear(&self, name: &str) -> anyhow::Result<()> {
        let old = self.path(name);
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| format!("cannot clear {}", old.display()))?;
        }
        Ok(())
    }

    /// Puts a folder out of the way whose content is a person's work, and says where it is.
    pub(super) fn put_aside(&self, name: &str) -> anyhow::Result<()> {
        let stamp = chrono::Local::now().format("%Y%m%d-%H%M%S%.3f");
        let (old, kept) = (self.path(name), self.path(&format!("{name}.{stamp}")));
        fs::rename(&old, &kept)
            .with_context(|| format!("cannot move {} to {}", old.display(), kept.display()))?;
        say(&format!("What you changed in {} is now in {}.", old.display(), kept.display()));
        Ok(())
    }

    /// A folder of samples, as it is given to the services: new, or as a person has changed it.
    pub(super) fn samples(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let folder = self.path(name);
        if samples::write(&folder, files)
            .with_context(|| format!("cannot write the samples in {}", folder.display()))?
        {
            return Ok(folder);
        }
        say(&format!(
            "{} holds what you made of the samples; remove it to have them anew.",
            folder.display()
        ));
        Ok(folder)
    }
}
