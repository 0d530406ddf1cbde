//! Samples that a person may change: written anew only where nobody did.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// Beside the folder: what it was when it was written last.
fn mark(folder: &Path) -> PathBuf {
    folder.with_extension("sha256")
}

/// Writes the samples, unless a person changed those of an earlier start. Tells whether it did.
pub(super) fn write(folder: &Path, files: &[(&str, &str)]) -> io::Result<bool> {
    let mut fresh: Vec<_> =
        files.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect();
    fresh.sort();
    if folder.exists() {
        let mut there = Vec::new();
        read(folder, Path::new(""), &mut there)?;
        there.sort();
        // Who wrote no mark wrote these samples, or others that are better kept.
        let made = fs::read_to_string(mark(folder)).unwrap_or_else(|_| digest(&fresh));
        if !there.is_empty() && digest(&there) != made.trim() {
            return Ok(false);
        }
    }
    // Beside its place and moved there when it is whole: half of it would pass for a change.
    let unfinished = folder.with_extension("unfinished");
    for old in [&unfinished, folder] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&unfinished)?;
    for (name, text) in &fresh {
        let path = unfinished.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&unfinished))?;
        fs::write(path, text)?;
    }
    fs::write(mark(folder), digest(&fresh))?;
    fs::rename(&unfinished, folder)?;
    Ok(true)
}

/// Every file below a folder, with its name from there.
fn read(folder: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => read(folder, &name, files)?,
            // A link is followed: whoever made it changed something.
            _ => files.push((name, fs::read(entry.path()).unwrap_or_default())),
        }
    }
    Ok(())
}

fn digest(files: &[(PathBuf, Vec<u8>)]) -> String {
    let mut digest = Sha256::new();
    for (name, text) in files {
        for part in [name.as_os_str().as_encoded_bytes(), text] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    hex::encode(digest.finalize())
}
