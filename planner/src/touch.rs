//! Which stacks a change touches: by the folders they are made from and by their globs.
//!
//! - A path touches a stack if it lies below the stack's project root, segment by segment: the
//!   root `net` has nothing to do with `network/main.tf`. An empty root is the whole repository.
//! - A path touches a stack if one of its additional globs matches, as [`Globs`] do.
//! - If the sender does not say what changed, every stack of the branch is touched: a run too many
//!   finds nothing to do, a run too few is a change forgotten.
//!
//! What a change costs depends on its paths and their hits, not on how many stacks there are.

use std::collections::{BTreeMap, BTreeSet};

use code::Globs;
use contracts::{Code, Reason, Text, change::Paths};

use crate::catalogue::{Fault, Stack, folder};

/// What touches the stacks that track one branch of one repository.
#[derive(Debug)]
pub struct Watch {
    /// In order.
    members: Vec<u32>,
    /// The members, ordered by their project roots.
    roots: Vec<u32>,
    globs: Globs,
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
        mut members: Vec<u32>,
    ) -> (Self, Vec<Fault>) {
        members.shrink_to_fit();
        let mut roots = members.clone();
        roots.sort_by(|&a, &b| root(stacks, a).cmp(root(stacks, b)));
        let globs = members.iter().flat_map(|&member| {
            let member = member as usize;
            let own = stacks[member].globs.iter().map(Text::as_str);
            own.chain(more(member).iter().map(String::as_str)).map(move |glob| (member, glob))
        });
        let (globs, faults) = Globs::new(globs);
        let fault =
            |(member, text): (usize, String)| Fault { stack: stacks[member].id.clone(), text };
        (Self { members, roots, globs }, faults.into_iter().map(fault).collect())
    }

    /// The stacks that track this branch.
    pub fn members(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.members.iter().map(|&member| member as usize)
    }

    /// The stacks that these paths touch.
    pub fn touched(&self, stacks: &[Stack], paths: &BTreeSet<String>) -> BTreeMap<usize, Touch> {
        let mut touched: BTreeMap<usize, Touch> = BTreeMap::new();
        let mut hits = Vec::new();
        for path in paths {
            hits.clear();
            for folder in ancestors(path) {
                let members = self.rooted_at(stacks, folder);
                hits.extend(members.iter().map(|&member| (member as usize, false, folder)));
            }
            for (glob, members) in self.globs.matches(path) {
                hits.extend(members.iter().map(|&member| (member, true, glob)));
            }
            // A path counts once for a stack, through its root rather than through a glob.
            hits.sort_unstable();
            hits.dedup_by_key(|(member, ..)| *member);
            for &(member, is_glob, name) in &hits {
                let touch = || Touch {
                    path: path.clone(),
                    through: match is_glob {
                        false => Through::Root(name.to_owned()),
                        true => Through::Glob(name.to_owned()),
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
pub(crate) fn known(paths: &Paths) -> Option<BTreeSet<String>> {
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

#[cfg(test)]
mod tests;
