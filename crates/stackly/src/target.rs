//! Which installation is meant: from the command line, or from the nearest `.stackly/dev.json`.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{cli::Global, failure::Failure};

/// Where a nats-server listens if nobody says otherwise.
const USUAL: &str = "nats://127.0.0.1:4222";
/// What `cargo dev` leaves behind for others.
const DEV_FILE: &str = ".stackly/dev.json";

/// The installation that is talked to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The server's address; may hold a password.
    pub(crate) url: String,
    /// The prefix of the installation.
    pub(crate) prefix: String,
    /// A NATS credentials file.
    pub(crate) credentials: Option<PathBuf>,
    /// Who said so.
    origin: Origin,
}

#[derive(Clone, PartialEq, Eq)]
enum Origin {
    Given,
    File(PathBuf),
    Usual,
}

#[derive(Deserialize)]
struct DevFile {
    nats_url: String,
    #[serde(default)]
    prefix: String,
}

impl Target {
    /// What is given counts; else what the nearest file says, looking upwards from `folder`.
    pub(crate) fn find(given: &Global, folder: &Path) -> Result<Self, Failure> {
        let credentials = given.creds.clone();
        if let Some(url) = &given.nats {
            let prefix = given.prefix.clone().unwrap_or_default();
            return Ok(Self { url: url.clone(), prefix, credentials, origin: Origin::Given });
        }
        let (said, origin) = match nearest(folder)? {
            Some((said, path)) => (said, Origin::File(path)),
            None => (DevFile { nats_url: USUAL.to_owned(), prefix: String::new() }, Origin::Usual),
        };
        let prefix = given.prefix.clone().unwrap_or(said.prefix);
        Ok(Self { url: said.nats_url, prefix, credentials, origin })
    }

    /// What to look at when nothing answers there.
    pub(crate) fn advice(&self) -> String {
        match &self.origin {
            Origin::Given => "is it running, and is the address right?".to_owned(),
            Origin::File(path) => {
                format!("the address is from {}; does `stackly dev` still run?", path.display())
            }
            Origin::Usual => {
                "say where it is with --nats; on a developer's machine `stackly dev` starts all"
                    .to_owned()
            }
        }
    }
}

/// What stands in front of subjects and names of streams, or nothing.
pub(crate) fn prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"*>/\\".contains(c);
    let is_word = |word: &str| !word.is_empty() && word.chars().all(fits);
    if text.is_empty() || text.split('.').all(is_word) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is no prefix: such are words without spaces, `*`, `>`, `/` or `\\`, parted by dots"
    ))
}

/// The address without a password, and the prefix.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.url.split(',').map(without_user).collect();
        f.write_str(&servers.join(","))?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, " under the prefix `{}`", self.prefix)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => url.to_owned(),
    }
}

/// What a running `cargo dev` left behind, looking upwards from `folder`.
pub(crate) fn nearest_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(DEV_FILE)).find(|path| path.is_file())
}

fn nearest(folder: &Path) -> Result<Option<(DevFile, PathBuf)>, Failure> {
    if let Some(path) = nearest_file(folder) {
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let said = serde_json::from_str(&text).map_err(|error| {
            let shown = path.display();
            Failure::Usage(format!(
                "{shown} cannot be read ({error}); take it away, or say where the system is with \
                 --nats"
            ))
        })?;
        return Ok(Some((said, path)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
