//! `stackly validate`: stack code and policies, read as the services would read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use code::Repository;
use located::Fault;
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    folder::Folder,
    print::{Look, Terminal, Tone, count},
};

/// What is checked.
#[derive(Debug, Args)]
pub struct Options {
    /// A folder, or one stackly.hcl; defaults of the folders above it count
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Print the JSON Schema of a stackly.hcl instead
    #[arg(long)]
    schema: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    if options.schema {
        return terminal.json(&code::manual::schema());
    }
    let shown = options.path.display().to_string();
    let code = Checked::code(&Folder::open(&options.path)?);
    let folder = policies(&options.path);
    let policies = folder.as_deref().map(Checked::policies);
    // A folder of policies has no stacks, and nobody wants to be told so.
    let code = Some(code).filter(|code| policies.is_none() || !code.is_empty());
    let checked: Vec<Checked> = code.into_iter().chain(policies).collect();
    let valid = checked.iter().all(|checked| checked.faults.is_empty());
    terminal.answer(&document(&checked, valid), |look| render(&checked, &shown, look))?;
    if valid {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{shown} would be refused")))
}

/// The folder of policies that is meant by a path: itself, or one in it of that name.
fn policies(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("policies")].into_iter().find(|folder| holds_policies(folder))
}

/// Whether a folder has a file of HCL in which a line begins like a policy.
fn holds_policies(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_policy = |line: &str| {
        ["policy ", "group ", "policy\t", "group\t"].iter().any(|word| line.starts_with(word))
    };
    files
        .map(|file| file.path())
        .filter(|file| file.extension().is_some_and(|end| end == "hcl"))
        .filter_map(|file| fs::read_to_string(file).ok())
        .any(|text| text.lines().any(|line| is_policy(line.trim_start())))
}

/// What was found out about one kind of thing.
struct Checked {
    noun: &'static str,
    plural: &'static str,
    names: Vec<String>,
    digest: Option<String>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Checked {
    fn code(folder: &Folder) -> Self {
        let repository = Repository::read(folder);
        let asked = |faults: &[Fault]| {
            let asked = faults.iter().filter(|fault| folder.is_asked(&fault.file));
            asked.cloned().collect()
        };
        let stacks = repository.stacks().iter().filter(|one| folder.is_asked(&one.spot.file));
        Self {
            noun: "stack",
            plural: "stacks",
            names: stacks.map(|stack| stack.name.clone()).collect(),
            digest: None,
            faults: asked(repository.faults()),
            warnings: asked(repository.warnings()),
        }
    }

    fn policies(folder: &Path) -> Self {
        let checked = Self {
            noun: "policy",
            plural: "policies",
            names: Vec::new(),
            digest: None,
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        match policy::validate(folder) {
            Ok(set) => Self {
                names: set.policies.into_iter().map(|policy| policy.name).collect(),
                digest: Some(set.digest),
                warnings: set.warnings,
                ..checked
            },
            Err(faults) => Self { faults: faults.0, ..checked },
        }
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.faults.is_empty()
    }
}

fn document(checked: &[Checked], valid: bool) -> Value {
    let of_all = |of: fn(&Checked) -> &Vec<Fault>| {
        let all: Vec<&Fault> = checked.iter().flat_map(of).collect();
        json!(all)
    };
    let mut document = Map::new();
    document.insert("valid".to_owned(), json!(valid));
    for checked in checked {
        document.insert(checked.plural.to_owned(), json!(checked.names));
        document.extend(checked.digest.as_ref().map(|digest| ("digest".to_owned(), json!(digest))));
    }
    document.insert("faults".to_owned(), of_all(|checked| &checked.faults));
    document.insert("warnings".to_owned(), of_all(|checked| &checked.warnings));
    Value::Object(document)
}

fn render(checked: &[Checked], shown: &str, look: &Look) -> String {
    let mut text = String::new();
    for checked in checked {
        for warning in &checked.warnings {
            text += &format!("{} {warning}\n\n", look.paint(Tone::Waits, "warning:"));
        }
        for fault in &checked.faults {
            text += &format!("{} {fault}\n\n", look.paint(Tone::Bad, "fault:"));
        }
        let number = count(checked.names.len(), checked.noun);
        let number = if checked.names.len() == 1 {
            number
        } else {
            format!("{} {}", checked.names.len(), checked.plural)
        };
        let digest = checked.digest.as_ref().map(|digest| format!(", digest {digest}"));
        let digest = digest.unwrap_or_default();
        text += &match checked.faults.len() {
            0 => format!("{} {shown}: {number}{digest}\n", look.paint(Tone::Good, "✓")),
            faults => format!(
                "{} {shown}: {number} without a fault, {}\n",
                look.paint(Tone::Bad, "✗"),
                count(faults, "fault"),
            ),
        };
    }
    text
}
