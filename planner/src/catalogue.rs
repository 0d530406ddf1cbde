//! The catalogue: what is known of the stacks of the account. A value, made once per version.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use contracts::{
    Code, List, StackId, Text,
    chain::{CodeLabels, Uses},
};
use serde::{Deserialize, Serialize};

use crate::{
    blueprint::{self, Adoption, Blueprint, CodeEdge},
    branches::Branches,
    graph::{Bits, number},
    inferred::{self, Inference},
    plan::{ForAll, tag},
    touch::Watch,
};

mod marks;
mod scarce;
mod stack;

use marks::Marks;
pub use stack::{Dependency, Provider, Settings, Stack, repository_key};
pub(crate) use stack::{digest, folder, is_same_repository, ordered};

/// Something in the account that does not fit; it hinders nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The stack it was found at.
    pub stack: StackId,
    /// One sentence: what does not fit and what is done about it.
    pub text: String,
}

/// Stacks whose code is gone, each with the repository and the branch that had it last.
pub type Loose = BTreeMap<StackId, (String, String)>;

/// All stacks of the account in one version, with what is needed to find them.
#[derive(Debug, Default)]
pub struct Catalogue {
    version: i64,
    stacks: Vec<Stack>,
    blueprints: Vec<Arc<Blueprint>>,
    adoptions: Vec<Adoption>,
    read: Branches,
    /// The stacks that are registered as loose, whether or not they are known to have code again.
    loose: Loose,
    /// Which blueprint each stack is made from; none is [`blueprint::NO_BLUEPRINT`].
    made_from: Vec<u32>,
    inference: Inference,
    marks: Marks,
    disabled: Bits,
    by_tag: Bits,
    repositories: HashMap<String, Repository>,
    faults: Vec<Fault>,
}

/// The stacks of one repository.
#[derive(Debug)]
pub struct Repository {
    /// Its name as the stacks write it.
    pub name: String,
    /// Its host.
    pub provider: Provider,
    /// The branches tracked, and what touches the stacks that track them.
    pub branches: BTreeMap<String, Watch>,
}

impl Catalogue {
    /// The catalogue of these stacks, of what code says of them on the branches that were read, and
    /// of what people said of which code they belong to, in whatever order they come.
    pub fn new(
        version: i64,
        stacks: Vec<Stack>,
        mut blueprints: Vec<Arc<Blueprint>>,
        adoptions: Vec<Adoption>,
        read: Branches,
    ) -> Self {
        let stacks = ordered(stacks);
        blueprints.sort_by(|a, b| a.place().cmp(&b.place()));
        let made_from = blueprint::assign(&stacks, &blueprints, &adoptions, &read);
        let watched = |position: usize| match blueprints.get(made_from[position] as usize) {
            Some(blueprint) => blueprint.watch.as_slice(),
            None => &[],
        };
        let mut repositories: HashMap<String, Repository> = HashMap::new();
        let mut faults = Vec::new();
        for ((key, branch), members) in tracked(&stacks) {
            let Stack { repository: name, provider, .. } = &stacks[members[0] as usize];
            let (name, provider) = (name.to_string(), *provider);
            let (watch, found) = Watch::new(&stacks, watched, members);
            faults.extend(found);
            repositories
                .entry(key)
                .or_insert_with(|| Repository { name, provider, branches: BTreeMap::new() })
                .branches
                .insert(branch.to_owned(), watch);
        }
        faults.extend(elsewhere(&stacks, &repositories));
        let inference = inferred::infer(&stacks, &blueprints, &made_from);
        let mut disabled = Bits::new(stacks.len());
        for (position, _) in stacks.iter().enumerate().filter(|(_, stack)| stack.disabled) {
            disabled.insert(position);
        }
        let by_tag = Bits::new(stacks.len());
        let marks = Marks::default();
        let mut new = Self {
            version,
            stacks,
            blueprints,
            adoptions,
            read,
            loose: Loose::new(),
            made_from,
            inference,
            marks,
            disabled,
            by_tag,
            repositories,
            faults,
        };
        new.marks = Marks::new(&new);
        for position in 0..new.stacks.len() {
            let labels = new.marks.labels(position).iter().map(Text::as_str);
            if tag::patterns(labels).next().is_some() {
                new.by_tag.insert(position);
            }
        }
        new
    }

    /// The same, where these stacks are registered as loose.
    #[must_use]
    pub fn with_loose(self, loose: Loose) -> Self {
        Self { loose, ..self }
    }

    /// Rises whenever a stack changes; a chain names the version it was planned with.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// All stacks, ordered by id. A position in this slice is what graph and plan reckon with.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// Where a stack stands in [`Catalogue::stacks`].
    pub fn position(&self, id: &StackId) -> Option<usize> {
        self.find(id.as_str())
    }

    /// The same, of an id as somebody wrote it.
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.stacks.binary_search_by(|stack| stack.id.as_str().cmp(id)).ok()
    }

    /// What code says of the stack at this position, where that is known.
    pub fn blueprint(&self, position: usize) -> Option<&Blueprint> {
        self.blueprints.get(*self.made_from.get(position)? as usize).map(Arc::as_ref)
    }

    /// What code says of the stack with this id, likewise.
    pub(crate) fn said_of(&self, id: &StackId) -> Option<&Blueprint> {
        self.blueprint(self.position(id)?)
    }

    /// Everything that code says the stack at this position waits for: what its `stackly.hcl`
    /// declares, then what follows from code, over all repositories.
    pub fn code_edges(&self, position: usize) -> impl Iterator<Item = &CodeEdge> {
        let said = self.blueprint(position).map_or(&[][..], |blueprint| &blueprint.edges);
        let inferred = self.inference.edges.get(&position).map_or(&[][..], Vec::as_slice);
        said.iter().chain(inferred)
    }

    /// What would follow from code if its `stackly.hcl` did not say that it does not wait for it.
    pub fn overruled(&self, position: usize) -> &[CodeEdge] {
        self.inference.overruled.get(&position).map_or(&[], Vec::as_slice)
    }

    /// Everything code says, also of stacks that are not in the account, ordered by place.
    pub fn blueprints(&self) -> &[Arc<Blueprint>] {
        &self.blueprints
    }

    /// What people said of stacks and their code.
    pub fn adoptions(&self) -> &[Adoption] {
        &self.adoptions
    }

    /// The branches whose code was read.
    pub fn read(&self) -> &Branches {
        &self.read
    }

    /// The stacks that are registered as loose.
    pub(crate) fn loose(&self) -> &Loose {
        &self.loose
    }

    /// Those of them whose code is not known to be back. Of one that runs elsewhere now, in a branch
    /// that was never read, nobody knows.
    pub(crate) fn without_code(&self) -> impl Iterator<Item = usize> {
        let there = self.loose.iter().filter_map(|(stack, was)| Some((self.position(stack)?, was)));
        let is_without = |&(position, (repository, branch)): &(usize, &(String, String))| {
            let stack = &self.stacks[position];
            let is_known = stack.tracks(repository, branch)
                || self.read.have(&stack.repository, &stack.branch);
            is_known && self.blueprint(position).is_none()
        };
        there.filter(is_without).map(|(position, _)| position)
    }

    /// How many stacks have code that is known.
    pub fn made(&self) -> usize {
        self.made_from.iter().filter(|&&number| number != blueprint::NO_BLUEPRINT).count()
    }

    /// What code says of stacks that are not in the account, or not known to be those it means.
    pub fn unmade(&self) -> impl Iterator<Item = &Blueprint> {
        let made: BTreeSet<u32> = self.made_from.iter().copied().collect();
        let numbered = (0_u32..).zip(&self.blueprints);
        // Where a stack ran nobody said anything of it.
        numbered
            .filter(move |(number, blueprint)| !blueprint.plain && !made.contains(number))
            .map(|(_, blueprint)| &**blueprint)
    }

    /// The repository of this name, if any stack is made from it.
    pub fn repository(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.get(&repository_key(full_name))
    }

    /// Whether any stack tracks this branch.
    pub fn tracks(&self, repository: &str, branch: &str) -> bool {
        self.repository(repository).is_some_and(|found| found.branches.contains_key(branch))
    }

    /// Every branch that stacks track, with its repository, in order.
    pub fn tracked(&self) -> BTreeSet<(&str, &str)> {
        self.repositories
            .values()
            .flat_map(|repository| {
                let name = repository.name.as_str();
                repository.branches.keys().map(move |branch| (name, branch.as_str()))
            })
            .collect()
    }

    /// The names of all repositories that stacks are made from, in order.
    pub fn repositories(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.repositories.values().map(|repository| repository.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The labels of a stack: those in Spacelift and those its code adds.
    pub fn labels(&self, position: usize) -> &List<Text> {
        self.marks.labels(position)
    }

    /// The stacks with a label that says something of all of a chain.
    pub(crate) fn labelled(&self, label: ForAll) -> &Bits {
        self.marks.having(label)
    }

    /// Those of them that its code alone says.
    pub fn by_code(&self, position: usize) -> CodeLabels {
        CodeLabels { added: self.marks.added(position).clone(), taken: List::default() }
    }

    /// The same, with what code said `before` and does not say any more.
    pub fn by_code_since(&self, position: usize, before: &Self) -> CodeLabels {
        let Some(was) = before.position(&self.stacks[position].id) else {
            return self.by_code(position);
        };
        let taken = before.marks.added(was).iter();
        let taken = taken.filter(|label| !self.labels(position).contains(label));
        CodeLabels { taken: taken.cloned().collect(), ..self.by_code(position) }
    }

    /// All of them; what is said in Spacelift comes first.
    pub fn labels_of(&self, position: usize) -> impl Iterator<Item = &str> {
        let added = self.marks.added(position);
        let own = self.labels(position).iter().filter(|label| !added.contains(label));
        own.chain(added).map(Text::as_str)
    }

    /// What the runs of a stack use that there is only so much of: as Spacelift tells, as its code
    /// says and needs, and as its labels add.
    pub fn uses(&self, position: usize) -> &Uses {
        self.marks.uses(position)
    }

    /// The stacks that cannot run.
    pub(crate) fn disabled(&self) -> &Bits {
        &self.disabled
    }

    /// The stacks that tags deliver, and no push to their branch.
    pub(crate) fn by_tag(&self) -> &Bits {
        &self.by_tag
    }

    /// What does not fit about single stacks.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Of each repository whose name is at several hosts, the first stack that is not where the others are.
fn elsewhere(stacks: &[Stack], repositories: &HashMap<String, Repository>) -> Vec<Fault> {
    let mut told = BTreeSet::new();
    let mut faults = Vec::new();
    for stack in stacks {
        let key = repository_key(&stack.repository);
        let Some(known) = repositories.get(&key) else { continue };
        if known.provider == stack.provider || !told.insert(key) {
            continue;
        }
        let text = format!(
            "made from {} at {}, and others are made from a repository of that name at {}: it is \
             known by its name alone, so a push to either touches both ({})",
            stack.repository,
            stack.provider.phrase(),
            known.provider.phrase(),
            Code::RepositoryAmbiguous,
        );
        faults.push(Fault { stack: stack.id.clone(), text });
    }
    faults
}

/// The stacks by repository and branch, in order.
fn tracked(stacks: &[Stack]) -> BTreeMap<(String, &str), Vec<u32>> {
    let mut as_written: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    for (position, stack) in stacks.iter().enumerate() {
        let key = (stack.repository.as_str(), stack.branch.as_str());
        as_written.entry(key).or_default().push(number(position));
    }
    let mut tracked: BTreeMap<(String, &str), Vec<u32>> = BTreeMap::new();
    for ((repository, branch), members) in as_written {
        let all = tracked.entry((repository_key(repository), branch)).or_default();
        all.extend(members);
        all.sort_unstable();
    }
    tracked
}

#[cfg(test)]
pub(crate) mod tests;
