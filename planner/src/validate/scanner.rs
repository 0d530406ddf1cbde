//! Scanners from elsewhere: programs that read a folder and write SARIF.
//!
//! What they read was written by whoever opened the pull request. So they get the code alone, not
//! the files with which scanners are configured, none of our environment, and only so much time; then
//! they are ended with all that they started.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use contracts::validation::Annotation;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};
use validation::{
    Scope,
    sarif::{self, Place},
};

use crate::config;

/// Where programs are looked for, unless their environment says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What stands for the folder with the code.
const FOLDER: &str = "{folder}";
/// How much of what a program complains is told.
const COMPLAINT_BYTES: u64 = 64 * 1024;
const COMPLAINT_CHARS: usize = 300;

/// A program that scans.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    pub(super) name: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    patience: Duration,
}

impl Scanner {
    pub(super) fn new(options: config::Scanner, patience: Duration) -> anyhow::Result<Self> {
        let config::Scanner { name, command, environment } = options;
        if name.trim().is_empty() || command.first().is_none_or(|program| program.is_empty()) {
            bail!("a table [[validation.scanners]] needs a `name` and a `command`");
        }
        Ok(Self { name, command, environment, patience })
    }

    /// What it finds in a folder. Its exit status does not count: scanners fail when they find
    /// something. What is called `from_below` lies in a file in scope, told from another folder, and
    /// nobody can tell from which.
    pub(super) async fn scan(
        &self,
        folder: &Path,
        (scope, from_below): (&Scope, &HashSet<String>),
    ) -> anyhow::Result<Vec<Annotation>> {
        let run = tokio::time::timeout(self.patience, self.run(folder)).await;
        let text = run.with_context(|| format!("it took longer than {:?}", self.patience))??;
        let root = folder.display().to_string();
        let place = |path: &str| {
            let (inner, is_full) = match path.strip_prefix(&root) {
                Some(inner) => (inner, false),
                None => (path, path.starts_with('/')),
            };
            let Ok(inner) = code::path::join("", inner.trim_start_matches('/')) else {
                return Place::Untold;
            };
            if scope.has(&inner) {
                return Place::At(inner);
            }
            // Some mean the root of the code by the first slash.
            let is_nowhere = is_full && !folder.join(&inner).exists();
            match is_nowhere || from_below.contains(&inner) {
                true => Place::Untold,
                false => Place::Elsewhere,
            }
        };
        let findings = sarif::read(&text, &place).map_err(anyhow::Error::msg)?;
        Ok(findings.with_unplaced(&self.name))
    }

    async fn run(&self, folder: &Path) -> anyhow::Result<String> {
        let shown = folder.display().to_string();
        let words: Vec<String> =
            self.command.iter().map(|word| word.replace(FOLDER, &shown)).collect();
        let (program, arguments) = words.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).kill_on_drop(true).process_group(0);
        command.env_clear().env("PATH", PATH).env("HOME", folder).envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let said = async {
            let mut text = String::new();
            if let Some(stream) = stdout {
                stream.take(sarif::BYTES_MAX).read_to_string(&mut text).await?;
            }
            std::io::Result::Ok(text)
        };
        let complaint = async {
            let mut text = Vec::new();
            if let Some(mut stream) = stderr {
                // What it complains about is only for people; but it ends if nobody takes all of it.
                let _ = (&mut stream).take(COMPLAINT_BYTES).read_to_end(&mut text).await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
            String::from_utf8_lossy(&text).trim().to_owned()
        };
        let (said, complaint) = tokio::join!(said, complaint);
        let said = said.context("what it writes cannot be read")?;
        let status = child.wait().await?;
        group.has_ended();
        if said.trim().is_empty() {
            let complaint: String = complaint.chars().take(COMPLAINT_CHARS).collect();
            bail!("it wrote no SARIF to its standard output and ended with {status}: {complaint}");
        }
        Ok(said)
    }
}

/// A program and what it started, all of which end when nobody waits for them any more.
struct Group(Option<Pid>);

impl Group {
    /// That of a program which leads it and has not been waited for.
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// Its number may be given to others from now on.
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended by itself in this moment.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests;
