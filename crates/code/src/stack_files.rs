//! All stackly.hcl files of a repository, and the stacks that they make together. What no changed
//! file has a part in is taken over from the last reading.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use located::Fault;

use crate::{
    edge::{Edge, Origin, Reference},
    listing::{Found, Listing},
    path,
    repository::{Broken, StackCode, text},
    settings::Settings,
    stack_file::{self, BYTES_MAX, FILE_NAME, Mark, Marks, ReadFile},
    tree::Tree,
};

/// The stackly.hcl files of a repository, and what each of them makes.
#[derive(Debug, Default)]
pub(crate) struct StackFiles {
    files: BTreeMap<String, Arc<ReadFile>>,
    made: BTreeMap<String, Arc<Made>>,
    /// The stacks by name.
    stacks: Vec<Arc<StackCode>>,
    broken: Vec<Broken>,
    /// What is wrong with the files, each by itself.
    faults: Vec<Fault>,
}

/// The stacks of one file, with what they inherit, and what is there but cannot be used.
#[derive(Debug, Default)]
struct Made {
    stacks: Vec<Arc<StackCode>>,
    broken: BTreeSet<Broken>,
}

impl StackFiles {
    /// Reads the files of a tree, and takes those over that are in no changed folder.
    pub(crate) fn read(
        tree: &dyn Tree,
        listing: &Listing,
        last: &Arc<Self>,
        changed: &HashSet<String>,
    ) -> Arc<Self> {
        let concerns = |folder: &String| {
            let file = path::within(folder, FILE_NAME);
            last.files.contains_key(&file) || listing.file(&file).is_some()
        };
        if !changed.iter().any(concerns) {
            return last.clone();
        }
        let named = listing.files().filter(|(file, _)| path::name(file) == FILE_NAME);
        let read = |(file, found): (&str, Found)| {
            let kept = last.files.get(file).filter(|_| !changed.contains(path::parent(file)));
            let read = kept.cloned().unwrap_or_else(|| Arc::new(read_file(tree, file, found)));
            (file.to_owned(), read)
        };
        let files: BTreeMap<String, Arc<ReadFile>> = named.map(read).collect();
        let is_news = |file: &&String| {
            let (old, new) = (last.files.get(*file), files.get(*file));
            !old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(old, new))
        };
        let news: HashSet<&str> = files
            .keys()
            .chain(last.files.keys())
            .filter(is_news)
            .map(|file| path::parent(file))
            .collect();
        let of_file = |file: &String| {
            let folder = path::parent(file);
            let stays = || !path::ancestors(folder).any(|upper| news.contains(upper));
            let kept = last.made.get(file).filter(|_| stays()).cloned();
            (file.clone(), kept.unwrap_or_else(|| Arc::new(made_by(&files, file))))
        };
        let made = files.keys().map(of_file).collect();
        Arc::new(Self { files, made, ..Self::default() }.assembled())
    }

    /// The stacks that can be read, by name.
    pub(crate) fn stacks(&self) -> &[Arc<StackCode>] {
        &self.stacks
    }

    /// What is there but cannot be read.
    pub(crate) fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// What is wrong with the files, each by itself, and with the names of their stacks.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Puts the stacks of all files together. Of several with one name none counts.
    fn assembled(self) -> Self {
        let mut faults: Vec<Fault> =
            self.files.values().flat_map(|file| &file.faults).cloned().collect();
        let mut broken = BTreeSet::new();
        let mut stacks: BTreeMap<&str, &Arc<StackCode>> = BTreeMap::new();
        let mut doubled: BTreeSet<&str> = BTreeSet::new();
        for (file, made) in &self.made {
            broken.extend(made.broken.iter().cloned());
            for stack in &made.stacks {
                let Some(first) = stacks.get(stack.name.as_str()) else {
                    stacks.insert(&stack.name, stack);
                    continue;
                };
                let what =
                    format!("there is a stack \"{}\" already, at {}", first.name, first.spot);
                let head = stack.marks[&Mark::Name].clone();
                faults.push(Fault { what, advice: DOUBLED_ADVICE.to_owned(), ..head });
                let named =
                    |file: &str| Broken { file: file.to_owned(), stack: Some(stack.name.clone()) };
                broken.extend([named(file), named(&first.spot.file)]);
                doubled.insert(&stack.name);
            }
        }
        stacks.retain(|name, _| !doubled.contains(name));
        let stacks = stacks.into_values().cloned().collect();
        Self { stacks, broken: broken.into_iter().collect(), faults, ..self }
    }
}

const DOUBLED_ADVICE: &str = "rename one of them: a name stands for one stack of the repository";

fn read_file(tree: &dyn Tree, path: &str, found: Found) -> ReadFile {
    match text(tree, path, found, BYTES_MAX) {
        Ok(text) => stack_file::read(path, &text),
        Err(fault) => ReadFile { is_unclear: true, faults: vec![fault], ..ReadFile::default() },
    }
}

/// The stacks of a file with what they inherit.
fn made_by(files: &BTreeMap<String, Arc<ReadFile>>, file: &str) -> Made {
    let (folder, read) = (path::parent(file), &files[file]);
    let above = Above::of(files, folder);
    let mut made = Made::default();
    if read.is_unclear {
        made.broken.insert(Broken { file: file.to_owned(), stack: None });
    }
    let named = |name: &String| Broken { file: file.to_owned(), stack: Some(name.clone()) };
    made.broken.extend(read.broken.iter().map(named));
    for written in &read.stacks {
        // What it inherits is unknown, and half of its settings would be worse than the old.
        if above.is_broken && written.settings.inherit != Some(false) {
            made.broken.insert(named(&written.name));
        } else {
            made.stacks.push(Arc::new(above.stack(folder, written)));
        }
    }
    made
}

/// What the folders above a stack say.
struct Above<'a> {
    settings: Settings,
    marks: Marks,
    inherits: Vec<&'a str>,
    is_broken: bool,
}

impl<'a> Above<'a> {
    /// The defaults of a folder and of those above it, the nearest on top.
    fn of(files: &'a BTreeMap<String, Arc<ReadFile>>, folder: &str) -> Self {
        let mut above = Self {
            settings: Settings::default(),
            marks: Marks::new(),
            inherits: Vec::new(),
            is_broken: false,
        };
        for upper in path::ancestors(folder) {
            let file = path::within(upper, FILE_NAME);
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
