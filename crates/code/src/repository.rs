//! All stack code of a repository at one commit, as a value.

use std::collections::{BTreeMap, BTreeSet};

use located::Fault;
use serde::Serialize;

use crate::{
    check,
    edge::{Edge, Origin, Reference, Spot},
    listing::{Found, Listing, Lost},
    module::Module,
    path,
    reader::{Code, Reader},
    settings::Settings,
    stack_file::{self, BYTES_MAX, FILE_NAME, Mark, Marks, ReadFile},
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
    stacks: Vec<StackCode>,
    broken: Vec<Broken>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    pub(crate) code: Code,
    pub(crate) listing: Listing,
}

/// Reads a tree; `code` reads what the folders of its stacks lead to.
pub(crate) fn read(
    tree: &dyn Tree,
    listing: &Listing,
    code: impl FnOnce(&BTreeSet<String>) -> Code,
) -> Repository {
    let mut faults = Vec::new();
    let mut files = BTreeMap::new();
    for (path, found) in listing.files() {
        if path::name(path) == FILE_NAME {
            files.insert(path.to_owned(), read_file(tree, path, found));
        }
    }
    for file in files.values_mut() {
        faults.append(&mut file.faults);
    }
    let (stacks, broken) = assembled(&files, &mut faults);
    let roots = stacks.iter().map(|stack| stack.root().to_owned()).collect();
    let mut repository = Repository { stacks, broken, code: code(&roots), ..Repository::default() };
    let (more, mut warnings) = check::check(&repository);
    faults.extend(more);
    warnings.extend(lost_links(listing));
    warnings.append(&mut repository.code.warnings);
    located::sort(&mut faults);
    located::sort(&mut warnings);
    repository.faults = faults;
    repository.warnings = warnings;
    repository
}

impl Repository {
    /// Reads everything. A file that cannot be read is a fault, and hinders no other.
    pub fn read(tree: &dyn Tree) -> Self {
        Reader::default().read(tree, None)
    }

    /// The stacks that can be read, by name.
    pub fn stacks(&self) -> &[StackCode] {
        &self.stacks
    }

    /// The stack of this name.
    pub fn stack(&self, name: &str) -> Option<&StackCode> {
        let at = self.stacks.binary_search_by(|stack| stack.name.as_str().cmp(name)).ok()?;
        Some(&self.stacks[at])
    }

    /// The module of a folder, if it is one that the reading came to.
    pub fn module(&self, folder: &str) -> Option<&Module> {
        self.code.modules.get(folder)
    }

    /// All modules that the reading came to, by folder.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.code.modules.values()
    }

    /// The providers that the code of a folder needs, by type, over all modules of the repository
    /// that it calls. What modules from elsewhere need is not seen.
    pub fn providers(&self, folder: &str) -> BTreeSet<&str> {
        let unit = self.code.units.get(folder).and_then(|unit| unit.module.as_deref());
        let mut seen = BTreeSet::new();
        let mut open = vec![unit.unwrap_or(folder)];
        let mut found = BTreeSet::new();
        while let Some(folder) = open.pop() {
            let Some(module) = self.module(folder).filter(|_| seen.insert(folder)) else {
                continue;
            };
            open.extend(module.calls.values().filter_map(|call| call.folder.as_deref()));
            found.extend(module.providers.iter().map(|(name, asked)| asked.kind(name)));
        }
        // It comes with the tool and reaches nothing outside.
        found.remove("terraform");
        found
    }

    /// Folders that look like stacks and are none yet: units of Terragrunt, and modules that no
    /// other one calls and that say where their state lies.
    pub fn loose_roots(&self) -> Vec<&str> {
        let calls = self.modules().flat_map(|module| module.calls.values());
        let units = self.code.units.values().filter_map(|unit| unit.module.as_deref());
        let called: BTreeSet<&str> =
            calls.filter_map(|call| call.folder.as_deref()).chain(units).collect();
        let known: BTreeSet<&str> = self.stacks.iter().map(StackCode::root).collect();
        let alone = self.modules().filter(|module| module.backend.is_some());
        let alone = alone.map(|module| module.folder.as_str()).filter(|one| !called.contains(one));
        let units = self.code.units.keys().map(String::as_str);
        let roots: BTreeSet<&str> =
            alone.chain(units).filter(|folder| !known.contains(folder)).collect();
        roots.into_iter().collect()
    }

    /// What is there but cannot be read.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
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
    if found.bytes > bytes_max {
        return Err(too_large(found.bytes));
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
        let what = format!("this file is no UTF-8: byte {at} cannot be read");
        Fault::of_file(path, what, "save it as UTF-8")
    })
}

fn read_file(tree: &dyn Tree, path: &str, found: Found) -> ReadFile {
    match text(tree, path, found, BYTES_MAX) {
        Ok(text) => stack_file::read(path, &text),
        Err(fault) => ReadFile { is_unclear: true, faults: vec![fault], ..ReadFile::default() },
    }
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

/// The stacks with what they inherit, by name, and what is there but cannot be used.
fn assembled(
    files: &BTreeMap<String, ReadFile>,
    faults: &mut Vec<Fault>,
) -> (Vec<StackCode>, Vec<Broken>) {
    let mut broken = BTreeSet::new();
    let mut stacks: BTreeMap<String, StackCode> = BTreeMap::new();
    let mut doubled: BTreeSet<String> = BTreeSet::new();
    for (file, read) in files {
        let folder = path::parent(file);
        let above = Above::of(files, folder);
        if read.is_unclear {
            broken.insert(Broken { file: file.clone(), stack: None });
        }
        let named = |name: &String| Broken { file: file.clone(), stack: Some(name.clone()) };
        broken.extend(read.broken.iter().map(named));
        for written in &read.stacks {
            // What it inherits is unknown, and half of its settings would be worse than the old.
            if above.is_broken && written.settings.inherit != Some(false) {
                broken.insert(named(&written.name));
                continue;
            }
            let stack = above.stack(folder, written);
            if let Some(first) = stacks.get(&written.name) {
                let what =
                    format!("there is a stack \"{}\" already, at {}", first.name, first.spot);
                let head = written.marks[&Mark::Name].clone();
                faults.push(Fault { what, advice: DOUBLED_ADVICE.to_owned(), ..head });
                broken.insert(named(&written.name));
                let file = first.spot.file.clone();
                broken.insert(Broken { file, stack: Some(written.name.clone()) });
                doubled.insert(written.name.clone());
            } else {
                stacks.insert(written.name.clone(), stack);
            }
        }
    }
    stacks.retain(|name, _| !doubled.contains(name));
    (stacks.into_values().collect(), broken.into_iter().collect())
}

const DOUBLED_ADVICE: &str = "rename one of them: a name stands for one stack of the repository";

/// What the folders above a stack say.
struct Above<'a> {
    settings: Settings,
    marks: Marks,
    inherits: Vec<&'a str>,
    is_broken: bool,
}

impl<'a> Above<'a> {
    /// The defaults of a folder and of those above it, the nearest on top.
    fn of(files: &'a BTreeMap<String, ReadFile>, folder: &str) -> Self {
        let mut above = Self {
            settings: Settings::default(),
            marks: Marks::new(),
            inherits: Vec::new(),
            is_broken: false,
        };
        for upper in path::ancestors(folder) {
            let file = if upper.is_empty() {
                FILE_NAME.to_owned()
            } else {
                format!("{upper}/{FILE_NAME}")
            };
            let Some((file, read)) = files.get_key_value(&file) else { continue };
            let Some(defaults) = &read.defaults else {
                above.is_broken |= read.is_unclear;
                continue;
            };
            if defaults.settings.inherit == Some(false) {
                above =
                    Self { inherits: Vec::new(), marks: Marks::new(), is_broken: false, ..above };
            }
            above.is_broken |= read.is_unclear;
            above.settings = defaults.settings.clone().below(&above.settings);
            above.marks.extend(defaults.marks.clone());
            above.inherits.push(file);
        }
        above
    }

    fn stack(&self, folder: &str, written: &stack_file::Written) -> StackCode {
        let alone = written.settings.inherit == Some(false);
        let mut marks = if alone { Marks::new() } else { self.marks.clone() };
        marks.extend(written.marks.clone());
        let inherits = self.inherits.iter().filter(|file| **file != written.spot.file && !alone);
        let mut stack = StackCode {
            name: written.name.clone(),
            folder: folder.to_owned(),
            spot: written.spot.clone(),
            settings: written.settings.clone().below(&self.settings),
            inherits: inherits.map(|file| (*file).to_owned()).collect(),
            declared: Vec::new(),
            marks,
        };
        stack.declared = declared(&stack);
        stack
    }
}

/// The edges that the settings of a stack name, each stack once for each way of naming it.
fn declared(stack: &StackCode) -> Vec<Edge> {
    let edge = |on: &str, origin: Origin, mark: &Mark, reason: String| Edge {
        stack: stack.name.clone(),
        on: on.to_owned(),
        origin,
        spot: stack.marks.get(mark).map_or_else(|| stack.spot.clone(), stack_file::spot),
        reason,
        references: Vec::new(),
    };
    let plain = stack.settings.waits_for().map(|on| {
        let reason = format!("{} depends on {on}, as its stackly.hcl says", stack.name);
        edge(on, Origin::DependsOn, &Mark::DependsOn(on.clone()), reason)
    });
    let inputs = stack.settings.input.iter().map(|(variable, input)| {
        let output = input.output.as_deref().unwrap_or(variable);
        let reason = format!(
            "{}'s variable {variable} is the output {output} of {}",
            stack.name, input.stack
        );
        let mark = Mark::Input(variable.clone());
        let reference = Reference { output: output.to_owned(), input: Some(variable.clone()) };
        let edge = edge(&input.stack, Origin::Input, &mark, reason);
        Edge { references: vec![reference], ..edge }
    });
    plain.chain(inputs).collect()
}

#[cfg(test)]
mod tests;
