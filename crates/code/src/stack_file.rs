//! Reads a stackly.hcl, and says everything that is wrong with it at once.

mod settings;

use std::collections::BTreeMap;

use located::{Fault, Page, Place, Section, Source};

use crate::{edge::Spot, settings::Settings};

/// The name that stack files have.
pub const FILE_NAME: &str = "stackly.hcl";

/// The most bytes a stackly.hcl may have.
pub const BYTES_MAX: u64 = 256 * 1024;

/// What a stackly.hcl says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadFile {
    /// What holds for this folder and those below it.
    pub defaults: Option<Written>,
    /// The stacks that were read without a fault.
    pub stacks: Vec<Written>,
    /// Names of stacks that are there, but cannot be read.
    pub broken: Vec<String>,
    /// Whether it is unknown what else is there: it is no HCL, or its defaults cannot be read.
    pub is_unclear: bool,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
}

/// One block, as it is written: nothing is inherited yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its name; empty for `defaults`.
    pub name: String,
    /// Where it begins.
    pub spot: Spot,
    /// What it says.
    pub settings: Settings,
    /// Where it says what may turn out not to fit.
    pub marks: Marks,
}

/// Where things stand that only the rest of the repository can confirm.
pub type Marks = BTreeMap<Mark, Fault>;

/// A thing that only the rest of the repository can confirm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The head of the block.
    Name,
    /// A stack of `depends_on`.
    DependsOn(String),
    /// An `input`, by its variable.
    Input(String),
    /// A variable that is given a value.
    Variable(String),
    /// A policy it asks to be held to.
    Policy(String),
    /// A glob that is watched, as it reads from the root of the repository.
    Watch(String),
}

/// Reads the text of one file.
pub fn read(file: &str, text: &str) -> ReadFile {
    let source = Source { file, text };
    let body = match located::parse(source) {
        Ok(body) => body,
        Err(fault) => {
            return ReadFile { is_unclear: true, faults: vec![fault], ..ReadFile::default() };
        }
    };
    let page = Page::new(source);
    let whole = Section::whole(&page, &body);
    let mut read = ReadFile::default();
    whole.only(&[], &["defaults", "stack"]);
    // A `stak "x"` is a stack all the same, and must not be taken for one that was deleted.
    read.is_unclear = page.count() > 0;
    whole.each_once("file", &["defaults"]);
    for section in whole.blocks("defaults").take(1) {
        let before = page.count();
        let written = block(&section, String::new(), settings::Where::Defaults);
        read.is_unclear |= page.count() > before;
        read.defaults = Some(written);
    }
    for section in whole.blocks("stack") {
        let before = page.count();
        let name = name(&section);
        let written = block(&section, name.clone().unwrap_or_default(), settings::Where::Stack);
        match name {
            None => read.is_unclear = true,
            Some(name) if page.count() > before => read.broken.push(name),
            // Which of two alike is meant nobody can tell; the fault is noted already.
            Some(name) if read.stacks.iter().any(|other| other.name == name) => {
                read.stacks.retain(|other| other.name != name);
                read.broken.push(name);
            }
            Some(name) if read.broken.contains(&name) => {}
            Some(_) => read.stacks.push(written),
        }
    }
    read.faults = page.into_faults();
    located::sort(&mut read.faults);
    read
}

fn block(section: &Section<'_>, name: String, place: settings::Where) -> Written {
    let mut marks = Marks::new();
    let settings = settings::read(section, place, &mut marks);
    let head = section.make_fault(section.head(), "", "");
    let spot = spot(&head);
    marks.insert(Mark::Name, head);
    Written { name, spot, settings, marks }
}

/// The line a fault would be told with.
pub(crate) fn spot(fault: &Fault) -> Spot {
    Spot {
        file: fault.file.clone(),
        line: fault.place.as_ref().map_or(1, |place: &Place| place.line),
    }
}

/// The label of a stack, if it can be a name.
fn name(section: &Section<'_>) -> Option<String> {
    let name = section.label("stack")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let sound = name.chars().all(fits)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= NAME_BYTES_MAX;
    if !sound {
        section.fault(
            format!("\"{}\" cannot be the name of a stack", name.escape_debug()),
            "use letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 100",
        );
    }
    sound.then_some(name)
}

const NAME_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests;
