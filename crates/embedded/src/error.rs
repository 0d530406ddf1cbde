//! What can go wrong, by what the caller or the person can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a server could not be found, fetched, started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable program on this machine, and none could be fetched for it.
    #[error("no {what} found: {looked}; {advice}")]
    NotFound { what: &'static str, looked: String, advice: String },
    /// The package could not be downloaded or unpacked.
    #[error("cannot fetch {package}: {advice}{}", quoted(.said))]
    Fetch { package: String, advice: String, said: String },
    /// What was downloaded is not what was pinned. Nothing of it has been used.
    #[error(
        "{package} has an unexpected sha256 ({found}) and is not used; \
         a mirror or a proxy may have altered it{}",
        quoted(.said)
    )]
    HashMismatch { package: String, found: String, said: String },
    /// The port asked for belongs to another process.
    #[error(
        "port {port} on 127.0.0.1 is taken, so {what} cannot listen on it; choose another or stop what holds it"
    )]
    PortTaken { what: &'static str, port: u16 },
    /// No port could be bound at all.
    #[error("no free port on 127.0.0.1")]
    NoFreePort(#[source] io::Error),
    /// Another process runs a server in the folder asked for.
    #[error("{} is in use by another running server; stop it or give another folder", .folder.display())]
    FolderInUse { folder: PathBuf },
    /// The data folder was made by another major version of Postgres.
    #[error(
        "{} was made by Postgres {made_by}, but the Postgres found is {found}; \
         set STACKLY_POSTGRES_BIN to the bin folder of {made_by}, or remove the folder",
        .folder.display()
    )]
    ClusterVersion { folder: PathBuf, made_by: String, found: u32 },
    /// We are root, and there is no user whom Postgres could run as.
    #[error(
        "Postgres does not run as root, and there is no user `postgres` or `nobody` here; create one of them"
    )]
    NoUser,
    /// The server ended before it was ready.
    #[error("{what} ended while starting ({status}); the end of its log, {}:\n{tail}", .log.display())]
    EndedAtStart { what: &'static str, status: ExitStatus, log: PathBuf, tail: String },
    /// The server runs but does not answer.
    #[error("{what} was not ready after {seconds} s; the end of its log, {}:\n{tail}", .log.display())]
    NotReady { what: &'static str, seconds: u64, log: PathBuf, tail: String },
    /// A program could not be run at all.
    #[error("cannot run {}", .program.display())]
    Run {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A program ran and said that it failed.
    #[error("{} failed: {said}", .program.display())]
    Failed { program: PathBuf, said: String },
    /// A file or a folder could not be read, written or removed.
    #[error("cannot {action} {}", .path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A database name that Postgres would cut, or that needs quoting in a URL.
    #[error("{name:?} is not a database name: 1 to 63 of a-z, A-Z, 0-9, _ and - are allowed")]
    DatabaseName { name: String },
    /// What was given is no address of a database. The address may hold a password and is not shown.
    #[error("the given address is not a postgres://user@host/database")]
    DatabaseUrl {
        #[source]
        source: Box<sqlx::Error>,
    },
    /// Postgres refused to create or drop a database.
    #[error("cannot {action} database {name}")]
    Database {
        action: &'static str,
        name: String,
        #[source]
        source: Box<sqlx::Error>,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
        let path = path.to_owned();
        Error::File { action, path, source }
    }

    pub(crate) fn run(program: &Path, source: io::Error) -> Error {
        let program = program.to_owned();
        Error::Run { program, source }
    }

    /// Whether the server ended at its start for a reason that its log names by one of `signs`.
    pub(crate) fn ended_because(&self, signs: &[&str]) -> bool {
        matches!(self, Error::EndedAtStart { tail, .. } if signs.iter().any(|sign| tail.contains(sign)))
    }
}

/// What a program said, on lines of its own, or nothing.
fn quoted(said: &str) -> String {
    match said.trim() {
        "" => String::new(),
        said => format!("\n{said}"),
    }
}
