//! All stack code of a repository at one commit, as a value.

use std::{collections::BTreeSet, sync::Arc};

use located::Fault;
use serde::Serialize;

use crate::{
    check,
    edge::{Edge, Spot},
    listing::{Found, Listing, Lost},
    module::Module,
    reader::{Code, Reader, Roots},
    root::Root,
    settings::Settings,
    stack_file::{self, Mark, Marks},
    stack_files::StackFiles,
    tree::Tree,
};

/// One stack as its code says, with everything it inherits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackCode {
    /// Its name, unique in the repository.
    pub name: String,
    /// The folder with its stackly.hcl, from the root of the repository; empty for the root.
    pub folder: String,
    /// Where it is defined.
    pub spot: Spot,
    /// What is said of it, by itself and by the `defaults` above it.
    pub settings: Settings,
    /// The files it inherits from, the outermost first. Its own is not among them.
    pub inherits: Vec<String>,
    /// What it is said to wait for.
    pub declared: Vec<Edge>,
    #[serde(skip)]
    pub(crate) marks: Marks,
}

impl StackCode {
    /// The id (slug) of the stack in Spacelift.
    pub fn spacelift_id(&self) -> &str {
        self.settings.spacelift.stack.as_deref().unwrap_or(&self.name)
    }

    /// The folder its code runs in.
    pub fn root(&self) -> &str {
        self.settings.spacelift.project_root.as_deref().unwrap_or(&self.folder)
    }

    /// Where it names this policy, or where it is defined.
    pub fn spot_of_policy(&self, name: &str) -> Spot {
        let mark = self.marks.get(&Mark::Policy(name.to_owned()));
        mark.map_or_else(|| self.spot.clone(), stack_file::spot)
    }
}

/// Something that is there but cannot be read; it must not be taken for deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Broken {
    /// The stackly.hcl.
    pub file: String,
    /// The stack; absent if it is unknown which stacks the file has.
    pub stack: Option<String>,
}

/// All stack code of a repository at one commit.
#[derive(Debug, Default)]
pub struct Repository {
    files: Arc<StackFiles>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    pub(crate) code: Arc<Code>,
    roots: Arc<Roots>,
    pub(crate) listing: Arc<Listing>,
}

impl Repository {
    /// These stacks and this code, with everything that is wrong with them together.
    pub(crate) fn new(
        files: Arc<StackFiles>,
        code: Arc<Code>,
        roots: Arc<Roots>,
        listing: Arc<Listing>,
    ) -> Self {
        let mut repository = Self { files, code, roots, listing, ..Self::default() };
        let (found, mut warnings) = check::check(&repository);
        let mut faults: Vec<Fault> = repository.files.faults().to_vec();
        faults.extend(found);
        warnings.extend(lost_links(&repository.listing));
        warnings.extend(repository.code.unread.iter().chain(&repository.code.missing).cloned());
        located::sort(&mut faults);
        located::sort(&mut warnings);
        repository.faults = faults;
        repository.warnings = warnings;
        repository
    }

    /// Reads everything. A file that cannot be read is a fault, and hinders no other.
    pub fn read(tree: &dyn Tree) -> Self {
        Reader::default().read(tree, None)
    }

    /// Circles that follow from what the code of stacks reads of each other; those that are written
    /// down are among [`Repository::faults`]. Takes longer than the reading itself.
    pub fn inferred_circles(&self) -> Vec<Fault> {
        check::inferred_circles(self)
    }

    /// The stacks that can be read, by name. Later readings give the same values, and not equal
    /// ones, of stacks of which nothing changed.
    pub fn stacks(&self) -> &[Arc<StackCode>] {
        self.files.stacks()
    }

    /// The stack of this name.
    pub fn stack(&self, name: &str) -> Option<&StackCode> {
        let stacks = self.stacks();
        let at = stacks.binary_search_by(|stack| stack.name.as_str().cmp(name)).ok()?;
        Some(&stacks[at])
    }

    /// The module of a folder, if it is one that the reading came to.
    pub fn module(&self, folder: &str) -> Option<&Module> {
        self.code.module(folder)
    }

    /// All modules that the reading came to, by folder.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.code.folders().into_values().filter_map(|folder| folder.module.as_ref())
    }

    /// Whether a folder has code that can be run: a module, or a unit of Terragrunt.
    pub fn has_code(&self, folder: &str) -> bool {
        let found = self.code.folder(folder);
        found.is_some_and(|folder| folder.module.is_some() || folder.unit.is_some())
    }

    /// Whether nobody here can tell what lies in a folder: it is in a submodule, or behind a link that
    /// leads out of the repository or nowhere.
    pub fn is_out_of_sight(&self, folder: &str) -> bool {
        self.listing.is_in_submodule(folder) || self.listing.resolve(folder).is_err()
    }

    /// What is told of the root of a stack by everything that its code leads to.
    pub fn root(&self, folder: &str) -> Arc<Root> {
        let known = self.roots.get(folder).cloned();
        known.unwrap_or_else(|| Arc::new(Root::new(&self.code, &self.listing, folder, None)))
    }

    /// Folders that look like stacks and are none yet: units of Terragrunt, and modules that no
    /// other one calls and that say where their state lies.
    pub fn loose_roots(&self) -> Vec<&str> {
        let calls = self.modules().flat_map(|module| module.calls.values());
        let folders = self.code.folders();
        let units = || folders.iter().filter_map(|(at, folder)| Some((*at, folder.unit.as_ref()?)));
        let units_call = units().filter_map(|(_, unit)| unit.module.as_deref());
        let called: BTreeSet<&str> =
            calls.filter_map(|call| call.folder.as_deref()).chain(units_call).collect();
        let known: BTreeSet<&str> = self.stacks().iter().map(|stack| stack.root()).collect();
        let alone = self.modules().filter(|module| module.backend.is_some());
        let alone = alone.map(|module| module.folder.as_str()).filter(|one| !called.contains(one));
        let roots: BTreeSet<&str> = alone
            .chain(units().map(|(at, _)| at))
            .filter(|folder| !known.contains(folder))
            .collect();
        roots.into_iter().collect()
    }

    /// What is there but cannot be read.
    pub fn broken(&self) -> &[Broken] {
        self.files.broken()
    }

    /// What is wrong, so that something is not taken as it stands.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What looks wrong, and is taken as it stands.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }
}

/// The text of a file, or why it cannot be had.
pub(crate) fn text(
    tree: &dyn Tree,
    path: &str,
    found: Found,
    bytes_max: u64,
) -> Result<String, Fault> {
    let too_large = |bytes: u64| {
        let what = format!("this file has {bytes} bytes; at most {bytes_max} are read");
        Fault::of_file(path, what, "split it, or take out what does not belong there")
    };
    if let Some(bytes) = found.bytes.filter(|bytes| *bytes > bytes_max) {
        return Err(too_large(bytes));
    }
    let bytes = tree.read(path).map_err(|why| {
        let advice = "make it readable, or delete it";
        Fault::of_file(path, format!("this file cannot be read: {why}"), advice)
    })?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large(bytes.len() as u64));
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        let advice = "take it out of Git LFS: code is text";
        return Err(Fault::of_file(path, "this is a pointer of Git LFS, not the file", advice));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let what = format!("this file is not UTF-8: byte {at} cannot be read");
        Fault::of_file(path, what, "save it as UTF-8")
    })
}

fn lost_links(listing: &Listing) -> Vec<Fault> {
    let told = |(link, why): (&str, Lost)| {
        let what = match why {
            Lost::Loop => "this symbolic link leads in a circle",
            Lost::Outside => "this symbolic link leads out of the repository",
        };
        Fault::of_file(link, what, "let it lead to a file or folder of the repository")
    };
    listing.lost_links().into_iter().map(told).collect()
}

#[cfg(test)]
mod tests;
