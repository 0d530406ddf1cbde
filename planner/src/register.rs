//! The register of stacks that have code: what a reading of the code changes in it.
//!
//! A stack of the account with code is *active*. When its code is gone, it is *loose*: what it made
//! is still there. When the account has it no more, it is *retired*. Code that moved takes its
//! stack along, and code that cannot be read just now is not gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use contracts::{
    Code, CommitSha, Outgoing, Reason, StackId,
    stack::{
        CodePlace, StackLoosened, StackReassociated, StackRegistered, StackRetired, StackUpdated,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    blueprint::{Adoption, Blueprint},
    known::Known,
    mirror::Circle,
    phrase,
};

/// How a stack with code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has code.
    Active,
    /// Its code is gone, and what it made is not.
    Loose,
    /// The account has it no more.
    Retired,
}

impl Status {
    /// The status as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Loose => "loose",
            Self::Retired => "retired",
        }
    }
}

/// A stack in the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The stack.
    pub stack: StackId,
    /// Its code; if that is gone, where it was last.
    pub code: CodePlace,
    /// How it stands.
    pub status: Status,
    /// Why.
    pub reason: Reason,
}

/// What a reading of the code of one branch found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The commit that was read.
    pub commit: Option<CommitSha>,
    /// What the code says, of every stack of the branch.
    pub blueprints: Vec<Arc<Blueprint>>,
    /// Names of stacks and folders that are there but cannot be read.
    pub broken: BTreeSet<String>,
    /// Folders that were renamed since the last reading, old to new.
    pub moved: BTreeMap<String, String>,
    /// What is wrong with the code, for people.
    pub faults: Vec<String>,
}

/// What changed in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It has code.
    Registered,
    /// Its code says something else.
    Updated,
    /// Its code is gone.
    Loosened,
    /// Its code is in another place.
    Reassociated,
    /// The account has it no more.
    Retired,
}

/// What a reading changes in the register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// The repository, as its stacks write it.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit that was read.
    pub commit: Option<CommitSha>,
    /// The stacks that changed, and what changed.
    pub changes: Vec<(What, State)>,
    /// Folders whose code says something else than before, with all that it says; nothing if the
    /// code is gone.
    pub folders: BTreeMap<String, Vec<Arc<Blueprint>>>,
    /// Blocks that stay those of stacks that run elsewhere.
    pub adoptions: Vec<Adoption>,
    /// What is wrong with the code, for people.
    pub faults: Vec<String>,
}

impl Found {
    /// Keeps what was said before by code that is there but cannot be read just now.
    #[must_use]
    pub fn with_broken_as_before(mut self, before: &[Arc<Blueprint>]) -> Self {
        if self.broken.is_empty() {
            return self;
        }
        let is_broken = |old: &Arc<Blueprint>| {
            self.broken.contains(&old.path) || self.broken.contains(&old.name)
        };
        let is_read = |old: &Arc<Blueprint>| {
            self.blueprints.iter().any(|new| new.path == old.path && new.name == old.name)
        };
        // What was renamed and cannot be read is where it was renamed to.
        let there = |old: &Arc<Blueprint>| match self.moved.get(&old.path) {
            Some(new) if self.broken.contains(new) && !self.broken.contains(&old.path) => {
                Arc::new(Blueprint { path: new.clone(), ..(**old).clone() })
            }
            _ => old.clone(),
        };
        let kept: Vec<Arc<Blueprint>> =
            before.iter().map(there).filter(is_broken).filter(|old| !is_read(old)).collect();
        self.blueprints.extend(kept);
        self
    }
}

impl Registration {
    /// Nothing changes, because what was found closes a circle.
    pub fn refused((repository, branch): (&str, &str), found: &Found, circle: &str) -> Self {
        let fault = format!("the code is left as it was, because it closes a circle: {circle}");
        Self {
            repository: repository.to_owned(),
            branch: branch.to_owned(),
            commit: found.commit.clone(),
            faults: std::iter::once(fault).chain(found.faults.iter().cloned()).collect(),
            ..Self::default()
        }
    }

    /// With the circle among the faults that kept some of the code from being taken.
    #[must_use]
    pub fn with_fault(mut self, circle: Option<&Circle>) -> Self {
        if let Some(Circle { text, stacks }) = circle {
            let names = phrase::list(stacks.iter().map(StackId::as_str));
            let fault = format!(
                "the code of {names} is left as it was, because it closes a circle: {text}"
            );
            self.faults.insert(0, fault);
        }
        self
    }

    /// Whether anything that the graph is made of changed.
    pub fn changes_the_graph(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The events that tell of it.
    pub fn events(&self) -> impl Iterator<Item = Outgoing> + '_ {
        self.changes.iter().map(|(what, state)| {
            let State { stack, code, reason, .. } = state.clone();
            match what {
                What::Registered => Outgoing::new(&StackRegistered { stack, code, reason }),
                What::Updated => Outgoing::new(&StackUpdated { stack, code, reason }),
                What::Loosened => Outgoing::new(&StackLoosened { stack, code, reason }),
                What::Reassociated => Outgoing::new(&StackReassociated { stack, code, reason }),
                What::Retired => Outgoing::new(&StackRetired { stack, code, reason }),
            }
        })
    }
}

/// What is registered of one branch before a reading.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// The stacks.
    pub states: Arc<Vec<State>>,
    /// What the code said.
    pub blueprints: Vec<Arc<Blueprint>>,
}

/// What `found` changes in what is registered. `known` is made with what was found.
pub fn register(
    branch: (&str, &str),
    before: &Registered,
    found: &Found,
    known: &Known,
) -> Registration {
    let (repository, branch) = branch;
    let old: HashMap<&StackId, &State> =
        before.states.iter().map(|state| (&state.stack, state)).collect();
    let said: HashMap<(&str, &str), &Blueprint> = before
        .blueprints
        .iter()
        .map(|old| ((old.path.as_str(), old.name.as_str()), &**old))
        .collect();
    let mut changes = Vec::new();
    let mut with_code = HashSet::new();
    for (position, stack) in known.catalogue.stacks().iter().enumerate() {
        let Some(blueprint) = known.catalogue.blueprint(position) else { continue };
        if !blueprint.is_of(repository, branch) {
            continue;
        }
        with_code.insert(&stack.id);
        let was = old.get(&stack.id).copied();
        let said = said.get(&(blueprint.path.as_str(), blueprint.name.as_str())).copied();
        if let Some((what, mut reason)) = what_changed(was, blueprint, said, found) {
            if what == What::Reassociated {
                reason.text.push_str(&runs_elsewhere(&stack.project_root, &blueprint.path));
            }
            let code = place(blueprint);
            let state = State { stack: stack.id.clone(), code, status: Status::Active, reason };
            changes.push((what, state));
        }
    }
    let without = before.states.iter().filter(|state| !with_code.contains(&state.stack));
    changes.extend(without.filter_map(|state| without_code(state, found, known)));
    changes.sort_by(|a, b| a.1.stack.cmp(&b.1.stack));
    Registration {
        repository: repository.to_owned(),
        branch: branch.to_owned(),
        commit: found.commit.clone(),
        changes,
        folders: changed_folders(&before.blueprints, found),
        adoptions: Vec::new(),
        faults: found.faults.clone(),
    }
}

/// What to do about a stack that runs in another folder than its code is in.
fn runs_elsewhere(root: &str, folder: &str) -> String {
    if root == folder {
        return String::new();
    }
    let (root, folder) = (shown(root), shown(folder));
    format!("; Spacelift still runs it in {root}, so set its project root to {folder}")
}

pub(crate) fn place(blueprint: &Blueprint) -> CodePlace {
    CodePlace {
        repository: blueprint.repository.clone(),
        branch: blueprint.branch.clone(),
        path: blueprint.path.clone(),
        name: blueprint.name.clone(),
        commit: blueprint.commit.clone(),
    }
}

fn what_changed(
    was: Option<&State>,
    blueprint: &Blueprint,
    said: Option<&Blueprint>,
    found: &Found,
) -> Option<(What, Reason)> {
    let (name, folder) = (&blueprint.name, shown(&blueprint.path));
    let Some(was) = was.filter(|was| was.status != Status::Retired) else {
        let text = format!("{folder} has the code of it, as {name}");
        return Some((What::Registered, Reason::new(Code::CodeFound, text)));
    };
    let old = shown(&was.code.path);
    if was.status == Status::Loose {
        let text = match was.code.path == blueprint.path {
            true => format!("its code is back in {folder}"),
            false => format!("{folder} has the code of it now, as {name}; it was in {old}"),
        };
        return Some((What::Reassociated, Reason::new(Code::CodeFound, text)));
    }
    if was.code.path != blueprint.path {
        let text = match found.moved.get(&was.code.path) == Some(&blueprint.path) {
            true => format!("{old} was renamed to {folder}"),
            false => format!("{folder} has the code of it now, as {name}; it was in {old}"),
        };
        return Some((What::Reassociated, Reason::new(Code::CodeMoved, text)));
    }
    if was.code.name != *name {
        let text = format!("{folder} calls it {name} now, and not {}", was.code.name);
        return Some((What::Updated, Reason::new(Code::CodeChanged, text)));
    }
    let differs = said.is_none_or(|said| !said.says_the_same_as(blueprint));
    differs.then(|| {
        let text = format!("what the code in {folder} says of it has changed");
        (What::Updated, Reason::new(Code::CodeChanged, text))
    })
}

fn without_code(state: &State, found: &Found, known: &Known) -> Option<(What, State)> {
    let CodePlace { path, name, .. } = &state.code;
    if known.catalogue.position(&state.stack).is_none() {
        let text = "the account has no such stack any more, or our API key may not see it";
        let reason = Reason::new(Code::StackGone, text);
        let retired = State { status: Status::Retired, reason, ..state.clone() };
        return (state.status != Status::Retired).then_some((What::Retired, retired));
    }
    let is_broken = found.broken.contains(path) || found.broken.contains(name);
    if state.status != Status::Active || is_broken {
        return None;
    }
    let folder = shown(path);
    let text = format!(
        "the code in {folder} was deleted, or says no more that it is a stack; what it made is \
         still there"
    );
    let reason = Reason::new(Code::CodeGone, text);
    Some((What::Loosened, State { status: Status::Loose, reason, ..state.clone() }))
}

/// The folders of which the code says something else than before, with all that it says.
fn changed_folders(old: &[Arc<Blueprint>], found: &Found) -> BTreeMap<String, Vec<Arc<Blueprint>>> {
    fn place(blueprint: &Blueprint) -> (&str, &str) {
        (&blueprint.path, &blueprint.name)
    }
    let mut gone: HashMap<(&str, &str), &Blueprint> =
        old.iter().map(|blueprint| (place(blueprint), &**blueprint)).collect();
    let mut news = Vec::new();
    for new in &found.blueprints {
        if !gone.remove(&place(new)).is_some_and(|old| old.is_like(new)) {
            news.push(new.path.as_str());
        }
    }
    let changed = news.into_iter().chain(gone.into_keys().map(|(path, _)| path));
    let mut folders: BTreeMap<String, Vec<Arc<Blueprint>>> =
        changed.map(|path| (path.to_owned(), Vec::new())).collect();
    for new in &found.blueprints {
        if let Some(said) = folders.get_mut(&new.path) {
            said.push(new.clone());
        }
    }
    for said in folders.values_mut() {
        said.sort_by(|a, b| a.name.cmp(&b.name));
    }
    folders
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the root of the repository" } else { folder }
}

#[cfg(test)]
mod tests;
