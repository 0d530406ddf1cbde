//! What is told of the root of a stack by everything that its code leads to, over any depth.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use crate::{listing::Listing, path, reader::Code, repository::Repository};

/// Something that the code of a stack is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// A module in a folder outside of the root, and the folders that lead to it.
    Folder { folder: String, way: Vec<String> },
    /// A file outside of the root, or a glob of them, and the folder it is taken into.
    File { file: String, by: String },
}

/// What is told of a root by everything that its code leads to. The same value, and not an equal
/// one, is given by later readings as long as nothing that it leads to changed.
#[derive(Debug)]
pub struct Root {
    /// What its code is made from outside of it; shared with what was told before if that is equal.
    pub(crate) reached: Arc<BTreeSet<Reached>>,
    /// The providers its code needs, by type.
    pub providers: Vec<String>,
    /// The folders it leads to, itself included.
    folders: Vec<String>,
}

impl Repository {
    /// The folders, files and globs outside of a root that its code is made from.
    pub fn made_from(&self, root: &str) -> BTreeSet<String> {
        let path = |reached: &Reached| match reached {
            Reached::Folder { folder, .. } => folder.clone(),
            Reached::File { file, .. } => file.clone(),
        };
        self.root(root).reached.iter().map(path).collect()
    }
}

impl Root {
    pub(crate) fn new(code: &Code, listing: &Listing, root: &str, before: Option<&Self>) -> Self {
        let (reached, folders) = reach(code, listing, root);
        let same = before.map(|before| &before.reached).filter(|before| ***before == reached);
        let reached = same.cloned().unwrap_or_else(|| Arc::new(reached));
        let providers = providers(code, root).into_iter().map(str::to_owned).collect();
        Self { reached, providers, folders }
    }

    /// Whether the same paths touch both.
    pub fn is_made_from_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reached, &other.reached)
    }

    /// Whether it stays as it is although some folders were made anew.
    pub(crate) fn outlives(&self, made: &HashSet<String>) -> bool {
        !self.folders.iter().any(|folder| made.contains(folder))
    }
}

/// Everything outside of `root` that its code is made from, and the folders on the way.
fn reach(code: &Code, listing: &Listing, root: &str) -> (BTreeSet<Reached>, Vec<String>) {
    let mut reached = BTreeSet::new();
    let mut ways: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut waiting = VecDeque::from([root]);
    let runs = root_module(code, root);
    ways.insert(root, Vec::new());
    while let Some(name) = waiting.pop_front() {
        let way = [ways[name].as_slice(), &[name.to_owned()]].concat();
        let mut file = |file: &str| {
            if !path::is_within(file, root) {
                reached.insert(Reached::File { file: file.to_owned(), by: name.to_owned() });
            }
        };
        let Some(folder) = code.folder(name) else { continue };
        let units = folder.unit.iter();
        units.flat_map(|unit| unit.files.iter().chain(&unit.reads)).for_each(|one| file(one));
        folder.linked.iter().for_each(|one| file(one));
        let reads = folder.module.iter().flat_map(|module| &module.reads);
        reads.filter_map(|read| read.place(name, runs)).for_each(|one| file(&one));
        for inner in folder.next() {
            if ways.contains_key(inner) {
                continue;
            }
            let real = listing.resolve(inner).unwrap_or_else(|_| inner.to_owned());
            let submodule = listing.submodule(&real);
            for folder in [Some(inner), Some(&*real), submodule].into_iter().flatten() {
                if !path::is_within(folder, root) {
                    let (folder, way) = (folder.to_owned(), way.clone());
                    reached.insert(Reached::Folder { folder, way });
                }
            }
            ways.insert(inner, way.clone());
            waiting.push_back(inner);
        }
    }
    (reached, ways.into_keys().map(str::to_owned).collect())
}

/// The folder of the module that runs for a folder: of a unit of Terragrunt, another one.
fn root_module<'a>(code: &'a Code, folder: &'a str) -> &'a str {
    code.unit(folder).and_then(|unit| unit.module.as_deref()).unwrap_or(folder)
}

/// The providers that the code of a folder needs, by type, over all modules of the repository that
/// it calls. What modules from elsewhere need is not seen.
fn providers<'a>(code: &'a Code, folder: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![root_module(code, folder)];
    let mut found = BTreeSet::new();
    while let Some(folder) = open.pop() {
        let Some(module) = code.module(folder).filter(|_| seen.insert(folder)) else { continue };
        open.extend(module.calls.values().filter_map(|call| call.folder.as_deref()));
        found.extend(module.providers.iter().map(|(name, asked)| asked.kind(name)));
    }
    // It comes with the tool and reaches nothing outside.
    found.remove("terraform");
    found
}
