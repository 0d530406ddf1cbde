//! Repositories to work in, made with the `git` program.

use std::{fs, path::Path, process::Command};

/// A repository in a temporary folder, on branch `main`.
#[derive(Debug)]
pub struct Work(tempfile::TempDir);

impl Work {
    /// A repository without a commit.
    #[expect(clippy::new_without_default, reason = "it is made on disk")]
    pub fn new() -> Self {
        let work = Self(tempfile::tempdir().expect("there is a folder for such things"));
        work.git(&["init", "--quiet", "--initial-branch", "main"]);
        work
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What `git` says, run in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    /// Writes files and commits them; a file without text is deleted. Gives the commit.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        commit(self.path(), files)
    }
}

/// Writes files into a repository and commits them; a file without text is deleted. Gives the commit.
///
/// # Panics
/// If that cannot be done.
pub fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    for (path, text) in files {
        let path = folder.join(path);
        if text.is_empty() {
            fs::remove_file(path).expect("it is there");
            continue;
        }
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", "work"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// What `git` says, run in a folder, as somebody without settings of their own.
///
/// # Panics
/// If it fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments);
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@acme.example"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@acme.example"),
    ] {
        command.env(name, value);
    }
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
