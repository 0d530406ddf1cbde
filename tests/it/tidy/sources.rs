//! The files of the workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::code;

/// A text file of the workspace.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the root.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// Its Rust code without comments and texts.
    pub fn code(&self) -> String {
        code::only(&self.text)
    }

    /// Whether it holds tests or what only tests use.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        matches!(name, "tests.rs" | "testing.rs")
            || self.path.starts_with("tests/")
            || self.path.contains("/tests/")
    }

    /// Whether it is part of the package in this folder.
    pub fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file that belongs to the project.
pub fn all() -> Vec<Source> {
    let root = root();
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if is_foreign(&relative) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                sources.push(Source { path: relative, text });
            }
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(sources.len() > 200, "only {} files were found", sources.len());
    sources
}

/// What git does not track, by `.gitignore`.
fn is_foreign(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(path, ".git" | ".stackly") || matches!(name, "target" | "node_modules" | ".venv")
}

/// Every Rust file.
pub fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| source.path.ends_with(".rs")).collect()
}

/// One file; it must be there.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
