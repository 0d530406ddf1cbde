//! What lies where in a repository, with symbolic links followed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    path::{self, within},
    tree::{Entry, Kind},
};

/// How many links one path may lead through; more are a loop, or might as well be.
const HOPS_MAX: usize = 40;

/// The files this crate reads, and the links by which they are reached.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The files that may be code, by path.
    files: BTreeMap<String, Found>,
    links: HashMap<String, String>,
    submodules: Vec<String>,
    /// The links that lie in each folder, by name.
    linked: HashMap<String, Vec<String>>,
}

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// As far as that is known.
    pub(crate) bytes: Option<u64>,
    pub(crate) content: Option<u128>,
}

/// Why a path does not lead to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Loop,
    Outside,
}

impl Listing {
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let mut listing = Self::default();
        for Entry { path, kind, content } in entries {
            match kind {
                Kind::File { bytes } if may_be_code(&path) => {
                    listing.files.insert(path, Found { bytes, content });
                }
                Kind::File { .. } => {}
                Kind::Link { target } => {
                    let folder = path::parent(&path).to_owned();
                    listing.linked.entry(folder).or_default().push(path.clone());
                    listing.links.insert(path, target);
                }
                Kind::Submodule => listing.submodules.push(path),
            }
        }
        listing.submodules.sort();
        listing.linked.values_mut().for_each(|names| names.sort());
        listing
    }

    /// Whether links and submodules are the same, so that a path means in both what it means in one.
    pub(crate) fn has_paths_of(&self, other: &Self) -> bool {
        self.links == other.links && self.submodules == other.submodules
    }

    /// The folders with files that came, went, or may have another content than before.
    pub(crate) fn changed_since(&self, before: &Self) -> HashSet<String> {
        let mut changed = HashSet::new();
        let mut note = |path: &str| changed.insert(path::parent(path).to_owned());
        let mut old = before.files.iter().peekable();
        for (path, found) in &self.files {
            while let Some((gone, _)) = old.next_if(|(old, _)| *old < path) {
                note(gone);
            }
            let was = old.next_if(|(old, _)| *old == path).map(|(_, was)| was);
            if found.content.is_none() || was != Some(found) {
                note(path);
            }
        }
        old.for_each(|(gone, _)| {
            note(gone);
        });
        changed
    }

    /// Every file that may be code, in the order of their paths. Links are not followed here.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, Found)> {
        self.files.iter().map(|(path, found)| (path.as_str(), *found))
    }

    pub(crate) fn file(&self, path: &str) -> Option<Found> {
        self.files.get(path).copied()
    }

    /// The submodule that a path lies in.
    pub(crate) fn submodule(&self, path: &str) -> Option<&str> {
        self.submodules.iter().map(String::as_str).find(|folder| path::is_within(path, folder))
    }

    /// Whether a folder, as it is seen, lies in a submodule.
    pub(crate) fn is_in_submodule(&self, folder: &str) -> bool {
        let real = self.resolve(folder);
        self.submodule(real.as_deref().unwrap_or(folder)).is_some()
    }

    /// The folders, as they really are, in which what is seen in a folder lies or may come to lie.
    pub(crate) fn shown_in(&self, folder: &str) -> BTreeSet<String> {
        let real = self.resolve(folder).unwrap_or_else(|_| folder.to_owned());
        let links = self.linked.get(&real).into_iter().flatten();
        let targets = links.filter_map(|link| self.resolve(link).ok());
        let folders: BTreeSet<String> =
            targets.map(|target| path::parent(&target).to_owned()).collect();
        folders.into_iter().chain([real]).collect()
    }

    /// Links that lead out of the repository or in circles.
    pub(crate) fn lost_links(&self) -> Vec<(&str, Lost)> {
        let mut lost: Vec<(&str, Lost)> = self
            .links
            .keys()
            .filter_map(|link| self.resolve(link).err().map(|why| (link.as_str(), why)))
            .collect();
        lost.sort_by_key(|(link, _)| *link);
        lost
    }

    /// Where a path leads when all links on its way are followed.
    pub(crate) fn resolve(&self, path: &str) -> Result<String, Lost> {
        let mut path = path.to_owned();
        if self.links.is_empty() {
            return Ok(path);
        }
        for _ in 0..HOPS_MAX {
            let link = path::ancestors(&path)
                .find_map(|prefix| Some((prefix.len(), self.links.get(prefix)?)));
            let Some((length, target)) = link else { return Ok(path) };
            let rest = path[length..].trim_start_matches('/');
            let folder = path::parent(&path[..length]);
            path = path::join(folder, &format!("{target}/{rest}")).map_err(|_| Lost::Outside)?;
        }
        Err(Lost::Loop)
    }

    /// The files right in a folder, each with the path it is seen by and the one it really has.
    pub(crate) fn in_folder(&self, folder: &str) -> Vec<(String, String)> {
        let Ok(real) = self.resolve(folder) else { return Vec::new() };
        let prefix = if real.is_empty() { String::new() } else { format!("{real}/") };
        let mut found = Vec::new();
        let mut from = prefix.clone();
        // Whole folders below are leapt over: there may be thousands of files in them.
        while let Some((path, _)) = self.files.range(from.clone()..).next() {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            match rest.split_once('/') {
                Some((below, _)) => from = format!("{prefix}{below}0"),
                None => {
                    found.push((within(folder, rest), path.clone()));
                    from = format!("{path}\0");
                }
            }
        }
        for link in self.linked.get(&real).into_iter().flatten() {
            let Ok(target) = self.resolve(link) else { continue };
            if self.files.contains_key(&target) {
                found.push((within(folder, path::name(link)), target));
            }
        }
        found.sort();
        found
    }
}

/// Whether a file of this name may say something of stacks.
pub fn may_be_code(path: &str) -> bool {
    let name = path::name(path);
    is_module_file(name)
        || name.ends_with(".hcl")
        || is_variables_file(name)
        || name.ends_with(".tfbackend")
}

/// Whether Terraform or OpenTofu would read it as part of a module.
pub(crate) fn is_module_file(name: &str) -> bool {
    let ours = [".tf", ".tofu", ".tf.json", ".tofu.json"].iter().any(|end| name.ends_with(end));
    // What editors leave behind is not read by Terraform either.
    ours && !name.starts_with(['.', '#']) && !name.ends_with('~')
}

/// Whether it gives values to variables.
pub(crate) fn is_variables_file(name: &str) -> bool {
    name.ends_with(".tfvars") || name.ends_with(".tfvars.json")
}

#[cfg(test)]
mod tests;
