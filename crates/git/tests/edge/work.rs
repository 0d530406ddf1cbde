//! A mirror to fetch into.

use std::sync::atomic::AtomicBool;

use git::{Access, Error, Mirror, Origin};

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
