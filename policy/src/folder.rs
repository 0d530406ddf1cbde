//! The folder of policies: read, and read again when it changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use chrono::{DateTime, Utc};
use located::Fault;

use crate::{
    document::{self, File},
    fault::Faults,
    model::PolicySet,
};

/// Reads a folder of policies as the service would. Writes nothing, asks nobody.
pub fn validate(folder: &Path) -> Result<PolicySet, Faults> {
    document::read(&files(folder)?)
}

/// The policies in force, and how that came about.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    shelf: RwLock<Shelf>,
}

/// What a library knows.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The policies in force.
    pub set: Arc<PolicySet>,
    /// Since when.
    pub loaded_at: DateTime<Utc>,
    /// Why what is in the folder now is not in force, and since when that is known.
    pub refused: Option<(DateTime<Utc>, Faults)>,
    /// The files it was read from.
    sources: Vec<File>,
    /// What was read last.
    seen: Seen,
    /// Whether it was judged already.
    judged: bool,
}

type Seen = Result<Vec<File>, Faults>;

/// What a look into the folder led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing new, or nothing that has settled yet.
    Same,
    /// Another set is in force.
    Replaced,
    /// What is there now is faulty; what was in force stays.
    Refused(Faults),
}

impl Library {
    /// Opens a folder. A faulty set is refused: there is no old one to keep.
    pub fn open(folder: &Path, now: DateTime<Utc>) -> Result<Self, Faults> {
        let seen = files(folder)?;
        let set = Arc::new(document::read(&seen)?);
        let sources = seen.clone();
        let (refused, seen) = (None, Ok(seen));
        let shelf = Shelf { set, loaded_at: now, refused, sources, seen, judged: true };
        Ok(Self { folder: folder.to_owned(), shelf: RwLock::new(shelf) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of the set in force.
    pub fn sources(&self) -> Vec<File> {
        self.shelf.read().expect("no holder panics").sources.clone()
    }

    /// The policies in force.
    pub fn current(&self) -> Arc<PolicySet> {
        self.shelf.read().expect("no holder panics").set.clone()
    }

    /// Everything that is known.
    pub fn shelf(&self) -> Shelf {
        self.shelf.read().expect("no holder panics").clone()
    }

    /// Looks whether the folder has changed.
    ///
    /// What is new counts when it is seen twice alike: an editor may empty a file before it writes
    /// it anew, and for that moment a policy would be gone.
    pub fn look(&self, now: DateTime<Utc>) -> Look {
        let found = files(&self.folder);
        let mut shelf = self.shelf.write().expect("no holder panics");
        if found != shelf.seen {
            shelf.seen = found;
            shelf.judged = false;
            return Look::Same;
        }
        if shelf.judged {
            return Look::Same;
        }
        shelf.judged = true;
        match found.and_then(|files| document::read(&files).map(|set| (set, files))) {
            Err(faults) => {
                shelf.refused = Some((now, faults.clone()));
                Look::Refused(faults)
            }
            Ok((set, files)) => {
                shelf.refused = None;
                shelf.sources = files;
                let is_new = set.digest != shelf.set.digest;
                if is_new {
                    shelf.loaded_at = now;
                }
                // Places and warnings may differ even where the digest does not.
                shelf.set = Arc::new(set);
                if is_new { Look::Replaced } else { Look::Same }
            }
        }
    }
}

/// All `*.hcl` files right in the folder, and all `*.rego` files also below it, in the order of
/// their names. Tests of policies are read by those who run them.
pub fn files(folder: &Path) -> Result<Vec<File>, Faults> {
    read_all(folder, |name| {
        let is_test = name.ends_with(TEST) || name.ends_with("_test.rego");
        (name.ends_with(".hcl") || name.ends_with(PROGRAM)) && !is_test
    })
}

/// The files with tests of policies right in the folder.
pub fn tests(folder: &Path) -> Result<Vec<File>, Faults> {
    read_all(folder, |name| name.ends_with(TEST))
}

fn read_all(folder: &Path, wanted: fn(&str) -> bool) -> Result<Vec<File>, Faults> {
    let mut found = Vec::new();
    paths(folder, DEPTH_MAX, &mut found).map_err(|error| {
        let what = format!("this folder of policies cannot be read: {error}");
        Faults(vec![Fault::of_file(folder.display().to_string(), what, FOLDER_ADVICE)])
    })?;
    found.sort();
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in found {
        let name = path.display().to_string();
        let is_below = path.parent() != Some(folder);
        if !wanted(&name) || (is_below && !name.ends_with(PROGRAM)) {
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => files.push(File { name, text }),
            Err(error) => {
                let what = format!("this file cannot be read: {error}");
                faults.push(Fault::of_file(name, what, FILE_ADVICE));
            }
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(Faults(faults)) }
}

fn paths(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Editors keep their own hidden files beside those they edit.
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        match path.is_dir() {
            _ if is_hidden => {}
            true if depth > 0 => paths(&path, depth - 1, found)?,
            true => {}
            false => found.push(path),
        }
    }
    Ok(())
}

/// How the names of files with tests end.
const TEST: &str = ".test.hcl";
const PROGRAM: &str = ".rego";
/// How deep programs may lie.
const DEPTH_MAX: usize = 3;
const FOLDER_ADVICE: &str =
    "make the folder (an empty one lets everything pass), or set policies.folder to another";
const FILE_ADVICE: &str = "make it readable UTF-8, or take it out of the folder";

#[cfg(test)]
mod tests;
