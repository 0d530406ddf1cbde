//! The files of a repository at one commit, as this crate wants to see them.

use std::collections::BTreeMap;

/// A tree of files, wherever it comes from: a folder on a disk, a commit in a mirror, a test.
pub trait Tree {
    /// Everything in it that is not a folder, in any order. Called once for each reading.
    fn entries(&self) -> Vec<Entry>;

    /// The bytes of a file that [`Tree::entries`] named, or one sentence why they cannot be had.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// One file, link or submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root of the repository, with `/` and without `./`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Equal for equal content alone (such as the beginning of a blob's id); what has one is not
    /// read again when only other files changed.
    pub content: Option<u128>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes.
    File {
        /// Its size, if that is known before it is read, so that a gigantic one is refused unread.
        bytes: Option<u64>,
    },
    /// A symbolic link, with the path it holds.
    Link {
        /// As it is written in the link: relative to the link's folder.
        target: String,
    },
    /// Another repository's commit; a folder whose files are not in this tree.
    Submodule,
}

impl Entry {
    /// A file.
    pub fn file(path: impl Into<String>, bytes: u64) -> Self {
        Self { path: path.into(), kind: Kind::File { bytes: Some(bytes) }, content: None }
    }

    /// A symbolic link.
    pub fn link(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self { path: path.into(), kind: Kind::Link { target: target.into() }, content: None }
    }
}

/// A tree held in memory: path and text.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

impl MemoryTree {
    /// A tree of these files.
    pub fn new<P: Into<String>, T: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        Self { files, links: BTreeMap::new() }
    }

    /// The same tree with one more symbolic link.
    #[must_use]
    pub fn with_link(mut self, path: impl Into<String>, target: impl Into<String>) -> Self {
        self.links.insert(path.into(), target.into());
        self
    }
}

impl Tree for MemoryTree {
    fn entries(&self) -> Vec<Entry> {
        let files = self.files.iter().map(|(path, text)| Entry::file(path, text.len() as u64));
        files.chain(self.links.iter().map(|(path, target)| Entry::link(path, target))).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}
