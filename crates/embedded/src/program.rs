//! Running a short program to its end, and reading the version it prints.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::{Error, RunAs};

/// A command that runs as `user` (or as ourselves), in a folder that everyone may enter.
pub(crate) fn command(program: &Path, user: Option<&RunAs>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(user) = user {
        // The standard library drops root's supplementary groups when it changes the user.
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Runs a command to its end, and kills it when its patience is over.
pub(crate) async fn run(mut command: Command, patience: Duration) -> Result<Output, Error> {
    let program = PathBuf::from(command.as_std().get_program());
    match tokio::time::timeout(patience, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(source)) => Err(Error::Run { program, source }),
        Err(_) => {
            Err(Error::Failed { program, said: format!("not done after {} s", patience.as_secs()) })
        }
    }
}

/// All that a program said, errors last.
pub(crate) fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// A version as servers print it; missing parts are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch }
    }

    /// The first word of `text` that begins with a digit, or with `v` and a digit.
    pub(crate) fn find_in(text: &str) -> Option<Version> {
        text.split_whitespace().find_map(Version::of_word)
    }

    fn of_word(word: &str) -> Option<Version> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut parts = word.split('.').map(leading_number);
        let major = parts.next()??;
        let mut part = || parts.next().flatten().unwrap_or(0);
        Some(Version::new(major, part(), part()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The version that `program --version` prints, or why there is none.
pub(crate) async fn version_of(program: &Path, user: Option<&RunAs>) -> Result<Version, String> {
    let mut asked = command(program, user);
    asked.arg("--version");
    let output = match run(asked, Duration::from_secs(20)).await {
        Ok(output) => output,
        Err(Error::Run { source, .. }) => return Err(format!("it cannot be run: {source}")),
        Err(error) => return Err(error.to_string()),
    };
    let said = said(&output);
    if !output.status.success() {
        return Err(format!("it fails ({}): {said}", output.status));
    }
    Version::find_in(&said).ok_or_else(|| format!("it does not say its version: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Version>) {
        assert_eq!(Version::find_in(text), expected, "{text}");
    }

    #[test]
    fn versions_are_read_as_servers_print_them() {
        check("nats-server: v2.15.1", Some(Version::new(2, 15, 1)));
        check("nats-server: v2.12.0-RC.3", Some(Version::new(2, 12, 0)));
        check(
            "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
            Some(Version::new(15, 18, 0)),
        );
        check("postgres (PostgreSQL) 19beta1", Some(Version::new(19, 0, 0)));
        check("hello", None);
        check("", None);
    }

    #[test]
    fn newer_is_greater() {
        assert!(Version::new(2, 9, 10) < Version::new(2, 12, 0));
        assert!(Version::new(3, 0, 0) > Version::new(2, 12, 0));
    }
}
