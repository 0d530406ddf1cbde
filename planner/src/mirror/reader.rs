//! What the code in a commit says of stacks, as blueprints.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use code::{
    Index, Reader, Repository, Root, StackCode, Subject, Tree, Watched,
    infer::facts_of,
    path,
    repository::Broken,
    settings::{Drift, Settings},
};
use contracts::{
    Code, CommitSha, Reason, StackId,
    chain::{LimitedBy, SaidLimit},
    change::Paths,
};
use git::FileList;

mod disinherited;
mod taken;

use super::homes::Homes;
pub(super) use taken::plain_of;
use taken::{Taken, blocks};

use crate::{
    blueprint::{Blueprint, CodeEdge, outputs_of},
    catalogue::{self, Catalogue, Stack},
    register::{self, Found, State},
};

/// How many faults of the code are kept for people.
const FAULTS_MAX: usize = 100;

/// What was read, and which stacks the changed paths touch in ways only the code knows, by what
/// the code calls them.
pub(super) struct Read {
    pub(super) found: Found,
    pub(super) by_code: BTreeMap<String, Reason>,
    /// Those that the push itself touches so, if it is told apart.
    pub(super) own: Option<BTreeMap<String, Reason>>,
}

/// A branch at a commit.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) repository: &'a str,
    pub(super) branch: &'a str,
    pub(super) commit: &'a str,
}

impl Place<'_> {
    /// Code there of which nothing is known yet but its folder and its name.
    fn blueprint(self, path: &str, name: String) -> Blueprint {
        let (repository, branch) = (self.repository.to_owned(), self.branch.to_owned());
        Blueprint::bare((repository, branch), path.to_owned(), name, self.commit.into())
    }
}

/// What was read of a repository before, so that what did not change is not read again.
#[derive(Debug, Default)]
pub(crate) struct ReadCache {
    /// The files of the commit that was looked at last.
    pub(super) files: Option<FileList>,
    /// The code that was read last.
    pub(super) code: Reader,
    /// What was said of the stacks of each branch, by name.
    said: HashMap<String, HashMap<String, Said>>,
    /// What touches them.
    index: Touching,
    /// How the stacks of branches are registered.
    pub(super) states: States,
}

/// How the stacks of branches are registered, as of one version of the graph and one of the register.
#[derive(Debug, Default)]
pub(super) struct States {
    version: (i64, i64),
    by_branch: HashMap<String, Arc<Vec<State>>>,
}

impl States {
    /// Those of a branch, if they were read in this version.
    pub(super) fn of(&self, version: (i64, i64), branch: &str) -> Option<Arc<Vec<State>>> {
        self.by_branch.get(branch).filter(|_| self.version == version).cloned()
    }

    /// Keeps those of a branch; none of another version.
    pub(super) fn keep(&mut self, version: (i64, i64), branch: &str, states: Arc<Vec<State>>) {
        if self.version != version {
            *self = Self { version, by_branch: HashMap::new() };
        }
        self.by_branch.insert(branch.to_owned(), states);
    }
}

/// What touches the stacks that were read last.
#[derive(Debug, Default)]
struct Touching {
    index: Index,
    /// What it was made from.
    of: Vec<Said>,
}

/// What code says of a stack, and what that was made from.
#[derive(Debug, Clone)]
struct Said {
    /// Its block in a `stackly.hcl`, if there is one.
    stack: Option<Arc<StackCode>>,
    /// Everything that its code leads to.
    root: Arc<Root>,
    blueprint: Arc<Blueprint>,
}

/// Reads the code of one branch.
pub(super) fn read(
    place: Place<'_>,
    files: &dyn Tree,
    (catalogue, states, moved): (&Catalogue, &[State], &BTreeMap<String, String>),
    (changed, own, kept): (&Paths, Option<&Paths>, &mut ReadCache),
) -> Read {
    let stacks = of_branch(place, catalogue);
    let known = by_place(catalogue.blueprints(), (place.repository, place.branch));
    let homes = Homes::new(states, moved, &stacks, known.values().map(|it| &***it));
    let where_run = stacks.iter().map(|stack| stack.project_root.as_str());
    let roots: Vec<&str> =
        where_run.chain(stacks.iter().filter_map(|stack| homes.elsewhere(&stack.id))).collect();
    let code = kept.code.read(files, Some(&roots));
    let broken = code.broken().iter().map(|Broken { file, stack }| match stack {
        Some(stack) => stack.clone(),
        None => path::parent(file).to_owned(),
    });
    let hidden = hidden(&code, &known, moved);
    let broken: BTreeSet<String> = broken.chain(hidden.iter().cloned()).collect();
    // A file that cannot be read was in the old folder before, if that was renamed.
    let renamed = moved.iter().filter(|(_, new)| broken.contains(*new)).map(|(old, _)| old);
    let was_broken: BTreeSet<String> = broken.iter().chain(renamed).cloned().collect();
    let before = kept.said.remove(place.branch).unwrap_or_default();
    let saying = Saying { place, code: &code, before, known };
    let said = saying.all((&stacks, &homes), catalogue, (&broken, &was_broken));
    let mut touched = |changed: &Paths| match changed {
        Paths::All(paths) => {
            let mut touched = kept.index.touched((&code, &said), paths);
            disinherited::add(&mut touched, (&said, &saying.known), paths);
            touched
        }
        Paths::Unknown => BTreeMap::new(),
    };
    let (by_code, own) = (touched(changed), own.map(&mut touched));
    let hidden = hidden.iter().map(|folder| {
        format!("{folder} is a submodule, or a link leads from it elsewhere; what it said stays")
    });
    let faults = code.faults().iter().map(ToString::to_string);
    let is_cut = |said: &&Said| said.blueprint.facts.as_ref().is_some_and(|facts| facts.is_cut());
    let cut = said.iter().filter(is_cut).map(|said| {
        let folder = register::shown(&said.blueprint.path);
        format!("{folder} asks for more than is worked out; what it reads beyond is not known")
    });
    let faults = hidden.chain(faults).chain(cut).take(FAULTS_MAX).collect();
    let commit = Some(CommitSha::from(place.commit));
    let blueprints = said.iter().map(|said| said.blueprint.clone()).collect();
    let named = said.into_iter().map(|said| (said.blueprint.name.clone(), said));
    kept.said.insert(place.branch.to_owned(), named.collect());
    let found = Found { commit, blueprints, broken, faults, ..Found::default() };
    Read { found, by_code, own }
}

/// Finding out what code says of stacks.
struct Saying<'a> {
    place: Place<'a>,
    code: &'a Repository,
    /// What was said when the branch was read last.
    before: HashMap<String, Said>,
    /// What is in the catalogue.
    known: HashMap<(&'a str, &'a str), &'a Arc<Blueprint>>,
}

impl Saying<'_> {
    /// What is said of each stack: by a `stackly.hcl`, or by where it runs alone.
    fn all(
        &self,
        (stacks, homes): (&[&Stack], &Homes<'_>),
        catalogue: &Catalogue,
        (broken, was_broken): (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Vec<Said> {
        let blocks = blocks(self.code, self.place);
        let home = |stack: &Stack| homes.of(stack, self.code).to_owned();
        let taken = Taken::new((self.place, &blocks), stacks, catalogue, home);
        // A file that cannot be read spoke of these before, wherever their code is.
        let unread = self.known.values().filter(|known| known.is_among(was_broken));
        let unread: HashSet<&str> = unread.map(|known| known.path.as_str()).collect();
        // Stacks of the account that run where there is code, and of which no block speaks.
        let plain = stacks.iter().filter_map(|stack| {
            let root = homes.of(stack, self.code);
            let has_its_place = root == stack.project_root.as_str() || homes.was_plain(&stack.id);
            let is_plain = self.code.has_code(root)
                && !taken.has(&stack.id, (root, has_its_place))
                && !broken.contains(root)
                && !unread.contains(root);
            is_plain.then(|| self.plain(stack, root))
        });
        blocks.iter().map(|stack| self.block(stack)).chain(plain).collect()
    }

    /// A block of a `stackly.hcl`.
    fn block(&self, stack: &Arc<StackCode>) -> Said {
        let root = self.code.root(stack.root());
        let by = Some(stack.clone());
        self.said((&stack.name, by, root), || said(self.place, stack))
    }

    /// A stack of the account of which nothing is said but where it runs.
    fn plain(&self, stack: &Stack, folder: &str) -> Said {
        let root = self.code.root(folder);
        self.said((stack.id.as_str(), None, root), || plain(self.place, stack, folder))
    }

    /// What was said before, if nothing that it was made from changed; else what `made` says and
    /// what the code reads of other stacks and keeps for them, whatever their repository.
    fn said(
        &self,
        (name, stack, root): (&str, Option<Arc<StackCode>>, Arc<Root>),
        made: impl FnOnce() -> Blueprint,
    ) -> Said {
        let stays = |before: &&Said| {
            is_one(before.stack.as_ref(), stack.as_ref())
                && Arc::ptr_eq(&before.root, &root)
                && before.blueprint.repository == self.place.repository
        };
        let before = self.before.get(name).filter(stays).map(|before| &before.blueprint);
        let blueprint = before.cloned().unwrap_or_else(|| {
            let mut blueprint = made();
            let mut providers: BTreeSet<&str> = root.providers.iter().map(String::as_str).collect();
            if let Some(stack) = &stack {
                blueprint.inferred = stack.settings.inferred.clone();
                providers.extend(stack.settings.provider.keys().map(String::as_str));
            }
            blueprint.providers = providers.into_iter().map(str::to_owned).collect();
            let facts = facts_of(&Subject {
                name: &blueprint.name,
                spacelift_id: &blueprint.name,
                root: &blueprint.path,
                repository: self.code,
                variables: &blueprint.variables,
                inferred: &blueprint.inferred,
            });
            blueprint.facts = (!facts.is_empty()).then(|| Arc::new(facts));
            Arc::new(blueprint)
        });
        // One value for what is known and what is read compares quickly from then on.
        let known = self.known.get(&(blueprint.path.as_str(), blueprint.name.as_str()));
        let known = known.filter(|known| known.is_like(&blueprint)).map(|&known| known.clone());
        Said { stack, root, blueprint: known.unwrap_or(blueprint) }
    }
}

/// The folders in which something was said before and nobody can tell whether it still is.
fn hidden(
    code: &Repository,
    known: &HashMap<(&str, &str), &Arc<Blueprint>>,
    moved: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let folders = known.values().map(|it| it.said_in.as_ref().unwrap_or(&it.path));
    let there = folders.filter(|folder| !moved.contains_key(*folder));
    there.filter(|folder| code.is_out_of_sight(folder)).cloned().collect()
}

/// The blueprints of a branch by folder and name.
pub(super) fn by_place<'a>(
    blueprints: &'a [Arc<Blueprint>],
    (repository, branch): (&str, &str),
) -> HashMap<(&'a str, &'a str), &'a Arc<Blueprint>> {
    let here = blueprints.iter().filter(|blueprint| blueprint.is_of(repository, branch));
    here.map(|it| ((it.path.as_str(), it.name.as_str()), it)).collect()
}

/// The stacks of the account that track the branch.
pub(super) fn of_branch<'a>(place: Place<'_>, catalogue: &'a Catalogue) -> Vec<&'a Stack> {
    let is_of = |stack: &&Stack| stack.tracks(place.repository, place.branch);
    catalogue.stacks().iter().filter(is_of).collect()
}

impl Touching {
    /// The stacks that paths touch through modules, links and what they inherit.
    fn touched(
        &mut self,
        (code, said): (&Repository, &[Said]),
        paths: &[String],
    ) -> BTreeMap<String, Reason> {
        let is_same = self.of.len() == said.len()
            && self.of.iter().zip(said).all(|(before, now)| now.is_touched_by_the_same(before));
        if !is_same {
            let watched: Vec<Watched> = said.iter().map(Said::watched).collect();
            *self = Self { index: Index::new(&watched, code), of: said.to_vec() };
        }
        let touches = self.index.touched(paths.iter().map(String::as_str));
        let told = touches.into_iter().map(|touch| {
            let reason = Reason::new(Code::Touched, touch.reason());
            (said[touch.stack].blueprint.name.clone(), reason)
        });
        told.collect()
    }
}

impl Said {
    fn watched(&self) -> Watched {
        let inherits = self.stack.as_ref().map_or_else(Vec::new, |stack| {
            stack.inherits.iter().chain([&stack.spot.file]).cloned().collect()
        });
        Watched { root: self.blueprint.path.clone(), globs: Vec::new(), inherits }
    }

    fn is_touched_by_the_same(&self, other: &Self) -> bool {
        is_one(self.stack.as_ref(), other.stack.as_ref())
            && self.root.is_made_from_the_same(&other.root)
            && self.blueprint.path == other.blueprint.path
    }
}

/// Whether both are one value.
fn is_one<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

fn code_edge(edge: &code::Edge) -> CodeEdge {
    CodeEdge {
        on: edge.on.clone(),
        declared: edge.origin.is_declared(),
        file: edge.spot.file.clone(),
        line: u32::try_from(edge.spot.line).unwrap_or(u32::MAX),
        why: edge.reason.clone(),
        outputs: outputs_of(edge),
    }
}

/// A block of a `stackly.hcl`.
fn said(place: Place<'_>, stack: &StackCode) -> Blueprint {
    Blueprint {
        said_in: (stack.folder != stack.root()).then(|| stack.folder.clone()),
        stack: stack.settings.spacelift.stack.as_deref().map(StackId::from),
        space: stack.settings.spacelift.space.clone(),
        autodeploy: stack.settings.spacelift.autodeploy,
        settings: wanted(&stack.settings),
        labels: stack.settings.told_as_labels(),
        owners: stack.settings.owners.clone(),
        watch: stack.settings.watch.clone(),
        edges: stack.declared.iter().map(code_edge).collect(),
        variables: stack.settings.variables.clone(),
        cloud_accounts: stack.settings.cloud_accounts(),
        parallel: stack.settings.limits.parallel,
        limits: said_limits(&stack.settings),
        drift: stack.settings.drift.clone().filter(Drift::is_due_ever).map(Box::new),
        ..place.blueprint(stack.root(), stack.name.clone())
    }
}

/// What is to be chosen for a stack and matters to no plan.
fn wanted(said: &Settings) -> Option<Box<catalogue::Settings>> {
    let spacelift = &said.spacelift;
    let wanted = catalogue::Settings {
        description: said.description.clone(),
        tool: spacelift.tool.map(|tool| tool.as_str().to_owned()),
        tool_version: spacelift.tool_version.clone(),
        worker_pool: spacelift.worker_pool.clone(),
        runner_image: spacelift.runner_image.clone(),
        administrative: spacelift.administrative,
        protect_from_deletion: spacelift.protect_from_deletion,
    };
    (wanted != catalogue::Settings::default()).then(|| Box::new(wanted))
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

/// The code of a stack because it is where the stack runs.
fn plain(place: Place<'_>, stack: &Stack, folder: &str) -> Blueprint {
    let named = stack.id.to_string();
    Blueprint { stack: Some(stack.id.clone()), plain: true, ..place.blueprint(folder, named) }
}
