//! The files of a commit as the reader of code wants to see them.

use std::collections::{BTreeMap, BTreeSet};

use code::{Entry, Kind, Tree, may_be_code};
use git::{FileKind, Snapshot};

/// The most that is read of one file.
const BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The longest path a link leads to.
const LINK_BYTES_MAX: u64 = 4_096;

/// The files of a commit.
pub(super) struct Files<'a>(pub(super) &'a Snapshot);

impl Tree for Files<'_> {
    fn entries(&self) -> Vec<Entry> {
        let entry = |file: &git::File| {
            let kind = match file.kind {
                FileKind::Submodule => Kind::Submodule,
                FileKind::Link => match self.0.read(file, LINK_BYTES_MAX) {
                    Ok(target) => {
                        Kind::Link { target: String::from_utf8_lossy(&target).into_owned() }
                    }
                    // What lies behind it cannot be seen either, and is not gone for that.
                    Err(_) => Kind::Submodule,
                },
                // Of most files only the content counts, which was read before; to ask Git for all
                // their sizes takes longer than to read those that changed.
                FileKind::File => Kind::File { bytes: None },
            };
            Entry { path: file.path.clone(), kind, content: Some(file.content()) }
        };
        let matters = |file: &&git::File| file.kind != FileKind::File || may_be_code(&file.path);
        self.0.files().iter().filter(matters).map(entry).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = self.0.file(path).ok_or("it is not in the commit")?;
        self.0.read(file, BYTES_MAX).map_err(|error| error.to_string())
    }
}

/// What somebody has changed since a commit and not pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unpushed {
    /// The files that differ.
    pub(crate) paths: Vec<String>,
    /// What is in them, as far as it was told; nothing in those that were deleted.
    pub(crate) files: BTreeMap<String, Option<String>>,
    /// Files that were renamed, old to new.
    pub(crate) renamed: Vec<(String, String)>,
}

/// The files of a commit with what was changed since.
pub(super) struct Changed<'a> {
    pub(super) files: Files<'a>,
    pub(super) by: &'a Unpushed,
}

impl Tree for Changed<'_> {
    fn entries(&self) -> Vec<Entry> {
        let mut entries = self.files.entries();
        let own: BTreeSet<&String> = self.by.files.keys().collect();
        entries.retain(|entry| !own.contains(&entry.path));
        let there = self.by.files.iter().filter_map(|(path, text)| {
            let text = text.as_ref().filter(|_| may_be_code(path))?;
            Some(Entry::file(path, text.len() as u64))
        });
        entries.extend(there);
        entries
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.by.files.get(path) {
            Some(Some(text)) => Ok(text.clone().into_bytes()),
            Some(None) => Err("it was deleted".to_owned()),
            None => self.files.read(path),
        }
    }
}
