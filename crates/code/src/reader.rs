//! Reads the files of a tree, each content once, also over many readings of one repository.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use located::{Fault, Source};
use serde_json::{Map, Value};

use crate::{
    listing::{Found, Listing, is_module_file},
    module::{Module, Part, precedence},
    path,
    repository::{self, Repository},
    syntax::{self, Body},
    terragrunt::{self, Unit},
    tree::Tree,
};

/// The most bytes a file of code may have.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a repository again and again, and what did not change only once.
#[derive(Debug, Default)]
pub struct Reader {
    kept: HashMap<(u128, bool), Arc<Body>>,
}

impl Reader {
    /// Reads the stacks of a tree, and the modules that they and these `roots` lead to. The roots
    /// are project roots of stacks that are known otherwise; without them, all folders are.
    pub fn read(&mut self, tree: &dyn Tree, roots: Option<&BTreeSet<String>>) -> Repository {
        let listing = Listing::new(tree.entries());
        let (reader, read) = (&*self, RefCell::default());
        let pages = Pages { tree, listing: &listing, reader, in_full: false, read };
        let code = |stacks: &BTreeSet<String>| {
            let roots = roots.map(|roots| roots.union(stacks).cloned().collect());
            pages.code(&roots.unwrap_or_else(|| pages.all_folders()))
        };
        let mut repository = repository::read(tree, &listing, code);
        let read = pages.read.into_inner();
        repository.listing = listing;
        self.keep(read.contents);
        repository
    }

    /// Forgets what this reading did not use.
    fn keep(&mut self, contents: HashMap<(u128, bool), Arc<Body>>) {
        self.kept = contents;
    }
}

/// What the code of a repository says, besides its stackly.hcl files.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) units: BTreeMap<String, Unit>,
    /// Values that files give to variables, by the folder they are loaded in.
    pub(crate) values: BTreeMap<String, BTreeMap<String, Value>>,
    /// Attributes of files that complete a backend, by folder.
    pub(crate) backends: BTreeMap<String, Vec<Arc<Body>>>,
    pub(crate) warnings: Vec<Fault>,
    /// How many of the warnings, the first of them, are of files that cannot be read.
    pub(crate) unread: usize,
}

/// The files of one tree while it is read.
pub(crate) struct Pages<'a> {
    pub(crate) tree: &'a dyn Tree,
    pub(crate) listing: &'a Listing,
    pub(crate) reader: &'a Reader,
    /// Whether also that is kept from which nothing is inferred.
    pub(crate) in_full: bool,
    pub(crate) read: RefCell<Read>,
}

#[derive(Default)]
pub(crate) struct Read {
    bodies: HashMap<String, Option<Arc<Body>>>,
    contents: HashMap<(u128, bool), Arc<Body>>,
    warnings: Vec<Fault>,
}

impl Pages<'_> {
    fn all_folders(&self) -> BTreeSet<String> {
        let folder = |(file, _): (&str, Found)| path::parent(file).to_owned();
        self.listing.files().map(folder).collect()
    }

    /// The body of a file, if it is there and can be read.
    fn body(&self, file: &str) -> Option<Arc<Body>> {
        if let Some(body) = self.read.borrow().bodies.get(file) {
            return body.clone();
        }
        let body = self.fresh(file);
        self.read.borrow_mut().bodies.insert(file.to_owned(), body.clone());
        body
    }

    fn fresh(&self, file: &str) -> Option<Arc<Body>> {
        let real = self.listing.resolve(file).ok()?;
        let found = self.listing.file(&real)?;
        let key = found.content.map(|content| (content, real.ends_with(".json")));
        let kept = key.and_then(|key| self.reader.kept.get(&key)).cloned();
        let body = kept.map_or_else(|| self.parsed(&real, found), Ok);
        match body {
            Ok(body) => {
                let kept = key.map(|key| (key, body.clone()));
                self.read.borrow_mut().contents.extend(kept);
                Some(body)
            }
            Err(fault) => {
                let what = format!("{}; it is left out", fault.what);
                self.read.borrow_mut().warnings.push(Fault { what, ..fault });
                None
            }
        }
    }

    fn parsed(&self, file: &str, found: Found) -> Result<Arc<Body>, Fault> {
        let text = repository::text(self.tree, file, found, BYTES_MAX)?;
        let body = syntax::parse(Source { file, text: &text })?;
        Ok(Arc::new(if self.in_full { body } else { syntax::trimmed(body) }))
    }

    /// Everything that these folders lead to.
    pub(crate) fn code(&self, roots: &BTreeSet<String>) -> Code {
        let mut code = Code::default();
        let mut waiting: Vec<String> = roots.iter().cloned().collect();
        let mut seen: BTreeSet<String> = roots.clone();
        while let Some(folder) = waiting.pop() {
            let files = self.listing.in_folder(&folder);
            let mut next = Vec::new();
            if files.iter().any(|(seen, _)| path::name(seen) == terragrunt::FILE_NAME) {
                let unit = terragrunt::unit(&folder, &|file| self.body(file));
                next.extend(unit.module.clone());
                code.units.insert(folder.clone(), unit);
            }
            if let Some(module) = self.module(&folder, &files) {
                next.extend(module.calls.values().filter_map(|call| call.folder.clone()));
                code.modules.insert(folder.clone(), module);
            }
            self.values(&folder, &files, &mut code);
            for folder in next {
                if seen.insert(folder.clone()) {
                    waiting.push(folder);
                }
            }
        }
        code.warnings.append(&mut self.read.borrow_mut().warnings);
        code.unread = code.warnings.len();
        self.missing(&mut code);
        code
    }

    fn module(&self, folder: &str, files: &[(String, String)]) -> Option<Module> {
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
        Some(Module::new(folder, &parts))
    }

    /// What is loaded of itself in a folder: `terraform.tfvars`, `*.auto.tfvars`, backends.
    fn values(&self, folder: &str, files: &[(String, String)], code: &mut Code) {
        let mut values = BTreeMap::new();
        let of_itself = |name: &str| {
            let stem = name.strip_suffix(".json").unwrap_or(name);
            stem == "terraform.tfvars" || stem.ends_with(".auto.tfvars")
        };
        let mut loaded: Vec<&str> = files.iter().map(|(seen, _)| seen.as_str()).collect();
        loaded.retain(|seen| of_itself(path::name(seen)));
        loaded.sort_by_key(|seen| (!path::name(seen).starts_with("terraform.tfvars"), *seen));
        for file in loaded {
            values.extend(self.plain_values(file));
        }
        if !values.is_empty() {
            code.values.insert(folder.to_owned(), values);
        }
        for (seen, _) in files {
            let name = path::name(seen);
            if name.ends_with(".tfbackend") || name.starts_with("backend") && name.ends_with(".hcl")
            {
                let body = self.body(seen);
                code.backends.entry(folder.to_owned()).or_default().extend(body);
            }
        }
    }

    fn plain_values(&self, file: &str) -> Map<String, Value> {
        if file.ends_with(".json") {
            let real = self.listing.resolve(file).ok();
            let found = real.as_deref().and_then(|real| Some((real, self.listing.file(real)?)));
            let text = found
                .and_then(|(real, found)| repository::text(self.tree, real, found, BYTES_MAX).ok());
            return text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        }
        let body = self.body(file);
        let attributes = body.iter().flat_map(|body| &body.attributes);
        let value = |one: &syntax::Attribute| Some((one.key.clone(), one.value.as_value()?));
        attributes.filter_map(value).collect()
    }

    /// Calls of folders in which there is nothing.
    fn missing(&self, code: &mut Code) {
        for module in code.modules.values() {
            for (name, call) in &module.calls {
                let Some(folder) = &call.folder else { continue };
                let real = self.listing.resolve(folder).unwrap_or_else(|_| folder.clone());
                if code.modules.contains_key(folder) || self.listing.submodule(&real).is_some() {
                    continue;
                }
                let what = format!(
                    "line {}: the module \"{name}\" comes from {folder}, where there is no code",
                    call.spot.line
                );
                let advice = "correct its source, or add the folder";
                code.warnings.push(Fault::of_file(&call.spot.file, what, advice));
            }
        }
    }
}

#[cfg(test)]
mod tests;
