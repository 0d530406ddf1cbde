//! The register of stacks that have code: what a reading of the code changes in it.
//!
//! A stack of the account with code is *active*. When its code is gone, it is *loose*: what it made
//! is still there. When the account has it no more, it is *retired*. Code that moved takes its
//! stack along, and code that cannot be read just now is not gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use contracts::{Code, Reason, StackId, stack::CodePlace};
use serde::{Deserialize, Serialize};

mod found;
mod registration;

pub use found::Found;
pub use registration::{Registration, What};

use crate::{
    account,
    blueprint::Blueprint,
    catalogue::{Stack, is_same_repository},
    known::Known,
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

impl State {
    /// Whether its code is, or was last, on this branch of this repository.
    pub fn is_of(&self, repository: &str, branch: &str) -> bool {
        self.code.branch == branch && is_same_repository(&self.code.repository, repository)
    }
}

/// What is registered of one branch before a reading.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// The stacks of the branch, those that track it and were of another one, and those that are loose
    /// anywhere: their code may come to this one.
    pub states: Arc<Vec<State>>,
    /// What the code said.
    pub blueprints: Vec<Arc<Blueprint>>,
    /// What of the code could not be read; none if nothing of it ever was.
    pub broken: Option<BTreeSet<String>>,
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
    let is_here = |state: &&State| state.is_of(repository, branch);
    let mut changes = Vec::new();
    let mut with_code = HashSet::new();
    for (position, stack) in known.catalogue.stacks().iter().enumerate() {
        let Some(blueprint) = known.catalogue.blueprint(position) else { continue };
        let was = old.get(&stack.id).copied();
        // What left this branch for another one did not lose its code.
        let is_left = match was {
            Some(was) => was.status != Status::Retired && is_here(&was),
            // What is said elsewhere counts now that this branch is known to say nothing.
            None => before.broken.is_none() && stack.tracks(repository, branch),
        };
        if !blueprint.is_of(repository, branch) && !is_left {
            continue;
        }
        with_code.insert(&stack.id);
        let said = said.get(&(blueprint.path.as_str(), blueprint.name.as_str())).copied();
        if let Some((what, mut reason)) = what_changed(was, blueprint, said, found) {
            if what == What::Reassociated {
                reason.text.push_str(&runs_elsewhere(stack, blueprint));
            }
            let code = place(blueprint);
            let state = State { stack: stack.id.clone(), code, status: Status::Active, reason };
            changes.push((what, state));
        }
    }
    // Of stacks that came from another branch, that one says what became of their code there.
    let without = before.states.iter().filter(is_here);
    let without = without.filter(|state| !with_code.contains(&state.stack));
    changes.extend(without.filter_map(|state| {
        let said = said.get(&(state.code.path.as_str(), state.code.name.as_str())).copied();
        without_code(state, said, found, known)
    }));
    changes.sort_by(|a, b| a.1.stack.cmp(&b.1.stack));
    Registration {
        repository: repository.to_owned(),
        branch: branch.to_owned(),
        commit: found.commit.clone(),
        changes,
        folders: changed_folders(&before.blueprints, found),
        faults: found.faults.clone(),
        broken: (before.broken.as_ref() != Some(&found.broken)).then(|| found.broken.clone()),
        ..Registration::default()
    }
}

/// What to do about a stack that runs other code than what is said of it.
fn runs_elsewhere(stack: &Stack, code: &Blueprint) -> String {
    let mut text = String::new();
    if !stack.tracks(&code.repository, &code.branch) {
        let (there, here) = ((&stack.branch, &stack.repository), (&code.branch, &code.repository));
        text.push_str(&format!(
            "; Spacelift still runs {} of {}, so let it track {} of {}",
            there.0, there.1, here.0, here.1
        ));
    }
    if *stack.project_root != *code.path {
        let (root, folder) = (shown(&stack.project_root), shown(&code.path));
        text.push_str(&format!(
            "; Spacelift still runs it in {root}, so set its project root to {folder}"
        ));
    }
    text
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
    let is_loose = was.status == Status::Loose;
    if !blueprint.is_of(&was.code.repository, &was.code.branch) {
        let CodePlace { repository, branch, .. } = &was.code;
        let text = format!(
            "{folder} on {} of {} has the code of it now, as {name}; it was in {old} on {branch} of \
             {repository}",
            blueprint.branch, blueprint.repository,
        );
        let code = if is_loose { Code::CodeFound } else { Code::CodeMoved };
        return Some((What::Reassociated, Reason::new(code, text)));
    }
    if is_loose {
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

fn without_code(
    state: &State,
    said: Option<&Blueprint>,
    found: &Found,
    known: &Known,
) -> Option<(What, State)> {
    let CodePlace { repository, branch, path, name, .. } = &state.code;
    let Some(position) = known.catalogue.position(&state.stack) else { return retired(state) };
    // It runs on another branch now, which is read for itself; unless this one names it, and may.
    let stack = &known.catalogue.stacks()[position];
    let is_named = said.is_some_and(|said| !said.plain && said.stack.is_some())
        && known.catalogue.read().let_count(repository, stack);
    if !is_named && !stack.tracks(repository, branch) {
        return None;
    }
    let is_broken = found.broken.contains(path)
        || found.broken.contains(name)
        || said.is_some_and(|said| said.is_among(&found.broken));
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

fn retired(state: &State) -> Option<(What, State)> {
    let reason = account::gone();
    let retired = State { status: Status::Retired, reason, ..state.clone() };
    (state.status != Status::Retired).then_some((What::Retired, retired))
}

/// What changes in a branch that no stack tracks any more: those of its stacks are retired that the
/// account has no more. Its code is not read for that.
pub fn retire(branch: (&str, &str), before: &Registered, known: &Known) -> Registration {
    let is_gone = |state: &&State| {
        state.is_of(branch.0, branch.1) && known.catalogue.position(&state.stack).is_none()
    };
    let gone = before.states.iter().filter(is_gone);
    Registration {
        repository: branch.0.to_owned(),
        branch: branch.1.to_owned(),
        changes: gone.filter_map(retired).collect(),
        ..Registration::default()
    }
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

pub(crate) fn shown(folder: &str) -> &str {
    if folder.is_empty() { "the root of the repository" } else { folder }
}

#[cfg(test)]
mod tests;
