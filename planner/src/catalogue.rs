//! The catalogue: what is known of the stacks of the account. A value, made once per version.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::{SpaceId, StackId, chain::WorkerPool};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    blueprint::{self, Adoption, Blueprint, CodeEdge},
    inferred::{self, Inference},
    touch::Watch,
};

/// A stack that another one waits for, as Spacelift knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// The parent.
    pub on: StackId,
    /// Outputs it hands over, `OUTPUT -> INPUT`.
    pub references: Vec<String>,
}

/// The host of a repository, as far as it matters to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// github.com.
    Github,
    /// bitbucket.org.
    Bitbucket,
    /// Any other. A GitLab may be anybody's own: Spacelift does not tell them apart.
    #[default]
    Other,
}

impl Provider {
    /// The host that Spacelift spells like this.
    pub fn of(text: &str) -> Self {
        match text {
            "GITHUB" => Self::Github,
            "BITBUCKET_CLOUD" => Self::Bitbucket,
            _ => Self::Other,
        }
    }

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Bitbucket => "bitbucket",
            Self::Other => "other",
        }
    }

    /// What was stored like this.
    pub fn stored(text: &str) -> Self {
        let all = [Self::Github, Self::Bitbucket];
        all.into_iter().find(|one| one.as_str() == text).unwrap_or_default()
    }
}

/// One stack of the account, as far as planning needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its slug.
    pub id: StackId,
    /// Its name, for people.
    pub name: String,
    /// Its space.
    pub space: SpaceId,
    /// Its labels.
    pub labels: Vec<String>,
    /// The host of its repository.
    #[serde(default)]
    pub provider: Provider,
    /// `namespace/repository`, as Spacelift writes it.
    pub repository: String,
    /// The branch it tracks.
    pub branch: String,
    /// The folder whose changes touch it; empty for the whole repository.
    pub project_root: String,
    /// Further paths whose changes touch it.
    pub globs: Vec<String>,
    /// It applies without asking.
    pub autodeploy: bool,
    /// It cannot run.
    pub disabled: bool,
    /// What Spacelift itself lets it wait for, each parent once.
    pub depends_on: Vec<Dependency>,
    /// The worker pool it runs in; none before the account was read by a build that asks.
    #[serde(default)]
    pub worker_pool: Option<WorkerPool>,
    /// What gives its runs their rights at clouds, by name.
    #[serde(default)]
    pub cloud_accounts: Vec<String>,
}

impl Stack {
    /// The same stack in the one spelling that is compared, digested and stored, so that neither
    /// the order of an answer nor a stray slash makes a new version.
    #[must_use]
    fn normalised(mut self) -> Self {
        self.labels.sort();
        self.labels.dedup();
        self.globs.sort();
        self.globs.dedup();
        self.cloud_accounts.sort();
        self.cloud_accounts.dedup();
        self.project_root = folder(&self.project_root);
        let mut parents: BTreeMap<StackId, BTreeSet<String>> = BTreeMap::new();
        for dependency in self.depends_on {
            parents.entry(dependency.on).or_default().extend(dependency.references);
        }
        let merged = parents.into_iter().map(|(on, references)| Dependency {
            on,
            references: references.into_iter().collect(),
        });
        self.depends_on = merged.collect();
        self
    }

    /// Whether a new head of this branch of this repository is what the stack runs on.
    pub fn tracks(&self, repository: &str, branch: &str) -> bool {
        self.branch == branch && repository_key(&self.repository) == repository_key(repository)
    }
}

/// What two spellings of one repository have in common: hosts ignore the case of its name.
pub fn repository_key(full_name: &str) -> String {
    full_name.trim_matches('/').to_lowercase()
}

/// `./a//b/` and `/a/b` are the folder `a/b`; `.` and `/` are the whole repository, an empty text.
pub(crate) fn folder(path: &str) -> String {
    let segments: Vec<&str> =
        path.trim().split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    segments.join("/")
}

/// Something in the account that does not fit; it hinders nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The stack it was found at.
    pub stack: StackId,
    /// One sentence: what does not fit and what is done about it.
    pub text: String,
}

/// All stacks of the account in one version, with what is needed to find them.
#[derive(Debug, Default)]
pub struct Catalogue {
    version: i64,
    stacks: Vec<Stack>,
    blueprints: Vec<Blueprint>,
    adoptions: Vec<Adoption>,
    /// Which blueprint each stack is made from; none is [`NO_BLUEPRINT`].
    made_from: Vec<u32>,
    inference: Inference,
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
    /// The catalogue of these stacks, in whatever order they come, with no code known.
    pub fn new(version: i64, stacks: Vec<Stack>) -> Self {
        Self::with_code(version, stacks, Vec::new())
    }

    /// The catalogue of these stacks and of what code says of them, in whatever order they come.
    pub fn with_code(version: i64, stacks: Vec<Stack>, blueprints: Vec<Blueprint>) -> Self {
        Self::with_adoptions(version, stacks, blueprints, Vec::new())
    }

    /// The same, where people said of some stacks which code they belong to.
    pub fn with_adoptions(
        version: i64,
        stacks: Vec<Stack>,
        mut blueprints: Vec<Blueprint>,
        adoptions: Vec<Adoption>,
    ) -> Self {
        let stacks = ordered(stacks);
        blueprints.sort_by(|a, b| a.place().cmp(&b.place()));
        let made_from = blueprint::assign(&stacks, &blueprints, &adoptions);
        let watched = |position: usize| match blueprints.get(made_from[position] as usize) {
            Some(blueprint) => blueprint.watch.as_slice(),
            None => &[],
        };
        let mut tracked: BTreeMap<(String, &str), Vec<usize>> = BTreeMap::new();
        for (position, stack) in stacks.iter().enumerate() {
            let key = (repository_key(&stack.repository), stack.branch.as_str());
            tracked.entry(key).or_default().push(position);
        }
        let mut repositories: HashMap<String, Repository> = HashMap::new();
        let mut faults = Vec::new();
        for ((key, branch), members) in tracked {
            let Stack { repository: name, provider, .. } = &stacks[members[0]];
            let (name, provider) = (name.clone(), *provider);
            let (watch, found) = Watch::new(&stacks, watched, members);
            faults.extend(found);
            repositories
                .entry(key)
                .or_insert_with(|| Repository { name, provider, branches: BTreeMap::new() })
                .branches
                .insert(branch.to_owned(), watch);
        }
        let inference = inferred::infer(&stacks, &blueprints, &made_from);
        Self { version, stacks, blueprints, adoptions, made_from, inference, repositories, faults }
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
        self.stacks.binary_search_by(|stack| stack.id.cmp(id)).ok()
    }

    /// What code says of the stack at this position, where that is known.
    pub fn blueprint(&self, position: usize) -> Option<&Blueprint> {
        self.blueprints.get(*self.made_from.get(position)? as usize)
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
    pub fn blueprints(&self) -> &[Blueprint] {
        &self.blueprints
    }

    /// What people said of stacks and their code.
    pub fn adoptions(&self) -> &[Adoption] {
        &self.adoptions
    }

    /// How many stacks have code that is known.
    pub fn made(&self) -> usize {
        self.made_from.iter().filter(|&&number| number != blueprint::NO_BLUEPRINT).count()
    }

    /// What code says of stacks that are not in the account.
    pub fn unmade(&self) -> impl Iterator<Item = &Blueprint> {
        let made: BTreeSet<u32> = self.made_from.iter().copied().collect();
        let numbered = (0_u32..).zip(&self.blueprints);
        numbered.filter(move |(number, _)| !made.contains(number)).map(|(_, blueprint)| blueprint)
    }

    /// The repository of this name, if any stack is made from it.
    pub fn repository(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.get(&repository_key(full_name))
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
    pub fn labels(&self, position: usize) -> Vec<String> {
        let mut labels = self.stacks[position].labels.clone();
        if let Some(blueprint) = self.blueprint(position) {
            labels.extend(blueprint.labels.iter().cloned());
            labels.sort();
            labels.dedup();
        }
        labels
    }

    /// The same, as they come.
    pub fn labels_of(&self, position: usize) -> impl Iterator<Item = &str> {
        let code = self.blueprint(position).map_or(&[][..], |blueprint| &blueprint.labels);
        self.stacks[position].labels.iter().chain(code).map(String::as_str)
    }

    /// What does not fit about single stacks.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// Normalised, by id, each id once.
pub(crate) fn ordered(stacks: Vec<Stack>) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = stacks.into_iter().map(Stack::normalised).collect();
    stacks.sort_by(|a, b| a.id.cmp(&b.id));
    // A stack that moved while the account was read page by page may come twice.
    stacks.dedup_by(|a, b| a.id == b.id);
    stacks
}

/// Equal for two readings of the account that say the same.
pub(crate) fn digest(stacks: &[Stack]) -> Uuid {
    let text = serde_json::to_vec(stacks).expect("stacks are plain data");
    Uuid::new_v5(&contracts::id::NAMESPACE, &text)
}

mod scarce;

#[cfg(test)]
pub(crate) mod tests;
