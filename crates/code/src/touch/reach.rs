//! What the code of a folder is made from, over any depth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{path, repository::Repository};

/// Something that the code of a stack is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// A module in a folder outside of the root, and the folders that lead to it.
    Folder { folder: String, way: Vec<String> },
    /// A file outside of the root, and the folder it is taken into.
    File { file: String, by: String },
}

impl Repository {
    /// The folders and files outside of a root that its code is made from.
    pub fn made_from(&self, root: &str) -> BTreeSet<String> {
        let path = |reached| match reached {
            Reached::Folder { folder, .. } => folder,
            Reached::File { file, .. } => file,
        };
        reach(self, root).into_iter().map(path).collect()
    }
}

/// Everything outside of `root` that its code is made from.
pub(crate) fn reach(repository: &Repository, root: &str) -> BTreeSet<Reached> {
    let mut reached = BTreeSet::new();
    let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut waiting = VecDeque::from([root.to_owned()]);
    ways.insert(root.to_owned(), Vec::new());
    while let Some(folder) = waiting.pop_front() {
        let way = [ways[&folder].as_slice(), std::slice::from_ref(&folder)].concat();
        let mut file = |file: &str| {
            if !path::is_within(file, root) {
                reached.insert(Reached::File { file: file.to_owned(), by: folder.clone() });
            }
        };
        let mut next: Vec<String> = Vec::new();
        if let Some(unit) = repository.code.units.get(&folder) {
            unit.files.iter().for_each(|one| file(one));
            next.extend(unit.module.clone());
        }
        for (_, real) in repository.listing.in_folder(&folder) {
            if path::parent(&real) != folder {
                file(&real);
            }
        }
        if let Some(module) = repository.code.modules.get(&folder) {
            next.extend(module.calls.values().filter_map(|call| call.folder.clone()));
            let read = module.reads.iter().filter_map(|read| path::join(&folder, read).ok());
            read.for_each(|one| file(&one));
        }
        for inner in next {
            if ways.contains_key(&inner) {
                continue;
            }
            let real = repository.listing.resolve(&inner).unwrap_or_else(|_| inner.clone());
            let submodule = repository.listing.submodule(&real).map(str::to_owned);
            for folder in [Some(&inner), Some(&real), submodule.as_ref()].into_iter().flatten() {
                if !path::is_within(folder, root) {
                    let (folder, way) = (folder.clone(), way.clone());
                    reached.insert(Reached::Folder { folder, way });
                }
            }
            ways.insert(inner.clone(), way.clone());
            waiting.push_back(inner);
        }
    }
    reached
}
