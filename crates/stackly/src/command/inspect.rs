//! `stackly inspect`: what code says of modules, and which edges follow from it.

use contracts::phrase::count;
use std::path::PathBuf;

use clap::Args;
use code::{Edge, Inference, Module, Repository, StackCode, Subject, infer};
use located::Fault;
use serde_json::{Value, json};

use super::validate::{faulty, warned};
use crate::{
    failure::Failure,
    folder::Folder,
    print::{Look, Terminal, Tone},
};

/// What is looked at.
#[derive(Debug, Args)]
pub struct Options {
    /// The folder to inspect
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Show only the edges between stacks
    #[arg(long)]
    edges: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let folder = Folder::open(&options.path)?;
    let repository = Repository::read(&folder);
    let mut subjects = repository.subjects();
    subjects.extend(repository.loose_roots().into_iter().map(|root| repository.subject_of(root)));
    let shown = Shown::new(&folder, &repository, &subjects, options.edges);
    terminal.answer(&shown.document(), |look| {
        let warnings = shown.warnings.iter().map(|fault| warned(&folder.placed(fault), look));
        let faults = shown.faults.iter().map(|fault| faulty(&folder.placed(fault), look));
        shown.render(look) + &warnings.chain(faults).collect::<String>()
    })?;
    match shown.faults.len() {
        0 => Ok(()),
        number => Err(Failure::Failed(anyhow::anyhow!(
            "{} in the code, so not all of it is shown",
            count(number, "fault")
        ))),
    }
}

/// What is shown: the part of the repository that was asked for.
struct Shown<'a> {
    modules: Vec<&'a Module>,
    stacks: Vec<&'a StackCode>,
    declared: Vec<&'a Edge>,
    inference: Inference,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl<'a> Shown<'a> {
    fn new(
        folder: &Folder,
        repository: &'a Repository,
        subjects: &[Subject<'a>],
        edges_alone: bool,
    ) -> Self {
        let asked = |edge: &Edge| folder.is_asked(&edge.spot.file);
        let mut inference = infer(subjects);
        inference.edges.retain(asked);
        inference.overruled.retain(asked);
        let modules = repository.modules().filter(|module| folder.is_asked(&module.folder));
        let stacks = repository.stacks().iter().filter(|one| folder.is_asked(&one.spot.file));
        let edges = repository.stacks().iter().flat_map(|stack| &stack.declared);
        Self {
            modules: modules.filter(|_| !edges_alone).collect(),
            stacks: stacks.filter(|_| !edges_alone).map(|stack| &**stack).collect(),
            declared: edges.filter(|edge| asked(edge)).collect(),
            inference,
            faults: folder.asked(repository.faults()),
            warnings: folder.asked(repository.warnings()),
        }
    }

    fn document(&self) -> Value {
        json!({
            "modules": self.modules,
            "stacks": self.stacks,
            "edges": {
                "declared": self.declared,
                "inferred": self.inference.edges,
                "overruled": self.inference.overruled,
            },
            "faults": self.faults,
            "warnings": self.warnings,
        })
    }

    fn render(&self, look: &Look) -> String {
        let mut text = String::new();
        for module in &self.modules {
            text += &rendered(module, look);
        }
        for stack in &self.stacks {
            let name = look.paint(Tone::Strong, &stack.name);
            text += &format!("stack {name} ({})\n", stack.spot);
        }
        if !self.stacks.is_empty() {
            text.push('\n');
        }
        let groups: [(&str, Vec<&Edge>); 3] = [
            ("declared", self.declared.clone()),
            ("inferred", self.inference.edges.iter().collect()),
            ("overruled", self.inference.overruled.iter().collect()),
        ];
        for (name, edges) in groups {
            text += &format!("{} {name}\n", count(edges.len(), "edge"));
            for edge in edges {
                text += &line(edge, look);
            }
        }
        text
    }
}

fn line(edge: &Edge, look: &Look) -> String {
    let references: Vec<&str> =
        edge.references.iter().map(|reference| reference.output.as_str()).collect();
    let outputs =
        if references.is_empty() { String::new() } else { format!(" [{}]", references.join(", ")) };
    let place = look.paint(Tone::Faint, &edge.spot.to_string());
    format!("  {} → {}{outputs}  {}  {place}\n", edge.stack, edge.on, edge.reason)
}

fn rendered(module: &Module, look: &Look) -> String {
    let folder = if module.folder.is_empty() { "." } else { &module.folder };
    let mut text = format!("module {}\n", look.paint(Tone::Strong, folder));
    let mut row = |head: &str, items: Vec<String>| {
        if !items.is_empty() {
            text += &format!("  {head:<10} {}\n", items.join(", "));
        }
    };
    let variable = |(name, variable): (&String, &code::module::Variable)| {
        if variable.required { format!("{name} (required)") } else { name.clone() }
    };
    row("variables", module.variables.iter().map(variable).collect());
    row("outputs", module.outputs.keys().cloned().collect());
    let call = |(name, call): (&String, &code::module::Call)| {
        let source = call.folder.as_deref().or(call.source.as_deref());
        format!("{name} ← {}", source.unwrap_or("something computed"))
    };
    row("calls", module.calls.iter().map(call).collect());
    let provider = |(name, wanted): (&String, &code::module::Requirement)| {
        let versions = wanted.versions.join(", ");
        if versions.is_empty() { name.clone() } else { format!("{name} {versions}") }
    };
    row("providers", module.providers.iter().map(provider).collect());
    row("backend", module.backend.iter().map(|backend| backend.kind.clone()).collect());
    row("data", module.data.keys().cloned().collect());
    text.push('\n');
    text
}
