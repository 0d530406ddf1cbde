//! A repository to fetch from.

use std::{path::Path, process::Command, sync::atomic::AtomicBool};

use git::{Access, Error, Mirror, Origin};

pub(crate) struct Work(tempfile::TempDir);

impl Work {
    pub(crate) fn new() -> Self {
        let work = Self(tempfile::tempdir().unwrap());
        work.git(&["init", "--quiet", "--initial-branch", "main"]);
        work
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn commit(&self, text: &str) -> String {
        std::fs::write(self.path().join("main.tf"), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "work"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.path()).args(arguments);
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
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A mirror with a folder of its own.
pub(crate) struct Desk {
    pub(crate) mirror: Mirror,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new(url: &str, access: Access, ssh_command: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, ssh_command) = (url.to_owned(), ssh_command.to_owned());
        let mirror = Mirror::new(folder.path(), Origin { url, access, ssh_command });
        Self { mirror, _folder: folder }
    }

    /// Fetches where blocking hinders nobody.
    pub(crate) async fn fetch(&self, also: &[&str]) -> Result<(), Error> {
        let mirror = self.mirror.clone();
        let also: Vec<String> = also.iter().map(|&name| name.to_owned()).collect();
        let fetched =
            tokio::task::spawn_blocking(move || mirror.fetch(&also, &AtomicBool::new(false)));
        fetched.await.unwrap()
    }

    pub(crate) fn text(&self, commit: &str) -> Option<String> {
        let bytes = self.mirror.file(commit, "main.tf", 1_000).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }
}
