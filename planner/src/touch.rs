//! Which stacks a change touches: by the folders they are made from and by their globs.
//!
//! - A path touches a stack if it lies below the stack's project root, segment by segment: the
//!   root `net` has nothing to do with `network/main.tf`. An empty root is the whole repository.
//! - A path touches a stack if one of its additional globs matches: `*` and `?` stay within a
//!   segment, `**` crosses them, `{a,b}` and `[ab]` are alternatives. A glob without any of these
//!   names a file, or a folder with everything in it.
//! - If the sender does not say what changed, every stack of the branch is touched: a run too many
//!   finds nothing to do, a run too few is a change forgotten.
//!
//! What a change costs depends on its paths and their hits, not on how many stacks there are.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Code, Reason, change::Paths};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{
    catalogue::{Fault, Stack, folder},
    graph::number,
};

/// What touches the stacks that track one branch of one repository.
#[derive(Debug)]
pub struct Watch {
    members: Vec<usize>,
    /// The members, ordered by their project roots.
    roots: Vec<u32>,
    globs: GlobSet,
    /// The stacks that own the n-th pattern of `globs`, and how the pattern reads.
    owners: Vec<(String, Vec<usize>)>,
}

/// How a change touches one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The first path that does.
    path: String,
    /// The folder or glob it fell into.
    through: Through,
    /// How many more paths do.
    more: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Through {
    Root(String),
    Glob(String),
}

impl Watch {
    /// Watches for `members` (positions in `stacks`). A glob that cannot be read is a fault of its
    /// stack and matches nothing.
    /// `more` gives the globs of a stack that its code adds.
    pub fn new<'a>(
        stacks: &'a [Stack],
        more: impl Fn(usize) -> &'a [String],
        members: Vec<usize>,
    ) -> (Self, Vec<Fault>) {
        let mut patterns: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut roots: Vec<u32> = members.iter().map(|&member| number(member)).collect();
        roots.sort_by(|&a, &b| root(stacks, a).cmp(root(stacks, b)));
        for &member in &members {
            for glob in stacks[member].globs.iter().chain(more(member)) {
                let wanted_by = patterns.entry(glob).or_default();
                if wanted_by.last() != Some(&member) {
                    wanted_by.push(member);
                }
            }
        }
        let mut builder = GlobSetBuilder::new();
        let mut owners = Vec::new();
        let mut faults = Vec::new();
        for (pattern, wanted_by) in patterns {
            match globs_of(pattern) {
                Ok(globs) => {
                    for glob in globs {
                        builder.add(glob);
                        owners.push((pattern.to_owned(), wanted_by.clone()));
                    }
                }
                Err(error) => faults.extend(wanted_by.into_iter().map(|member| Fault {
                    stack: stacks[member].id.clone(),
                    text: format!("its glob `{pattern}` is left out: {}", error.kind()),
                })),
            }
        }
        match builder.build() {
            Ok(globs) => (Self { members, roots, globs, owners }, faults),
            Err(error) => {
                // Each glob is fine by itself; together they may be too large to compile.
                let text = format!("the globs of its branch are left out: {error}");
                let fault = |&member: &usize| Fault {
                    stack: stacks[member].id.clone(),
                    text: text.clone(),
                };
                faults.extend(members.iter().map(fault));
                (Self { members, roots, globs: GlobSet::empty(), owners: Vec::new() }, faults)
            }
        }
    }

    /// The stacks that track this branch.
    pub fn members(&self) -> &[usize] {
        &self.members
    }

    /// The stacks that these paths touch.
    pub fn touched(&self, stacks: &[Stack], paths: &BTreeSet<String>) -> BTreeMap<usize, Touch> {
        let mut touched: BTreeMap<usize, Touch> = BTreeMap::new();
        let mut hits = Vec::new();
        for path in paths {
            hits.clear();
            for folder in ancestors(path) {
                let members = self.rooted_at(stacks, folder);
                hits.extend(members.iter().map(|&member| (member as usize, None, folder)));
            }
            for pattern in self.globs.matches(path) {
                let (glob, members) = &self.owners[pattern];
                hits.extend(members.iter().map(|&member| (member, Some(pattern), glob.as_str())));
            }
            // A path counts once for a stack, through its root rather than through a glob.
            hits.sort_unstable();
            hits.dedup_by_key(|(member, ..)| *member);
            for &(member, pattern, name) in &hits {
                let touch = || Touch {
                    path: path.clone(),
                    through: match pattern {
                        None => Through::Root(name.to_owned()),
                        Some(_) => Through::Glob(name.to_owned()),
                    },
                    more: 0,
                };
                touched.entry(member).and_modify(|touch| touch.more += 1).or_insert_with(touch);
            }
        }
        touched
    }
}

impl Watch {
    fn rooted_at(&self, stacks: &[Stack], folder: &str) -> &[u32] {
        let from = self.roots.partition_point(|&member| root(stacks, member) < folder);
        let len = self.roots[from..].partition_point(|&member| root(stacks, member) == folder);
        &self.roots[from..from + len]
    }
}

fn root(stacks: &[Stack], member: u32) -> &str {
    &stacks[member as usize].project_root
}

impl Touch {
    /// The touch as the reason of a step.
    pub fn reason(&self) -> Reason {
        let more = match self.more {
            0 => String::new(),
            1 => " and 1 more file".to_owned(),
            more => format!(" and {more} more files"),
        };
        let path = &self.path;
        let text = match &self.through {
            Through::Root(root) if root.is_empty() => {
                format!("{path}{more} changed; the whole repository is its project root")
            }
            Through::Root(root) => format!("{path}{more} changed, below its project root {root}"),
            Through::Glob(glob) => format!("{path}{more} changed, matched by its glob {glob}"),
        };
        Reason::new(Code::Touched, text)
    }
}

/// The paths as a set in the one spelling that roots have; nothing if the sender does not say.
pub fn known(paths: &Paths) -> Option<BTreeSet<String>> {
    match paths {
        Paths::All(paths) => {
            Some(paths.iter().map(|path| folder(path)).filter(|path| !path.is_empty()).collect())
        }
        Paths::Unknown => None,
    }
}

/// The folders a path lies in, from the whole repository down to the path itself (which is a
/// folder too, if it is a submodule or a symbolic link).
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.match_indices('/').map(|(slash, _)| &path[..slash]);
    std::iter::once("").chain(inner).chain(std::iter::once(path))
}

fn globs_of(pattern: &str) -> Result<Vec<globset::Glob>, globset::Error> {
    let bare = pattern.trim().trim_start_matches("./").trim_start_matches('/');
    let build =
        |text: &str| GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    if bare.contains(['*', '?', '[', '{']) {
        let below = if bare.ends_with('/') { format!("{bare}**") } else { bare.to_owned() };
        return Ok(vec![build(&below)?]);
    }
    let name = bare.trim_end_matches('/');
    Ok(vec![build(name)?, build(&format!("{name}/**"))?])
}

#[cfg(test)]
mod tests;
