//! What lies where in a repository, with symbolic links followed.

use std::collections::{BTreeMap, HashMap};

use crate::{
    path,
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
}

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
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
                    listing.links.insert(path, target);
                }
                Kind::Submodule => {}
            }
        }
        listing
    }

    /// Every file that may be code, in the order of their paths. Links are not followed here.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, Found)> {
        self.files.iter().map(|(path, found)| (path.as_str(), *found))
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
}

/// Whether a file of this name may say something of stacks.
pub(crate) fn may_be_code(path: &str) -> bool {
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
