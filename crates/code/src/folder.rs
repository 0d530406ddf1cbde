//! What the code right in one folder says: made from its files, and kept as long as none of them
//! changes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use located::{Fault, Source};
use serde_json::{Map, Value};

use crate::{
    listing::{Found, Listing, is_module_file},
    module::{Module, Part, precedence},
    path, repository,
    syntax::{self, Body},
    terragrunt::{self, Unit},
    tree::Tree,
};

/// The most bytes a file of code may have.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bodies by what they were parsed from: the content, and whether it is JSON.
pub(crate) type Bodies = HashMap<(u128, bool), Arc<Body>>;

/// What the code right in one folder says.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) module: Option<Module>,
    pub(crate) unit: Option<Unit>,
    /// Values that its files give to variables.
    pub(crate) values: BTreeMap<String, Value>,
    /// Files whose attributes complete a backend.
    pub(crate) backends: Vec<Arc<Body>>,
    /// Files that are seen here and lie elsewhere.
    pub(crate) linked: Vec<String>,
    /// Why files of it are left out.
    pub(crate) unread: Vec<Fault>,
    /// The folders whose files it was made from, as they really are.
    from: BTreeSet<String>,
    /// What it was made from; this keeps them from being forgotten.
    _bodies: Vec<Arc<Body>>,
}

impl Folder {
    /// The folders that it leads to.
    pub(crate) fn next(&self) -> impl Iterator<Item = &str> {
        let unit = self.unit.iter().filter_map(|unit| unit.module.as_deref());
        let calls = self.module.iter().flat_map(|module| module.calls.values());
        unit.chain(calls.filter_map(|call| call.folder.as_deref()))
    }

    /// Whether it would be made the same although the files of some folders changed.
    pub(crate) fn outlives(&self, changed: &HashSet<String>) -> bool {
        !self.from.iter().any(|folder| changed.contains(folder))
    }
}

/// The files of one tree while it is read.
pub(crate) struct Pages<'a> {
    pub(crate) tree: &'a dyn Tree,
    pub(crate) listing: &'a Listing,
    /// What was parsed before.
    pub(crate) kept: &'a Bodies,
    /// Whether also that is kept from which nothing is inferred.
    pub(crate) in_full: bool,
    pub(crate) read: RefCell<Read>,
}

/// What was read of a tree so far.
#[derive(Default)]
pub(crate) struct Read {
    bodies: HashMap<String, Option<Result<Arc<Body>, Fault>>>,
    pub(crate) contents: Bodies,
}

impl Pages<'_> {
    /// What the code right in a folder says.
    pub(crate) fn folder(&self, name: &str) -> Folder {
        let making = Making { pages: self, name, taken: RefCell::default() };
        making.folder(&self.listing.in_folder(name))
    }

    /// The body of a file, if it is there; or why it cannot be read.
    fn body(&self, file: &str, real: &str) -> Option<Result<Arc<Body>, Fault>> {
        if let Some(body) = self.read.borrow().bodies.get(file) {
            return body.clone();
        }
        let body = self.listing.file(real).map(|found| self.fresh(real, found));
        self.read.borrow_mut().bodies.insert(file.to_owned(), body.clone());
        body
    }

    fn fresh(&self, real: &str, found: Found) -> Result<Arc<Body>, Fault> {
        let key = found.content.map(|content| (content, real.ends_with(".json")));
        let kept = key.and_then(|key| self.kept.get(&key)).cloned();
        let left_out =
            |fault: Fault| Fault { what: format!("{}; it is left out", fault.what), ..fault };
        let body = kept.map_or_else(|| self.parsed(real, found), Ok).map_err(left_out)?;
        self.read.borrow_mut().contents.extend(key.map(|key| (key, body.clone())));
        Ok(body)
    }

    fn parsed(&self, file: &str, found: Found) -> Result<Arc<Body>, Fault> {
        let text = repository::text(self.tree, file, found, BYTES_MAX)?;
        let body = syntax::parse(Source { file, text: &text })?;
        Ok(Arc::new(if self.in_full { body } else { syntax::trimmed(body) }))
    }
}

/// A folder while it is made.
struct Making<'a> {
    pages: &'a Pages<'a>,
    name: &'a str,
    taken: RefCell<Taken>,
}

/// What a folder took in.
#[derive(Default)]
struct Taken {
    from: BTreeSet<String>,
    bodies: Vec<Arc<Body>>,
    unread: Vec<Fault>,
}

impl Making<'_> {
    /// From the files right in it, each as it is seen and as it really is.
    fn folder(self, files: &[(String, String)]) -> Folder {
        let mut folder = Folder::default();
        self.taken.borrow_mut().from = self.pages.listing.shown_in(self.name);
        let elsewhere = files.iter().filter(|(_, real)| path::parent(real) != self.name);
        folder.linked = elsewhere.map(|(_, real)| real.clone()).collect();
        if files.iter().any(|(seen, _)| path::name(seen) == terragrunt::FILE_NAME) {
            folder.unit = Some(terragrunt::unit(self.name, &|file| self.body(file)));
        }
        folder.module = self.module(files);
        folder.values = self.values(files);
        folder.backends = self.backends(files);
        let Taken { from, bodies, unread } = self.taken.into_inner();
        Folder { from, _bodies: bodies, unread, ..folder }
    }

    /// The body of a file, if it is there and can be read.
    fn body(&self, file: &str) -> Option<Arc<Body>> {
        let real = self.pages.listing.resolve(file).ok();
        let mut taken = self.taken.borrow_mut();
        // Also where nothing is: something may come to be there.
        taken.from.insert(path::parent(real.as_deref().unwrap_or(file)).to_owned());
        match self.pages.body(file, &real?)? {
            Ok(body) => {
                taken.bodies.push(body.clone());
                Some(body)
            }
            Err(fault) => {
                taken.unread.push(fault);
                None
            }
        }
    }

    fn module(&self, files: &[(String, String)]) -> Option<Module> {
        let names: Vec<&str> = files
            .iter()
            .map(|(seen, _)| seen.as_str())
            .filter(|seen| is_module_file(path::name(seen)))
            .collect();
        if names.is_empty() {
            return None;
        }
        let real: HashMap<&str, &str> =
            files.iter().map(|(seen, real)| (seen.as_str(), real.as_str())).collect();
        let bodies: Vec<(&str, Arc<Body>)> = precedence(&names)
            .into_iter()
            .filter_map(|seen| Some((real[seen], self.body(seen)?)))
            .collect();
        let parts: Vec<Part<'_>> = bodies.iter().map(|(file, body)| Part { file, body }).collect();
        Some(Module::new(self.name, &parts))
    }

    /// What is loaded of itself: `terraform.tfvars`, `*.auto.tfvars`.
    fn values(&self, files: &[(String, String)]) -> BTreeMap<String, Value> {
        let of_itself = |name: &str| {
            let stem = name.strip_suffix(".json").unwrap_or(name);
            stem == "terraform.tfvars" || stem.ends_with(".auto.tfvars")
        };
        let mut loaded: Vec<&(String, String)> =
            files.iter().filter(|(seen, _)| of_itself(path::name(seen))).collect();
        loaded.sort_by_key(|(seen, _)| (!path::name(seen).starts_with("terraform.tfvars"), seen));
        loaded.into_iter().flat_map(|(seen, real)| self.plain_values(seen, real)).collect()
    }

    fn backends(&self, files: &[(String, String)]) -> Vec<Arc<Body>> {
        let completes = |seen: &str| {
            let name = path::name(seen);
            name.ends_with(".tfbackend") || name.starts_with("backend") && name.ends_with(".hcl")
        };
        let seen = files.iter().map(|(seen, _)| seen).filter(|seen| completes(seen));
        seen.filter_map(|seen| self.body(seen)).collect()
    }

    fn plain_values(&self, seen: &str, real: &str) -> Map<String, Value> {
        if seen.ends_with(".json") {
            let found = self.pages.listing.file(real);
            let text = found
                .and_then(|found| repository::text(self.pages.tree, real, found, BYTES_MAX).ok());
            return text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        }
        let body = self.body(seen);
        let attributes = body.iter().flat_map(|body| &body.attributes);
        let value = |one: &syntax::Attribute| Some((one.key.clone(), one.value.as_value()?));
        attributes.filter_map(value).collect()
    }
}
