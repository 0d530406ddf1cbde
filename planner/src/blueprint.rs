//! What code says of one stack: the block of a `stackly.hcl`, and what was read from the Terraform
//! beside it. A value; reading it is done by `crates/code`, finding it by [`crate::mirror`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use code::{
    Facts, Origin,
    settings::{Drift, Inferred},
};
use contracts::{
    CommitSha, StackId,
    chain::{EdgeOrigin, SaidLimit},
};
use serde::{Deserialize, Serialize};

use crate::{
    branches::Branches,
    catalogue::{Settings, Stack, is_same_repository, repository_key},
};

/// Where no blueprint is.
pub(crate) const NO_BLUEPRINT: u32 = u32::MAX;

/// What code says of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// `owner/name`, as the stacks of the account write it.
    pub repository: String,
    /// The branch it was read from.
    pub branch: String,
    /// The folder of the code; empty for the root.
    pub path: String,
    /// What the code calls the stack.
    pub name: String,
    /// The folder of the file that says it, where that is another one than that of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_in: Option<String>,
    /// The commit it was read from.
    pub commit: CommitSha,
    /// The stack of the account that it is, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<StackId>,
    /// Nothing says anything of it: it is the code of a stack because it is where the stack runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// The space it is to be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Whether it is to apply without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autodeploy: Option<bool>,
    /// What else its code wants to be chosen for it; none if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
    /// Labels it adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// More files whose changes touch it, as globs from the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<CodeEdge>,
    /// Values for its variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, serde_json::Value>,
    /// The providers its code needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// The accounts at clouds that it says it touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cloud_accounts: Vec<String>,
    /// The most runs at once among the stacks that share one of its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// The most runs at once at the accounts it names, or of its providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<SaidLimit>,
    /// When it is compared with the real world, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Box<Drift>>,
    /// What its code reads of others and keeps for them; none if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "packed")]
    pub facts: Option<Arc<Facts>>,
    /// What its `stackly.hcl` says of edges that follow from that.
    #[serde(default, skip_serializing_if = "says_nothing")]
    pub inferred: Inferred,
}

impl Blueprint {
    /// Code of a repository and branch of which nothing is known but where it is.
    pub(crate) fn bare(
        (repository, branch): (String, String),
        path: String,
        name: String,
        commit: CommitSha,
    ) -> Self {
        Self {
            repository,
            branch,
            path,
            name,
            said_in: None,
            commit,
            stack: None,
            plain: false,
            space: None,
            autodeploy: None,
            settings: None,
            labels: Vec::new(),
            owners: Vec::new(),
            watch: Vec::new(),
            edges: Vec::new(),
            variables: BTreeMap::new(),
            providers: Vec::new(),
            cloud_accounts: Vec::new(),
            parallel: None,
            limits: Vec::new(),
            drift: None,
            facts: None,
            inferred: Inferred::default(),
        }
    }
}

fn says_nothing(inferred: &Inferred) -> bool {
    *inferred == Inferred::default()
}

/// Facts as one text: what cannot be known stands in them as a character that Postgres does not
/// take within JSON.
mod packed {
    use std::sync::Arc;

    use code::Facts;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

    pub(super) fn serialize<S: Serializer>(
        facts: &Option<Arc<Facts>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match facts {
            None => serializer.serialize_none(),
            Some(facts) => {
                let text = serde_json::to_string(&**facts).map_err(S::Error::custom)?;
                serializer.serialize_str(&text)
            }
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<Facts>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        serde_json::from_str(&text).map(|facts| Some(Arc::new(facts))).map_err(D::Error::custom)
    }
}

/// Which code a stack belongs to, because a person said so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adoption {
    /// The stack.
    pub stack: StackId,
    /// The repository of the code, in lower case.
    pub repository: String,
    /// Its branch.
    pub branch: String,
    /// Its folder.
    pub path: String,
    /// What the code calls the stack.
    pub name: String,
}

/// A stack that code waits for, because of one of its lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CodeEdge {
    /// What the code calls the other stack.
    pub on: String,
    /// Written down as a dependency; otherwise inferred.
    pub declared: bool,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, counted from one.
    pub line: u32,
    /// Why, as a sentence.
    pub why: String,
    /// The outputs it reads of the other stack, `*` for all of them; none if it may read something
    /// else, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// All outputs of a stack.
const EVERY_OUTPUT: &str = "*";

/// The outputs that a line of code reads of another stack, if it reads nothing else of it.
pub fn outputs_of(edge: &code::Edge) -> Vec<String> {
    match edge.origin {
        Origin::Input => edge.references.iter().map(|it| it.output.clone()).collect(),
        // Which ones it takes of a whole state is not always seen.
        Origin::RemoteState => vec![EVERY_OUTPUT.to_owned()],
        Origin::Terragrunt if !edge.references.is_empty() => vec![EVERY_OUTPUT.to_owned()],
        Origin::Terragrunt | Origin::DependsOn | Origin::SpaceliftDependency | Origin::LookUp => {
            Vec::new()
        }
    }
}

impl CodeEdge {
    /// The edge's origin, as chains record it.
    pub fn origin(&self) -> EdgeOrigin {
        let (file, line, outputs) = (self.file.clone(), self.line, self.outputs.clone());
        match self.declared {
            true => EdgeOrigin::Declared { file, line, outputs },
            false => EdgeOrigin::Inferred { file, line, why: self.why.clone(), outputs },
        }
    }
}

impl Blueprint {
    /// What it is known by: repository, branch, folder and name.
    pub fn place(&self) -> (String, &str, &str, &str) {
        (repository_key(&self.repository), &self.branch, &self.path, &self.name)
    }

    /// Whether it is one of these: names of stacks, and folders whose files cannot be read.
    pub fn is_among(&self, broken: &BTreeSet<String>) -> bool {
        broken.contains(self.said_in.as_ref().unwrap_or(&self.path)) || broken.contains(&self.name)
    }

    /// Whether it is of this repository and branch.
    pub fn is_of(&self, repository: &str, branch: &str) -> bool {
        self.branch == branch && is_same_repository(&self.repository, repository)
    }

    /// Whether both are the same, whatever the commit. Quick for one value in two hands.
    pub fn is_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || *self == Self { commit: self.commit.clone(), ..other.clone() }
    }

    /// Whether both say the same of the stack, whatever their code reads of others and needs.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || self.is_like(&Self {
                said_in: self.said_in.clone(),
                facts: self.facts.clone(),
                providers: self.providers.clone(),
                cloud_accounts: self.cloud_accounts.clone(),
                ..other.clone()
            })
    }
}

/// How a blueprint finds its stack; the first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    /// A person gave it to the stack.
    Adoption,
    /// It names the stack.
    Id,
    /// It is called like the stack's id.
    Name,
}

/// Which blueprint each stack is made from, by [`By`]; else the only one in the folder it runs in,
/// if no other stack runs there. What is said on another branch, or in another repository, than the
/// one that the stack runs from counts only where that one says nothing; of another repository only
/// if that is known, too.
pub(crate) fn assign(
    stacks: &[Stack],
    blueprints: &[Arc<Blueprint>],
    adoptions: &[Adoption],
    read: &Branches,
) -> Vec<u32> {
    let mut made_from = vec![NO_BLUEPRINT; stacks.len()];
    if blueprints.is_empty() {
        return made_from;
    }
    let position = |id: &StackId| stacks.binary_search_by(|stack| stack.id.cmp(id)).ok();
    let mut given = HashMap::new();
    for adoption in adoptions {
        let Adoption { stack, repository, branch, path, name } = adoption;
        let place = (repository.clone(), branch.as_str(), path.as_str(), name.as_str());
        given.insert(place, stack);
    }
    let (mut here, mut elsewhere, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (number, blueprint) in (0_u32..).zip(blueprints) {
        let tracks = |at: usize| stacks[at].tracks(&blueprint.repository, &blueprint.branch);
        let given = || given.get(&blueprint.place()).and_then(|stack| position(stack));
        let said = match &blueprint.stack {
            Some(id) => position(id).map(|at| (By::Id, at)),
            None => given().map(|at| (By::Adoption, at)),
        };
        match said {
            Some((by, at)) if tracks(at) => here.push((by, number, at)),
            Some((By::Id, at)) if !read.let_count(&blueprint.repository, &stacks[at]) => {}
            Some((by, at)) => elsewhere.push((by, number, at)),
            None if blueprint.stack.is_some() => {}
            None => match position(&blueprint.name.as_str().into()).filter(|&at| tracks(at)) {
                Some(at) => here.push((By::Name, number, at)),
                None => left.push((number, blueprint)),
            },
        }
    }
    let take = |made_from: &mut Vec<u32>, mut claims: Vec<(By, u32, usize)>| {
        claims.sort_unstable();
        for (_, number, at) in claims {
            if made_from[at] == NO_BLUEPRINT {
                made_from[at] = number;
            }
        }
    };
    take(&mut made_from, here);
    by_folder(stacks, left, &mut made_from);
    take(&mut made_from, elsewhere);
    made_from
}

/// Gives blueprints of which nothing else says whose they are to the stacks that run in their
/// folders, where one and one are there.
fn by_folder(stacks: &[Stack], left: Vec<(u32, &Arc<Blueprint>)>, made_from: &mut [u32]) {
    let mut free: HashMap<(String, &str, &str), Vec<usize>> = HashMap::new();
    for (at, stack) in stacks.iter().enumerate().filter(|(at, _)| made_from[*at] == NO_BLUEPRINT) {
        let key = (repository_key(&stack.repository), stack.branch.as_str(), &*stack.project_root);
        free.entry(key).or_default().push(at);
    }
    let mut by_folder: HashMap<_, Vec<u32>> = HashMap::new();
    for (number, blueprint) in left {
        let (repository, branch, path, _) = blueprint.place();
        by_folder.entry((repository, branch, path)).or_default().push(number);
    }
    for (folder, numbers) in by_folder {
        let stacks = free.get(&folder).map(Vec::as_slice);
        if let (Some([position]), [number]) = (stacks, numbers.as_slice()) {
            made_from[*position] = *number;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
