//! A folder of policies: which of its files are policies, and what is in them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

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

/// All `*.hcl` files right in the folder, and all `*.rego` files also below it, in the order of
/// their names. Tests of policies are read by those who run them.
pub fn files(folder: &Path) -> Result<Vec<File>, Faults> {
    read_all(folder, is_policy)
}

/// Whether a file of this name is one of policies, or a program.
pub(crate) fn is_policy(name: &str) -> bool {
    let is_test = name.ends_with(TEST) || name.ends_with("_test.rego");
    (name.ends_with(".hcl") || name.ends_with(PROGRAM)) && !is_test
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
pub(crate) const PROGRAM: &str = ".rego";
/// How deep programs may lie.
pub(crate) const DEPTH_MAX: usize = 3;
const FOLDER_ADVICE: &str = "make the folder (an empty one lets everything pass), or name another \
                             (the service: policies.folder)";
const FILE_ADVICE: &str = "make it readable UTF-8, or take it out of the folder";

#[cfg(test)]
mod tests;
