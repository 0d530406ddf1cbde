//! The folder of one `stackly dev`: claimed, so that two do not share it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};

/// The folder, ours as long as this value lives.
pub(crate) struct DevFolder {
    path: PathBuf,
    _claim: Flock<File>,
}

impl DevFolder {
    /// Claims the folder, or says who has it.
    pub(crate) fn claim(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = path.join("dev.lock");
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
        for name in ["logs", "infra", "origin.git", "policies", "rules"] {
            let old = path.join(name);
            if old.exists() {
                std::fs::remove_dir_all(&old)
                    .with_context(|| format!("cannot clear {}", old.display()))?;
            }
        }
        std::fs::create_dir_all(path.join("logs"))?;
        Ok(Self { path, _claim: claim })
    }

    /// Something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log of one process.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }
}
