//! Where the code of a stack is that does not run where its code lies: a folder that was renamed
//! takes its stack along, whether or not its project root in Spacelift follows.

use std::collections::{BTreeMap, HashMap, HashSet};

use code::Repository;
use contracts::StackId;

use crate::{
    blueprint::{Adoption, Blueprint},
    catalogue::{Stack, repository_key},
    known::Known,
    register::{Found, Registered, State, Status},
};

/// The folder in which the code of each stack was last, or into which that was renamed.
pub(super) struct Homes<'a> {
    last: HashMap<&'a StackId, &'a str>,
    /// Where stacks run.
    roots: HashSet<&'a str>,
    /// Stacks that had the code of a folder because they ran there.
    were_plain: HashSet<&'a StackId>,
}

impl<'a> Homes<'a> {
    pub(super) fn new(
        states: &'a [State],
        moved: &'a BTreeMap<String, String>,
        stacks: &[&'a Stack],
        said: impl Iterator<Item = &'a Blueprint>,
    ) -> Self {
        let known = states.iter().filter(|state| state.status != Status::Retired);
        let last = known.map(|state| (&state.stack, moved_to(moved, &state.code.path)));
        let roots = stacks.iter().map(|stack| stack.project_root.as_str());
        let were_plain = said.filter(|it| it.plain).filter_map(|it| it.stack.as_ref());
        Self { last: last.collect(), roots: roots.collect(), were_plain: were_plain.collect() }
    }

    /// Where the code of a stack may be besides where it runs; where another stack runs only if they
    /// had it together.
    pub(super) fn elsewhere(&self, stack: &StackId) -> Option<&'a str> {
        let is_free = |folder: &&str| !self.roots.contains(folder) || self.was_plain(stack);
        self.last.get(stack).copied().filter(is_free)
    }

    /// Whether a stack had its code because it ran where that is.
    pub(super) fn was_plain(&self, stack: &StackId) -> bool {
        self.were_plain.contains(stack)
    }

    /// Where the code of a stack is, if nothing says it but where the stack runs, or ran.
    pub(super) fn of(&self, stack: &'a Stack, code: &Repository) -> &'a str {
        let root = stack.project_root.as_str();
        if code.has_code(root) {
            return root;
        }
        self.elsewhere(&stack.id).filter(|folder| code.has_code(folder)).unwrap_or(root)
    }
}

fn moved_to<'a>(moved: &'a BTreeMap<String, String>, folder: &'a str) -> &'a str {
    moved.get(folder).map_or(folder, String::as_str)
}

/// Blocks that stay those of their stacks although they are no more in the folder in which these
/// run: no name leads from the one to the other, so it is kept like the word of a person.
pub(super) fn adoptions(before: &Registered, found: &Found, known: &Known) -> Vec<Adoption> {
    let catalogue = &known.catalogue;
    let has_code = |state: &State| {
        let position = catalogue.position(&state.stack);
        position.is_none_or(|position| catalogue.blueprint(position).is_some())
    };
    let is_lost = |state: &&State| state.status == Status::Active && !has_code(state);
    let lost: Vec<&State> = before.states.iter().filter(is_lost).collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let free: Vec<&Blueprint> = catalogue.unmade().filter(|it| it.stack.is_none()).collect();
    let adopted = lost.into_iter().filter_map(|state| {
        let position = catalogue.position(&state.stack)?;
        let folder = moved_to(&found.moved, &state.code.path);
        if folder == &*catalogue.stacks()[position].project_root {
            return None;
        }
        let is_there = |it: &&&Blueprint| {
            it.path == folder && it.is_of(&state.code.repository, &state.code.branch)
        };
        let there: Vec<&Blueprint> = free.iter().filter(is_there).copied().collect();
        let same = there.iter().find(|it| it.name == state.code.name);
        let only = || if let [one] = &there[..] { Some(one) } else { None };
        let block = same.or_else(only)?;
        Some(Adoption {
            stack: state.stack.clone(),
            repository: repository_key(&block.repository),
            branch: block.branch.clone(),
            path: block.path.clone(),
            name: block.name.clone(),
        })
    });
    // Two stacks cannot both be one block's.
    let mut places = HashSet::new();
    adopted.filter(|it| places.insert((it.path.clone(), it.name.clone()))).collect()
}
