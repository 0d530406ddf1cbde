//! The files of one commit.

use std::{collections::BTreeMap, fmt, sync::Arc};

use gix::{
    ObjectId, Repository, Tree,
    diff::tree_with_rewrites::Change,
    objs::tree::{EntryKind, EntryMode},
};

use crate::{Error, Mirror};

/// The files of one commit, listed at once and read one by one.
pub struct Snapshot {
    repository: Repository,
    mirror: Mirror,
    list: FileList,
}

/// The files of one commit without their contents. Whoever keeps it gets the list of another commit
/// from what differs, so that a repository of any size is walked through once.
#[derive(Debug, Clone)]
pub struct FileList {
    tree: ObjectId,
    files: Arc<Vec<File>>,
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
        self.snapshot_after(&mut None, commit)
    }

    /// The same. `last` is the list of another commit, if there is one, and becomes that of this
    /// one.
    pub fn snapshot_after(
        &self,
        last: &mut Option<FileList>,
        commit: &str,
    ) -> Result<Snapshot, Error> {
        let repository = self.open()?;
        let tree = self.tree(&repository, commit)?;
        let list = match last.take() {
            Some(last) if last.tree == tree.id => last,
            Some(last) => match repository.find_tree(last.tree) {
                Ok(old) => self.stepped(last, (&old, &tree))?,
                // Its commit may have been left behind and cleaned away.
                Err(_) => self.listed(&tree)?,
            },
            None => self.listed(&tree)?,
        };
        *last = Some(list.clone());
        drop(tree);
        Ok(Snapshot { repository, mirror: self.clone(), list })
    }

    /// All files of a tree.
    fn listed(&self, tree: &Tree<'_>) -> Result<FileList, Error> {
        let entries = tree.traverse().breadthfirst.files();
        let entries = entries.map_err(|error| self.broken(error))?.into_iter();
        let mut files: Vec<File> = entries
            .filter_map(|entry| file(entry.filepath.into(), entry.mode, entry.oid))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(FileList { tree: tree.id, files: Arc::new(files) })
    }

    /// The files of the new tree, by what differs from the old one.
    fn stepped(
        &self,
        FileList { mut files, .. }: FileList,
        (old, new): (&Tree<'_>, &Tree<'_>),
    ) -> Result<FileList, Error> {
        let options = gix::diff::Options::default().with_rewrites(None);
        let found = old.repo.diff_tree_to_tree(Some(old), Some(new), options);
        let mut changed: BTreeMap<String, Option<File>> = BTreeMap::new();
        for change in found.map_err(|error| self.broken(error))? {
            let (path, is_folder, file) = match change {
                Change::Deletion { location, entry_mode, .. } => {
                    (location, entry_mode.is_tree(), None)
                }
                Change::Addition { location, entry_mode, id, .. }
                | Change::Modification { location, entry_mode, id, .. }
                | Change::Rewrite { location, entry_mode, id, .. } => {
                    let path = location.clone();
                    (path, entry_mode.is_tree(), file(location.into(), entry_mode, id))
                }
            };
            if let (false, Ok(path)) = (is_folder, String::from_utf8(path.into())) {
                let change = changed.entry(path).or_default();
                // A folder in the place of a file, or a file in that of a folder, is two changes.
                *change = file.or_else(|| change.take());
            }
        }
        let all = Arc::make_mut(&mut files);
        let mut new_ones = Vec::new();
        // In the order of paths: what is cleared lies before whatever is looked for later, and an
        // empty path does so, too.
        for (path, file) in changed {
            match (all.binary_search_by(|file| file.path.cmp(&path)), file) {
                (Ok(at), Some(file)) => all[at] = file,
                (Ok(at), None) => all[at].path.clear(),
                (Err(_), file) => new_ones.extend(file),
            }
        }
        all.retain(|file| !file.path.is_empty());
        if !new_ones.is_empty() {
            all.append(&mut new_ones);
            // Two sorted runs: one pass.
            all.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(FileList { tree: new.id, files })
    }
}

/// An entry that is no folder, if its path is text.
fn file(path: Vec<u8>, mode: EntryMode, id: ObjectId) -> Option<File> {
    let kind = match mode.kind() {
        EntryKind::Tree => return None,
        EntryKind::Blob | EntryKind::BlobExecutable => FileKind::File,
        EntryKind::Link => FileKind::Link,
        EntryKind::Commit => FileKind::Submodule,
    };
    Some(File { path: String::from_utf8(path).ok()?, kind, id })
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
        &self.list.files
    }

    /// The file of this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        let files = self.files();
        let place = files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        files.get(place)
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
        f.debug_struct("Snapshot").field("files", &self.files().len()).finish_non_exhaustive()
    }
}
