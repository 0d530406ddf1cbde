//! Reads the files of a tree, each content once, also over many readings of one repository: what
//! did not change is taken over from the last reading, down to what follows from it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use located::Fault;
use serde_json::Value;

use crate::{
    folder::{Bodies, Folder, Pages},
    listing::Listing,
    module::Module,
    path,
    repository::Repository,
    root::Root,
    stack_files::StackFiles,
    syntax::Body,
    terragrunt::Unit,
    tree::Tree,
};

/// Reads a repository again and again, and what did not change only once.
#[derive(Debug, Default)]
pub struct Reader {
    bodies: Bodies,
    last: Last,
}

/// What the last reading came to.
#[derive(Debug, Default)]
struct Last {
    listing: Arc<Listing>,
    code: Arc<Code>,
    files: Arc<StackFiles>,
    roots: Arc<Roots>,
}

/// What is told of roots, by folder.
pub(crate) type Roots = HashMap<String, Arc<Root>>;

impl Reader {
    /// Reads the stacks of a tree, and the modules that they and these `roots` lead to. The roots
    /// are project roots of stacks that are known otherwise; without them, all folders are.
    pub fn read(&mut self, tree: &dyn Tree, roots: Option<&[&str]>) -> Repository {
        let listing = Arc::new(Listing::new(tree.entries()));
        if !listing.has_paths_of(&self.last.listing) {
            self.last = Last::default();
        }
        let changed = listing.changed_since(&self.last.listing);
        let files = StackFiles::read(tree, &listing, &self.last.files, &changed);
        let of_stacks = files.stacks().iter().map(|stack| stack.root());
        let told: Vec<&str> = of_stacks.chain(roots.unwrap_or_default().iter().copied()).collect();
        let mut starts = told.clone();
        if roots.is_none() {
            starts.extend(listing.files().map(|(file, _)| path::parent(file)));
        }
        let pages = Pages {
            tree,
            listing: &listing,
            kept: &self.bodies,
            in_full: false,
            read: RefCell::default(),
        };
        let (code, made) = Code::read(&pages, &starts, &self.last.code, &changed);
        let contents = pages.read.into_inner().contents;
        let roots = Arc::new(self.roots(&told, &code, &listing, &made));
        let code = Arc::new(code);
        self.bodies.extend(contents);
        self.last = Last { listing, code, files, roots };
        // What no folder was made from any more is forgotten.
        self.bodies.retain(|_, body| Arc::strong_count(body) > 1);
        let Last { listing, code, files, roots } = &self.last;
        Repository::new(files.clone(), code.clone(), roots.clone(), listing.clone())
    }

    /// What is told of these folders as roots, where the folders `made` were made anew.
    fn roots(
        &self,
        told: &[&str],
        code: &Code,
        listing: &Listing,
        made: &HashSet<String>,
    ) -> Roots {
        let mut roots = Roots::with_capacity(told.len());
        for &folder in told {
            if roots.contains_key(folder) {
                continue;
            }
            let before = self.last.roots.get(folder);
            let kept = before.filter(|root| root.outlives(made)).cloned();
            let root = || Root::new(code, listing, folder, before.map(Arc::as_ref));
            roots.insert(folder.to_owned(), kept.unwrap_or_else(|| Arc::new(root())));
        }
        roots
    }
}

/// What the code of a repository says, besides its stackly.hcl files.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// All folders that the reading came to, also those in which there is nothing.
    folders: HashMap<String, Arc<Folder>>,
    /// Files that cannot be read.
    pub(crate) unread: Vec<Fault>,
    /// Calls of folders in which there is nothing.
    pub(crate) missing: Vec<Fault>,
}

impl Code {
    /// Everything that these folders lead to, and the folders that were made anew. Of what was
    /// read before, that is taken over which does not come from a changed folder.
    pub(crate) fn read(
        pages: &Pages<'_>,
        starts: &[&str],
        before: &Self,
        changed: &HashSet<String>,
    ) -> (Self, HashSet<String>) {
        let (mut code, mut made) = (Self::default(), HashSet::new());
        code.folders.reserve(before.folders.len());
        let mut take = |name: &str, waiting: &mut Vec<String>| {
            if code.folders.contains_key(name) {
                return;
            }
            let kept = before.folders.get(name).filter(|folder| folder.outlives(changed));
            let folder = kept.cloned().unwrap_or_else(|| {
                made.insert(name.to_owned());
                Arc::new(pages.folder(name))
            });
            let next = folder.next().filter(|next| !code.folders.contains_key(*next));
            waiting.extend(next.map(str::to_owned));
            code.folders.insert(name.to_owned(), folder);
        };
        let mut waiting = Vec::new();
        for start in starts {
            take(start, &mut waiting);
        }
        while let Some(name) = waiting.pop() {
            take(&name, &mut waiting);
        }
        let unread = code.folders.values().flat_map(|folder| &folder.unread).cloned();
        code.unread = in_order(unread.collect());
        code.unread.dedup();
        code.missing = in_order(code.missing(pages.listing));
        (code, made)
    }

    pub(crate) fn folder(&self, name: &str) -> Option<&Folder> {
        self.folders.get(name).map(Arc::as_ref)
    }

    /// All folders by name.
    pub(crate) fn folders(&self) -> BTreeMap<&str, &Folder> {
        self.folders.iter().map(|(name, folder)| (name.as_str(), &**folder)).collect()
    }

    pub(crate) fn module(&self, folder: &str) -> Option<&Module> {
        self.folder(folder)?.module.as_ref()
    }

    pub(crate) fn unit(&self, folder: &str) -> Option<&Unit> {
        self.folder(folder)?.unit.as_ref()
    }

    /// Values that files give to variables, by the folder they are loaded in.
    pub(crate) fn values(&self, folder: &str) -> BTreeMap<String, Value> {
        self.folder(folder).map(|folder| folder.values.clone()).unwrap_or_default()
    }

    /// Files whose attributes complete the backend of a folder.
    pub(crate) fn backends(&self, folder: &str) -> &[Arc<Body>] {
        self.folder(folder).map_or(&[], |folder| &folder.backends)
    }

    fn missing(&self, listing: &Listing) -> Vec<Fault> {
        let mut missing = Vec::new();
        for module in self.folders.values().filter_map(|folder| folder.module.as_ref()) {
            for (name, call) in &module.calls {
                let Some(folder) = &call.folder else { continue };
                if self.module(folder).is_some() || listing.is_in_submodule(folder) {
                    continue;
                }
                let what = format!(
                    "line {}: the module \"{name}\" comes from {folder}, where there is no code",
                    call.spot.line
                );
                let advice = "correct its source, or add the folder";
                missing.push(Fault::of_file(&call.spot.file, what, advice));
            }
        }
        missing
    }
}

/// Folders come in no order; what is told of them has one all the same.
fn in_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by(|a, b| (&a.file, &a.what).cmp(&(&b.file, &b.what)));
    faults
}

#[cfg(test)]
mod tests;
