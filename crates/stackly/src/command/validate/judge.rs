//! Judging stack code as it is judged at a pull request, without a running system.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use chrono::Utc;
use code::{Configuration, Repository};
use contracts::{
    ChainId, Code as ReasonCode, CommitSha, List, Reason, SpaceId, StackId, Text,
    chain::{ChainKind, ChainOptions, ChainPlanned, CodeLabels, PlannedEdges, PlannedStep, Uses},
    change::{Change, Paths},
    validation::Annotation,
};
use policy::{PolicySet, foresee::foresee};
use serde_json::json;
use uuid::Uuid;
use validation::{
    Report, Rules, Scope, Subject, policies,
    sarif::{self, Place},
    subjects, syntax,
};

use super::Options;
use crate::{failure::Failure, folder::Folder};

/// Stack code that was read.
pub(super) struct Code<'a> {
    pub(super) folder: &'a Folder,
    pub(super) repository: Repository,
    pub(super) configuration: Configuration,
    subjects: Vec<Subject>,
    scope: Scope,
}

impl<'a> Code<'a> {
    /// The code of a folder; of the stacks in it, those that the changed files touch, or all.
    pub(super) fn read(folder: &'a Folder, changed: &[String]) -> Self {
        let repository = Repository::read(folder);
        let changed = match changed {
            [] => Paths::Unknown,
            named => Paths::All(named.iter().map(|path| plain(path)).collect()),
        };
        // Without a word in a stackly.hcl, a stack is what says where its state lies.
        let named = |root: &str| (root.to_owned(), root.to_owned());
        let loose: Vec<_> = repository.loose_roots().into_iter().map(named).collect();
        let mut subjects = subjects(&repository, &loose, &changed);
        subjects.retain(|subject| folder.is_asked(&subject.spot.file));
        let changed = match changed {
            Paths::Unknown => Paths::All(vec![folder.part.clone()]),
            named => named,
        };
        let scope = Scope::new(&repository, &subjects, &changed);
        let roots: BTreeSet<String> = subjects.iter().map(|subject| subject.root.clone()).collect();
        let configuration = Configuration::read(folder, &roots);
        Self { folder, repository, configuration, subjects, scope }
    }
}

fn plain(path: &str) -> String {
    path.trim().trim_start_matches("./").to_owned()
}

/// Everything that speaks for and against the code.
pub(super) fn judge(
    code: &Code<'_>,
    options: &Options,
    set: Option<&PolicySet>,
) -> Result<Report, Failure> {
    let mut found = syntax::check(&code.repository, &code.configuration, &code.scope);
    if let Some(folder) = &options.rules {
        fs::metadata(folder).map_err(|error| Failure::unread(folder, error))?;
        let rules = Rules::open(folder).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the rules cannot be used:\n{}", faults.join("\n"))
        })?;
        let judged = code.subjects.iter().map(|subject| rules.judge(&code.configuration, subject));
        found.extend(judged.flatten());
    }
    if let Some(set) = set {
        found.extend(policies::check(&code.subjects, &asked(set, code)?));
    }
    for file in &options.sarif {
        found.extend(scanned(file, code)?);
    }
    let names = code.subjects.iter().map(|subject| subject.name.clone()).collect();
    Ok(Report::new(names, found))
}

/// What a scanner found in files of ours.
fn scanned(file: &Path, code: &Code<'_>) -> Result<Vec<Annotation>, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| Failure::unread(file, error))?;
    let place = |path: &str| match code.folder.place(path) {
        Some(path) if code.scope.has(&path) => Place::At(path),
        None if path.starts_with('/') || code::path::join("", path).is_err() => Place::Untold,
        Some(_) | None => Place::Elsewhere,
    };
    let findings = sarif::read(&text, &place)
        .map_err(|error| Failure::Failed(anyhow::anyhow!("{shown} cannot be used: {error}")))?;
    let name = file.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
    Ok(findings.with_unplaced(&name))
}

/// What the policies say of a deployment of these stacks, now, by whomever.
fn asked(set: &PolicySet, code: &Code<'_>) -> Result<policies::Asked, Failure> {
    let names = set.policies.iter().map(|policy| policy.name.clone()).collect();
    let step = |subject: &Subject| {
        let stack = code.repository.stack(&subject.name);
        let settings = stack.map(|stack| &stack.settings);
        let labels = settings.map(|settings| settings.told_as_labels());
        let labels: List<Text> = labels.into_iter().flatten().map(Text::from).collect();
        PlannedStep {
            stack: StackId::from(subject.id.as_str()),
            name: subject.name.as_str().into(),
            space: SpaceId::from(
                settings.and_then(|it| it.spacelift.space.as_deref()).unwrap_or("root"),
            ),
            labels: labels.clone(),
            by_code: CodeLabels { added: labels, taken: List::default() },
            autodeploy: settings.and_then(|it| it.spacelift.autodeploy).unwrap_or(false),
            on_commit: true,
            why: Reason::new(ReasonCode::Touched, "it is validated"),
            path: Some(subject.root.as_str().into()),
            uses: Uses::default(),
            limits: List::default(),
            owners: List::default(),
        }
    };
    let steps: BTreeMap<&str, PlannedStep> =
        code.subjects.iter().map(|subject| (subject.id.as_str(), step(subject))).collect();
    let chain = ChainPlanned {
        chain: ChainId(Uuid::nil()),
        kind: ChainKind::Deploy,
        change: Change {
            repository: String::new(),
            branch: String::new(),
            commit: CommitSha::from("0".repeat(40)),
            previous: None,
            author: String::new(),
            authors: Vec::new(),
            title: String::new(),
            url: None,
            pull_request: None,
        },
        steps: steps.into_values().collect(),
        edges: PlannedEdges::default(),
        graph_version: 0,
        action: contracts::Action::default(),
        options: ChainOptions::default(),
        files: None,
    };
    let gates = foresee(set, &chain, Utc::now());
    let gates = serde_json::from_value(json!(gates)).expect("gates are plain data");
    Ok(policies::Asked { names, gates })
}
