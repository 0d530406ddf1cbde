//! A repository with a history: everything in the first commit, then one changed file in each.

use std::{fmt::Write, path::Path, process::Stdio};

use anyhow::{Context, ensure};
use tokio::{io::AsyncWriteExt, process::Command};

/// Where the commits are when they are written; no branch that anybody fetches.
const LATER: &str = "refs/heads/later";
/// When the first commit was made; each after it is a second younger.
const BEGINNING: usize = 1_700_000_000;

/// A file that a commit changes.
pub(crate) struct Changed {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The commits to come, as `git fast-import` takes them.
pub(crate) struct History(String);

impl History {
    /// The first commit.
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut history = Self(String::new());
        history.commit(0);
        for (path, text) in files {
            history.file(path, text);
        }
        history
    }

    /// Adds a commit for each changed file.
    pub(crate) fn then(mut self, changes: impl Iterator<Item = Changed>) -> Self {
        for (Changed { path, text }, number) in changes.zip(1..) {
            self.commit(number);
            self.file(&path, &text);
        }
        self
    }

    fn commit(&mut self, number: usize) {
        let _ = write!(
            self.0,
            "commit {LATER}\ncommitter Ada <ada@acme.example> {} +0000\ndata 4\nmore\n",
            BEGINNING + number,
        );
    }

    fn file(&mut self, path: &str, text: &str) {
        let _ = write!(self.0, "M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    }

    /// Writes it into a repository whose main branch has the first commit then; the others wait for
    /// being pushed. All of them, the oldest first.
    pub(crate) async fn import(self, repository: &Path) -> anyhow::Result<Vec<String>> {
        let mut import = Command::new("git");
        import.arg("-C").arg(repository).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut import = import.spawn().context("git fast-import")?;
        let mut input = import.stdin.take().context("its input")?;
        input.write_all(self.0.as_bytes()).await?;
        drop(input);
        ensure!(import.wait().await?.success(), "git fast-import failed");
        let commits = git(Some(repository), &["rev-list", "--reverse", LATER]).await?;
        let commits: Vec<String> = commits.lines().map(str::to_owned).collect();
        let first = commits.first().context("a commit")?;
        git(Some(repository), &["update-ref", "refs/heads/main", first]).await?;
        // What is pushed later is not there before it is.
        git(Some(repository), &["update-ref", "refs/hidden/later", LATER]).await?;
        git(Some(repository), &["update-ref", "-d", LATER]).await?;
        git(Some(repository), &["config", "transfer.hideRefs", "refs/hidden"]).await?;
        Ok(commits)
    }
}

/// What git says, told nothing by the configuration of whoever runs this.
pub(crate) async fn git(folder: Option<&Path>, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    if let Some(folder) = folder {
        command.arg("-C").arg(folder);
    }
    command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().await.context("git cannot be run")?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
