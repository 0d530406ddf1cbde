//! A folder on this machine's disk as a tree of files, for commands that read code.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use code::{Entry, Kind, Tree};
use located::Fault;

use crate::failure::Failure;

/// Folders in which tools keep copies; nothing in them was written by anybody.
const LEFT_OUT: [&str; 4] = [".git", ".terraform", ".terragrunt-cache", ".stackly"];

/// A repository on the disk, and the part of it that is asked for.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The path as it was typed.
    typed: PathBuf,
    root: PathBuf,
    /// From the root, with `/`; empty for all of it.
    pub(crate) part: String,
    entries: Vec<Entry>,
}

impl Folder {
    /// The repository that `path` lies in: up to the nearest `.git`, or `path` alone. Of a file that
    /// names no stacks itself, its folder is asked for: what is wrong with it is wrong with the stack.
    pub(crate) fn open(typed: &Path) -> Result<Self, Failure> {
        let named = |error| Failure::unread(typed, error);
        let mut path = fs::canonicalize(typed).map_err(named)?;
        let mut typed = typed;
        if path.is_file()
            && path.file_name().is_some_and(|name| name != code::stack_file::FILE_NAME)
        {
            if !path.to_str().is_some_and(code::may_be_code) {
                let text = format!("{} is no stack code; name a folder of it", typed.display());
                return Err(Failure::Usage(text));
            }
            path.pop();
            typed = typed.parent().unwrap_or(typed);
        }
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
        let root = folder.ancestors().find(|upper| upper.join(".git").exists()).unwrap_or(folder);
        let inner = path.strip_prefix(root).unwrap_or_else(|_| Path::new(""));
        let part = spelt(inner)
            .ok_or_else(|| Failure::Usage(format!("{} is not named in UTF-8", path.display())))?;
        let mut entries = Vec::new();
        walk(root, root, &mut entries).map_err(named)?;
        Ok(Self { typed: typed.to_owned(), root: root.to_owned(), part, entries })
    }

    /// Whether a path lies in the part that is asked for.
    pub(crate) fn is_asked(&self, path: &str) -> bool {
        code::path::is_within(path, &self.part)
    }

    /// The faults in the part that is asked for.
    pub(crate) fn asked(&self, faults: &[Fault]) -> Vec<Fault> {
        faults.iter().filter(|fault| self.is_asked(&fault.file)).cloned().collect()
    }

    /// A fault whose file is named as whoever typed the path reaches it.
    pub(crate) fn placed(&self, fault: &Fault) -> Fault {
        Fault { file: self.shown(&fault.file), ..fault.clone() }
    }

    /// A file as whoever typed the path reaches it; from the root, if it lies elsewhere.
    pub(crate) fn shown(&self, file: &str) -> String {
        if !self.is_asked(file) {
            return file.to_owned();
        }
        let inner = file[self.part.len()..].trim_start_matches('/');
        let typed = self.typed.strip_prefix(".").unwrap_or(&self.typed);
        // Joined with nothing, a file would end with a slash.
        let shown = if inner.is_empty() { typed.to_owned() } else { typed.join(inner) };
        shown.display().to_string()
    }

    /// The file that a program meant which ran at the root, in the part that is asked for, or
    /// anywhere and names files in full.
    pub(crate) fn place(&self, path: &str) -> Option<String> {
        let inner = Path::new(path).strip_prefix(&self.root).ok().and_then(Path::to_str);
        let inner = inner.unwrap_or(path).trim_start_matches('/');
        let seen_from = ["", &self.part].map(|folder| code::path::join(folder, inner));
        let is_here = |path: &String| self.entries.iter().any(|entry| entry.path == *path);
        seen_from.into_iter().flatten().find(is_here)
    }
}

impl Tree for Folder {
    fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.root.join(path)).map_err(|error| error.to_string())
    }
}

/// Everything below a folder. Links are noted and not followed, so that none leads in circles.
fn walk(root: &Path, folder: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        let path = found.path();
        let Some(name) = path.strip_prefix(root).ok().and_then(spelt) else { continue };
        let kind = found.file_type()?;
        if kind.is_dir() {
            let is_left_out = LEFT_OUT.iter().any(|left_out| found.file_name() == *left_out);
            // What may not be looked into holds nothing for us; its neighbours still count.
            if !is_left_out {
                match walk(root, &path, entries) {
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    done => done?,
                }
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?.to_string_lossy().into_owned();
            entries.push(Entry { path: name, kind: Kind::Link { target }, content: None });
        } else if kind.is_file() {
            entries.push(Entry::file(name, found.metadata()?.len()));
        }
    }
    Ok(())
}

/// A relative path with `/`.
fn spelt(path: &Path) -> Option<String> {
    let names: Option<Vec<&str>> = path
        .components()
        .map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    names.map(|names| names.join("/"))
}
