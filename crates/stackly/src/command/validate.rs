//! `stackly validate`: stack code and policies, read as the services would read them.

mod judge;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use contracts::{
    phrase::count,
    validation::{Annotation, Decision, Level, Stage},
};
use located::Fault;
use policy::PolicySet;
use serde_json::{Map, Value, json};
use validation::{Report, sarif};

use crate::{
    failure::Failure,
    folder::Folder,
    print::{Look, Terminal, Tone, clean},
};

use judge::{Code, judge};

/// What is checked.
#[derive(Debug, Args)]
pub struct Options {
    /// A folder, one stackly.hcl, or another file of stack code, for the stack in whose folder it is;
    /// defaults of parent folders apply
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The folder of policies [default: the path itself or its folder `policies`, where one of them
    /// holds policies]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// A folder of security rules in Rego, evaluated against the parsed code of each stack
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// A scanner's report, as SARIF (Checkov, Trivy, tfsec); can be repeated
    #[arg(long, value_name = "FILE")]
    sarif: Vec<PathBuf>,
    /// Check only the stacks that these files touch, as paths from the root of the repository
    #[arg(long, value_name = "PATH", num_args = 1..)]
    changed: Vec<String>,
    /// Also write the findings as SARIF
    #[arg(long, value_name = "FILE")]
    sarif_out: Option<PathBuf>,
    /// Print the JSON Schema of a stackly.hcl instead
    #[arg(long)]
    schema: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    if options.schema {
        return terminal.json(&code::manual::schema());
    }
    let shown = options.path.display().to_string();
    let folder = Folder::open(&options.path)?;
    let code = Code::read(&folder, &options.changed);
    let read = options.policies.clone().or_else(|| policies(&options.path));
    let read = read.map(|folder| (policy::validate(&folder), folder));
    let set = read.as_ref().and_then(|(read, _)| read.as_ref().ok());
    let report = judge(&code, options, set)?;
    if let Some(file) = &options.sarif_out {
        let text = sarif::write(&report.annotations, env!("CARGO_PKG_VERSION"));
        let write = fs::write(file, format!("{text:#}\n"));
        write.map_err(|error| anyhow::anyhow!("{} cannot be written: {error}", file.display()))?;
    }
    let policies = read.map(|(read, folder)| Checked::policies(&folder, read));
    // A folder of policies has no stacks, and nobody wants to be told so.
    let stacks =
        Some(Checked::code(&code, &shown)).filter(|it| policies.is_none() || !it.is_empty());
    let checked: Vec<Checked<'_>> = stacks.into_iter().chain(policies).collect();
    let valid = checked.iter().all(|checked| checked.faults.is_empty())
        && report.decision() == Decision::Deploy;
    terminal.answer(&document(&checked, &report, valid), |look| {
        render(&checked, look) + &render_report(&report, &folder, look)
    })?;
    if valid {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{shown} would be refused")))
}

/// A folder of policies as the policy service would read it, whatever is in it.
pub(super) fn check_policies(folder: &Path, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let shown = folder.display().to_string();
    fs::metadata(folder).map_err(|error| Failure::unread(folder, error))?;
    if policy::folder::files(folder).is_ok_and(|files| files.is_empty()) {
        return Err(Failure::NotFound(format!(
            "there are no policies in {shown}; name the folder with their *.hcl files"
        )));
    }
    let checked = [Checked::policies(folder, policy::validate(folder))];
    let valid = checked[0].faults.is_empty();
    let nothing = Report::new(Vec::new(), Vec::new());
    let document = document(&checked, &nothing, valid);
    terminal.answer(&document, |look| render(&checked, look))?;
    if valid {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{shown} would be refused")))
}

/// The folder of policies that is meant by a path: itself, or one in it of that name. A file stands for
/// the folder that it is in.
fn policies(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_file() { path.parent()? } else { path };
    [folder.to_owned(), folder.join("policies")].into_iter().find(|folder| holds_policies(folder))
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
struct Checked<'a> {
    /// Where, for people.
    shown: String,
    /// What names of files begin at, unless they are named as they were typed.
    folder: Option<&'a Folder>,
    noun: &'static str,
    plural: &'static str,
    names: Vec<String>,
    digest: Option<String>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl<'a> Checked<'a> {
    fn code(code: &Code<'a>, shown: &str) -> Self {
        let asked = |faults: &[Fault]| code.folder.asked(faults);
        let stacks = code.repository.stacks().iter();
        let stacks = stacks.filter(|one| code.folder.is_asked(&one.spot.file));
        let unread = code.configuration.unread();
        let mut warnings = asked(code.repository.warnings());
        warnings.retain(|fault| !unread.contains(fault));
        let mut faults = asked(code.repository.faults());
        faults.extend(asked(unread));
        faults.extend(asked(&code.repository.inferred_circles()));
        Self {
            shown: shown.to_owned(),
            folder: Some(code.folder),
            noun: "stack",
            plural: "stacks",
            names: stacks.map(|stack| stack.name.clone()).collect(),
            digest: None,
            faults,
            warnings,
        }
    }

    fn policies(folder: &Path, read: Result<PolicySet, policy::Faults>) -> Self {
        let checked = Self {
            shown: folder.display().to_string(),
            folder: None,
            noun: "policy",
            plural: "policies",
            names: Vec::new(),
            digest: None,
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        match read {
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

fn document(checked: &[Checked<'_>], report: &Report, valid: bool) -> Value {
    let of_all = |of: for<'c> fn(&'c Checked<'_>) -> &'c Vec<Fault>| {
        let all: Vec<&Fault> = checked.iter().flat_map(of).collect();
        json!(all)
    };
    let mut document = Map::new();
    document.insert("valid".to_owned(), json!(valid));
    let decision = if valid { Decision::Deploy } else { Decision::Reject };
    document.insert("decision".to_owned(), json!(decision));
    for checked in checked {
        document.insert(checked.plural.to_owned(), json!(checked.names));
        document.extend(checked.digest.as_ref().map(|digest| ("digest".to_owned(), json!(digest))));
    }
    document.insert("faults".to_owned(), of_all(|checked| &checked.faults));
    document.insert("warnings".to_owned(), of_all(|checked| &checked.warnings));
    document.insert("counts".to_owned(), json!(report.counts));
    document.insert("annotations".to_owned(), json!(report.annotations));
    Value::Object(document)
}

/// What was found besides faults of syntax, which are shown with their lines.
fn render_report(report: &Report, folder: &Folder, look: &Look) -> String {
    let found: Vec<&Annotation> =
        report.annotations.iter().filter(|found| found.stage != Stage::Syntax).collect();
    let mut text = String::new();
    for Annotation { file, line, level, rule, message, .. } in found.iter().copied() {
        let tone = match level {
            Level::Failure => Tone::Bad,
            Level::Warning => Tone::Waits,
            Level::Notice => Tone::Faint,
        };
        let level = look.paint(tone, &format!("{}:", level.as_str()));
        let file = folder.shown(file);
        let said = clean(&format!("{file}:{line}: {message} ({rule})"));
        text += &format!("{level} {said}\n");
    }
    if !found.is_empty() {
        text += &format!("{}\n", clean(&report.reason().text));
    }
    text
}

/// A fault with its line.
pub(super) fn faulty(fault: &Fault, look: &Look) -> String {
    format!("{} {fault}\n\n", look.paint(Tone::Bad, "fault:"))
}

/// A warning with its line.
pub(super) fn warned(warning: &Fault, look: &Look) -> String {
    format!("{} {warning}\n\n", look.paint(Tone::Waits, "warning:"))
}

fn render(checked: &[Checked<'_>], look: &Look) -> String {
    let mut text = String::new();
    for checked in checked {
        let shown = &checked.shown;
        let placed = |fault: &Fault| match checked.folder {
            Some(folder) => folder.placed(fault),
            None => fault.clone(),
        };
        for warning in checked.warnings.iter().map(placed) {
            text += &warned(&warning, look);
        }
        checked.faults.iter().for_each(|fault| text += &faulty(&placed(fault), look));
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
                "{} {shown}: {number}, {}\n",
                look.paint(Tone::Bad, "✗"),
                count(faults, "fault"),
            ),
        };
    }
    text
}
