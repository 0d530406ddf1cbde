//! Which stacks a changed file touches, and why: an index that is made once for each commit.
//!
//! A stack is touched by its own folder, by the modules it calls over any depth, by what is linked
//! or included into any of these, by the `defaults` it inherits, and by the globs it watches. What
//! a change costs depends on its paths and their hits, not on how many stacks or files there are.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{globs::Globs, path, repository::Repository, root::Reached};

/// A stack as it is watched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Where its code lies, from the root of the repository; empty for the whole repository.
    pub root: String,
    /// More paths that touch it: globs, or files and folders by name.
    pub globs: Vec<String>,
    /// The files it inherits settings from.
    pub inherits: Vec<String>,
}

/// How a file touches a stack. The first that holds is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "through", content = "name", rename_all = "snake_case")]
pub enum Through {
    /// It lies below the stack's root, which is named.
    Root(String),
    /// It belongs to a local module, which is named, with the calls that lead to it.
    Module {
        /// The folder of the module.
        folder: String,
        /// The folders on the way from the root to it, each calling the next.
        way: Vec<String>,
    },
    /// It is a file that is linked, included or read into the code, from the folder named.
    Shared(String),
    /// It has `defaults` that the stack inherits.
    Inherited,
    /// It is matched by this glob.
    Glob(String),
}

/// A stack that is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touch {
    /// Its position in what the index was made from.
    pub stack: usize,
    /// The first path that touches it.
    pub path: String,
    /// How it does.
    pub through: Through,
    /// How many more paths do.
    pub more: usize,
}

impl Touch {
    /// Why the stack is touched, as a sentence.
    pub fn reason(&self) -> String {
        let more = match self.more {
            0 => String::new(),
            1 => " and 1 more file".to_owned(),
            more => format!(" and {more} more files"),
        };
        let why = match &self.through {
            Through::Root(root) if root.is_empty() => "the whole repository is its root".to_owned(),
            Through::Root(root) => format!("below its root {root}"),
            Through::Module { folder, way } if way.len() > 1 => {
                let way: Vec<String> = way.iter().map(|folder| shown(folder)).collect();
                format!("part of the module {}, called by {}", shown(folder), way.join(" → "))
            }
            Through::Module { folder, .. } => {
                format!("part of the module {} that it calls", shown(folder))
            }
            Through::Shared(folder) => format!("taken into {}", shown(folder)),
            Through::Inherited => "with defaults that it inherits".to_owned(),
            Through::Glob(glob) => format!("matched by its glob {glob}"),
        };
        format!("{}{more} changed, {why}", self.path)
    }
}

fn shown(folder: &str) -> String {
    if folder.is_empty() { "the root folder".to_owned() } else { folder.to_owned() }
}

/// What touches which stacks of a repository.
#[derive(Debug, Default)]
pub struct Index {
    /// The stacks whose root is a folder.
    roots: HashMap<String, Vec<usize>>,
    /// The modules by their folder: who calls them, and over which way.
    modules: HashMap<String, Vec<(usize, Vec<String>)>>,
    /// Single files: who takes them in, and how.
    files: HashMap<String, Vec<(usize, Through)>>,
    globs: Globs,
    /// Globs of files that code takes in, and for each of them who does, and how.
    shared: (Globs, Vec<Vec<(usize, Through)>>),
    /// What could not be watched for: the stack, and a sentence.
    faults: Vec<(usize, String)>,
}

impl Index {
    /// The index of these stacks over the code of their repository.
    pub fn new(stacks: &[Watched], repository: &Repository) -> Self {
        let mut index = Self::default();
        // Stacks that share a root share what is reached from it.
        let mut by_root: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, stack) in stacks.iter().enumerate() {
            by_root.entry(&stack.root).or_default().push(at);
            for file in &stack.inherits {
                let entry = index.files.entry(file.clone()).or_default();
                entry.push((at, Through::Inherited));
            }
        }
        for (root, members) in by_root {
            index.roots.entry(root.to_owned()).or_default().extend(&members);
            let real = repository.listing.resolve(root).unwrap_or_else(|_| root.to_owned());
            if real != root {
                index.roots.entry(real).or_default().extend(&members);
            }
            for reached in repository.root(root).reached.iter() {
                index.add(reached, &members);
            }
        }
        let shared: Vec<_> = index.files.extract_if(|file, _| file.contains('*')).collect();
        let patterns = shared.iter().enumerate().map(|(at, (glob, _))| (at, glob.as_str()));
        // They are escaped where they are made, so that every one of them can be read.
        let (patterns, _) = Globs::new(patterns);
        index.shared = (patterns, shared.into_iter().map(|(_, takers)| takers).collect());
        let globs = stacks
            .iter()
            .enumerate()
            .flat_map(|(at, stack)| stack.globs.iter().map(move |glob| (at, glob.as_str())));
        (index.globs, index.faults) = Globs::new(globs);
        index
    }

    /// The index of the stacks that a repository says it has, in their order.
    pub fn of(repository: &Repository) -> Self {
        let watched = |stack: &std::sync::Arc<crate::StackCode>| Watched {
            root: stack.root().to_owned(),
            globs: stack.settings.watch.clone(),
            inherits: stack.inherits.iter().chain([&stack.spot.file]).cloned().collect(),
        };
        let stacks: Vec<Watched> = repository.stacks().iter().map(watched).collect();
        Self::new(&stacks, repository)
    }

    fn add(&mut self, reached: &Reached, members: &[usize]) {
        match reached {
            Reached::Folder { folder, way } => {
                let all = self.modules.entry(folder.clone()).or_default();
                all.extend(members.iter().map(|at| (*at, way.clone())));
            }
            Reached::File { file, by } => {
                let all = self.files.entry(file.clone()).or_default();
                all.extend(members.iter().map(|at| (*at, Through::Shared(by.clone()))));
            }
        }
    }

    /// What could not be watched for: the stack, and a sentence.
    pub fn faults(&self) -> &[(usize, String)] {
        &self.faults
    }

    /// The stacks that these paths touch, in the order of their positions.
    pub fn touched<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Vec<Touch> {
        let mut touched: BTreeMap<usize, Touch> = BTreeMap::new();
        for path in paths {
            let Ok(path) = path::join("", path) else { continue };
            let mut hits = self.hits(&path);
            // A path counts once for a stack, through what explains it best.
            hits.sort();
            hits.dedup_by_key(|(stack, _)| *stack);
            for (stack, through) in hits {
                touched.entry(stack).and_modify(|touch| touch.more += 1).or_insert_with(|| Touch {
                    stack,
                    path: path.clone(),
                    through,
                    more: 0,
                });
            }
        }
        touched.into_values().collect()
    }

    fn hits(&self, path: &str) -> Vec<(usize, Through)> {
        let mut hits = Vec::new();
        let folder = path::parent(path);
        for ancestor in path::ancestors(path) {
            if let Some(members) = self.roots.get(ancestor) {
                hits.extend(members.iter().map(|at| (*at, Through::Root(ancestor.to_owned()))));
            }
            // A module is the files of one folder, and what lies below it may be read by them:
            // templates, policies, scripts. What is a module of its own below it is not.
            let is_own =
                ancestor == folder || ancestor == path || !self.is_nested(ancestor, folder);
            if let Some(callers) = self.modules.get(ancestor).filter(|_| is_own) {
                hits.extend(callers.iter().map(|(at, way)| {
                    let folder = ancestor.to_owned();
                    (*at, Through::Module { folder, way: way.clone() })
                }));
            }
        }
        hits.extend(self.files.get(path).into_iter().flatten().cloned());
        let (shared, takers) = &self.shared;
        let globs = shared.matches(path).flat_map(|(_, globs)| globs);
        hits.extend(globs.flat_map(|&glob| &takers[glob]).cloned());
        for (glob, owners) in self.globs.matches(path) {
            hits.extend(owners.iter().map(|at| (*at, Through::Glob(glob.to_owned()))));
        }
        hits
    }

    /// Whether between a module and a folder below it lies another module.
    fn is_nested(&self, module: &str, folder: &str) -> bool {
        path::ancestors(folder)
            .filter(|inner| inner.len() > module.len())
            .any(|inner| self.modules.contains_key(inner))
    }
}

#[cfg(test)]
mod tests;
