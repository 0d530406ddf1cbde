//! The files of one commit.

use std::fmt;

use gix::{ObjectId, Repository, objs::tree::EntryKind};

use crate::{Error, Mirror};

/// The files of one commit, listed at once and read one by one.
pub struct Snapshot {
    repository: Repository,
    mirror: Mirror,
    files: Vec<File>,
}

/// One file, link or submodule of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is, from the root of the repository.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    id: ObjectId,
}

/// What an entry that is no folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file with a content. What Git LFS keeps elsewhere is the text that points there.
    File,
    /// A symbolic link; its content is the path it holds.
    Link,
    /// Another repository's commit. It has no content here.
    Submodule,
}

impl File {
    /// The same for two files exactly if they have the same content.
    pub fn content(&self) -> u128 {
        let (first, _) = self.id.as_bytes().split_at(16);
        u128::from_be_bytes(first.try_into().expect("it was split there"))
    }
}

impl Mirror {
    /// The files of a commit.
    pub fn snapshot(&self, commit: &str) -> Result<Snapshot, Error> {
        let repository = self.open()?;
        let entries = self.tree(&repository, commit)?.traverse().breadthfirst.files();
        let entries = entries.map_err(|error| self.broken(error))?;
        let mut files: Vec<File> = entries
            .into_iter()
            .filter_map(|entry| {
                let kind = match entry.mode.kind() {
                    EntryKind::Tree => return None,
                    EntryKind::Blob | EntryKind::BlobExecutable => FileKind::File,
                    EntryKind::Link => FileKind::Link,
                    EntryKind::Commit => FileKind::Submodule,
                };
                let path = String::from_utf8(entry.filepath.into()).ok()?;
                Some(File { path, kind, id: entry.oid })
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Snapshot { repository, mirror: self.clone(), files })
    }
}

impl Mirror {
    /// The content of one file of a commit, unless it is larger than `limit`; none if there is no
    /// such file.
    pub fn file(&self, commit: &str, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let repository = self.open()?;
        let tree = self.tree(&repository, commit)?;
        let found = tree.lookup_entry_by_path(path).map_err(|error| self.broken(error))?;
        let Some(entry) = found.filter(|entry| entry.mode().is_blob()) else { return Ok(None) };
        let header = repository.find_header(entry.object_id());
        let size = header.map_err(|error| self.broken(error))?.size();
        if size > limit {
            return Err(Error::TooLarge { path: path.to_owned(), size, limit });
        }
        let mut object = entry.object().map_err(|error| self.broken(error))?;
        Ok(Some(std::mem::take(&mut object.data)))
    }
}

impl Snapshot {
    /// Everything that is no folder, ordered by path. Paths that are no UTF-8 are left out.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The file of this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        let place = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(place)
    }

    /// How many bytes the content of a file has.
    pub fn size(&self, file: &File) -> Result<u64, Error> {
        let header = self.repository.find_header(file.id);
        Ok(header.map_err(|error| self.mirror.broken(error))?.size())
    }

    /// The content of a file, unless it is larger than `limit`.
    pub fn read(&self, file: &File, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.size(file)?;
        if size > limit {
            return Err(Error::TooLarge { path: file.path.clone(), size, limit });
        }
        let object = self.repository.find_object(file.id);
        let mut object = object.map_err(|error| self.mirror.broken(error))?;
        Ok(std::mem::take(&mut object.data))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("files", &self.files.len()).finish_non_exhaustive()
    }
}
