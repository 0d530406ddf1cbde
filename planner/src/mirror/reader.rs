//! What the code in a commit says of stacks, as blueprints.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use code::{
    Entry, Index, Kind, Reader, Repository, StackCode, Subject, Tree, Watched,
    infer::facts_of,
    path,
    repository::Broken,
    settings::{Inferred, Settings},
};
use contracts::{
    Code, CommitSha, Reason, StackId,
    chain::{LimitedBy, SaidLimit},
    change::Paths,
};
use git::{FileKind, Snapshot};

use crate::{
    blueprint::{Blueprint, CodeEdge},
    catalogue::{Catalogue, Stack},
    register::Found,
};

/// What makes a folder the code of a stack that runs there.
const CODE: [&str; 4] = [".tf", ".tf.json", ".tofu", "terragrunt.hcl"];
/// Files of these kinds may be read; of all others the size does not matter.
const READ: [&str; 5] = [".tf", ".tofu", ".hcl", ".json", ".tfvars"];
/// The most that is read of one file.
const BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How many faults of the code are kept for people.
const FAULTS_MAX: usize = 100;

/// What was read, and which stacks the changed paths touch in ways only the code knows, by what
/// the code calls them.
pub(super) struct Read {
    pub(super) found: Found,
    pub(super) by_code: BTreeMap<String, Reason>,
}

/// A branch at a commit.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) repository: &'a str,
    pub(super) branch: &'a str,
    pub(super) commit: &'a str,
}

/// Reads the code of one branch. `kept` has what was read of it before, so that what did not change
/// is not read again.
pub(super) fn read(
    place: Place<'_>,
    files: &Snapshot,
    catalogue: &Catalogue,
    (changed, kept): (&Paths, &mut Reader),
) -> Read {
    let stacks = of_branch(place, catalogue);
    let roots: BTreeSet<String> =
        stacks.iter().map(|stack| stack.project_root.to_string()).collect();
    let code = kept.read(&Files(files), Some(&roots));
    let is_of_branch = |stack: &&StackCode| {
        stack.settings.spacelift.branch.as_deref().is_none_or(|branch| branch == place.branch)
    };
    let said_by: Vec<&StackCode> = code.stacks().iter().filter(is_of_branch).collect();
    let mut blueprints: Vec<Blueprint> = said_by.iter().map(|stack| said(place, stack)).collect();
    let spoken_of: BTreeSet<&str> = said_by.iter().map(|stack| stack.spacelift_id()).collect();
    let broken = code.broken().iter().map(|Broken { file, stack }| match stack {
        Some(stack) => stack.clone(),
        None => path::parent(file).to_owned(),
    });
    let broken: BTreeSet<String> = broken.collect();
    blueprints.extend(plain(place, files, &stacks, (&spoken_of, &blueprints, &broken)));
    add_facts(&mut blueprints, &said_by, &code);
    let by_code = touched(&blueprints, &said_by, &code, changed);
    let faults = code.faults().iter().take(FAULTS_MAX).map(ToString::to_string).collect();
    let commit = Some(CommitSha::from(place.commit));
    Read { found: Found { commit, blueprints, broken, faults, ..Found::default() }, by_code }
}

/// The stacks of the account that track the branch.
pub(super) fn of_branch<'a>(place: Place<'_>, catalogue: &'a Catalogue) -> Vec<&'a Stack> {
    let is_of = |stack: &&Stack| stack.tracks(place.repository, place.branch);
    catalogue.stacks().iter().filter(is_of).collect()
}

/// Adds what the code reads of other stacks and keeps for them, whatever their repository.
fn add_facts(blueprints: &mut [Blueprint], said_by: &[&StackCode], code: &Repository) {
    let settings: BTreeMap<&str, &StackCode> =
        said_by.iter().map(|stack| (stack.name.as_str(), *stack)).collect();
    for blueprint in blueprints {
        let mut providers = code.providers(&blueprint.path);
        if let Some(stack) = settings.get(blueprint.name.as_str()) {
            blueprint.inferred = stack.settings.inferred.clone();
            providers.extend(stack.settings.provider.keys().map(String::as_str));
        }
        blueprint.providers = providers.into_iter().map(str::to_owned).collect();
        let facts = facts_of(&Subject {
            name: &blueprint.name,
            spacelift_id: &blueprint.name,
            root: &blueprint.path,
            repository: code,
            variables: &blueprint.variables,
            inferred: &blueprint.inferred,
        });
        blueprint.facts = (!facts.is_empty()).then(|| Arc::new(facts));
    }
}

/// The stacks that the changed paths touch through modules, links and what they inherit.
fn touched(
    blueprints: &[Blueprint],
    said_by: &[&StackCode],
    code: &Repository,
    changed: &Paths,
) -> BTreeMap<String, Reason> {
    let Paths::All(paths) = changed else { return BTreeMap::new() };
    let by_name: BTreeMap<&str, &StackCode> =
        said_by.iter().map(|stack| (stack.name.as_str(), *stack)).collect();
    let watched = |blueprint: &Blueprint| {
        let stack = by_name.get(blueprint.name.as_str());
        Watched {
            root: blueprint.path.clone(),
            globs: Vec::new(),
            inherits: stack.map_or_else(Vec::new, |stack| {
                stack.inherits.iter().chain([&stack.spot.file]).cloned().collect()
            }),
        }
    };
    let watched: Vec<Watched> = blueprints.iter().map(watched).collect();
    let touches = Index::new(&watched, code).touched(paths.iter().map(String::as_str));
    let told = touches.into_iter().map(|touch| {
        let reason = Reason::new(Code::Touched, touch.reason());
        (blueprints[touch.stack].name.clone(), reason)
    });
    told.collect()
}

fn code_edge(edge: &code::Edge) -> CodeEdge {
    CodeEdge {
        on: edge.on.clone(),
        declared: edge.origin.is_declared(),
        file: edge.spot.file.clone(),
        line: u32::try_from(edge.spot.line).unwrap_or(u32::MAX),
        why: edge.reason.clone(),
    }
}

/// A block of a `stackly.hcl`.
fn said(place: Place<'_>, stack: &StackCode) -> Blueprint {
    Blueprint {
        repository: place.repository.to_owned(),
        branch: place.branch.to_owned(),
        path: stack.root().to_owned(),
        name: stack.name.clone(),
        commit: CommitSha::from(place.commit),
        stack: stack.settings.spacelift.stack.as_deref().map(StackId::from),
        plain: false,
        space: stack.settings.spacelift.space.clone(),
        autodeploy: stack.settings.spacelift.autodeploy,
        labels: stack.settings.told_as_labels(),
        owners: stack.settings.owners.clone(),
        watch: stack.settings.watch.clone(),
        edges: stack.declared.iter().map(code_edge).collect(),
        variables: stack.settings.variables.clone(),
        providers: Vec::new(),
        cloud_accounts: stack.settings.cloud_accounts(),
        parallel: stack.settings.limits.parallel,
        limits: said_limits(&stack.settings),
        facts: None,
        inferred: Inferred::default(),
    }
}

/// What the providers of a stack say of how many runs may be at once: at each of the accounts they
/// name; where they name none, of the provider.
fn said_limits(settings: &Settings) -> Vec<SaidLimit> {
    let said = settings.provider.iter().flat_map(|(provider, said)| {
        let limit = |of, name: &String, most| SaidLimit { of, name: name.clone(), most };
        let accounts = said.accounts.iter().map(move |it| (LimitedBy::CloudAccount, it));
        let itself = said.accounts.is_empty().then_some((LimitedBy::Provider, provider));
        let named = accounts.chain(itself);
        said.parallel
            .into_iter()
            .flat_map(move |most| named.clone().map(move |(of, name)| limit(of, name, most)))
    });
    said.collect()
}

/// Stacks of the account that run where there is code, and of which no `stackly.hcl` speaks.
fn plain(
    place: Place<'_>,
    files: &Snapshot,
    stacks: &[&Stack],
    (spoken_of, said, broken): (&BTreeSet<&str>, &[Blueprint], &BTreeSet<String>),
) -> Vec<Blueprint> {
    let is_code = |path: &str| CODE.iter().any(|end| path.ends_with(end));
    let folders: BTreeSet<&str> = files
        .files()
        .iter()
        .filter(|file| is_code(&file.path))
        .map(|file| path::parent(&file.path))
        .collect();
    let said_of: BTreeSet<&str> = said.iter().map(|blueprint| blueprint.path.as_str()).collect();
    let is_plain = |stack: &&&Stack| {
        let root = stack.project_root.as_str();
        folders.contains(root)
            && !said_of.contains(root)
            && !broken.contains(root)
            && !spoken_of.contains(stack.id.as_str())
    };
    let blueprint = |stack: &&Stack| Blueprint {
        repository: place.repository.to_owned(),
        branch: place.branch.to_owned(),
        path: stack.project_root.to_string(),
        name: stack.id.to_string(),
        commit: CommitSha::from(place.commit),
        stack: Some(stack.id.clone()),
        plain: true,
        space: None,
        autodeploy: None,
        labels: Vec::new(),
        owners: Vec::new(),
        watch: Vec::new(),
        edges: Vec::new(),
        variables: BTreeMap::new(),
        providers: Vec::new(),
        cloud_accounts: Vec::new(),
        parallel: None,
        limits: Vec::new(),
        facts: None,
        inferred: Inferred::default(),
    };
    stacks.iter().filter(is_plain).map(blueprint).collect()
}

/// The files of a commit as the reader of code wants to see them.
pub(super) struct Files<'a>(pub(super) &'a Snapshot);

impl Tree for Files<'_> {
    fn entries(&self) -> Vec<Entry> {
        let may_be_read = |path: &str| READ.iter().any(|end| path.ends_with(end));
        let entry = |file: &git::File| {
            let kind = match file.kind {
                FileKind::Submodule => Kind::Submodule,
                FileKind::Link => {
                    let target = self.0.read(file, 4_096).unwrap_or_default();
                    Kind::Link { target: String::from_utf8_lossy(&target).into_owned() }
                }
                FileKind::File if may_be_read(&file.path) => {
                    Kind::File { bytes: self.0.size(file).unwrap_or(u64::MAX) }
                }
                FileKind::File => Kind::File { bytes: 0 },
            };
            Entry { path: file.path.clone(), kind, content: Some(file.content()) }
        };
        self.0.files().iter().map(entry).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let file = self.0.file(path).ok_or("it is not in the commit")?;
        self.0.read(file, BYTES_MAX).map_err(|error| error.to_string())
    }
}
