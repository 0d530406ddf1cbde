//! Which stacks have their code from a block of a `stackly.hcl`, and not because they run where it is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use code::{Repository, StackCode};
use contracts::StackId;

use super::Place;
use crate::{
    blueprint::Adoption,
    catalogue::{Catalogue, Stack, is_same_repository},
};

/// The blocks that are of a branch.
pub(super) fn blocks<'a>(code: &'a Repository, place: Place<'_>) -> Vec<&'a Arc<StackCode>> {
    let is_of_branch = |stack: &&Arc<StackCode>| {
        let branch = stack.settings.spacelift.branch.as_deref();
        branch.is_none_or(|branch| branch == place.branch)
    };
    code.stacks().iter().filter(is_of_branch).collect()
}

/// The stacks of a branch of which no block speaks, and the folders they run in.
pub(in crate::mirror) fn plain_of(
    (code, place): (&Repository, Place<'_>),
    stacks: &[&Stack],
    catalogue: &Catalogue,
) -> Vec<(String, String)> {
    let home = |stack: &Stack| stack.project_root.to_string();
    let taken = Taken::new((place, &blocks(code, place)), stacks, catalogue, home);
    let is_plain = |stack: &&&Stack| !taken.has(&stack.id, (&stack.project_root, true));
    let plain = stacks.iter().filter(is_plain);
    plain.map(|stack| (stack.id.to_string(), stack.project_root.to_string())).collect()
}

/// The blocks of a branch, by whose they are or can be.
pub(super) struct Taken<'a> {
    /// Stacks that a block names, or that a person gave to one.
    spoken_of: HashSet<&'a str>,
    by_root: HashMap<&'a str, Vec<&'a StackCode>>,
    /// Folders in which one block names nobody and one stack is not spoken of: they belong together.
    pairs: HashSet<String>,
}

impl<'a> Taken<'a> {
    /// `home` tells where the code of a stack is.
    pub(super) fn new(
        (place, blocks): (Place<'_>, &[&'a Arc<StackCode>]),
        stacks: &[&'a Stack],
        catalogue: &'a Catalogue,
        home: impl Fn(&Stack) -> String,
    ) -> Self {
        // Nobody takes away what was said of a stack that the account has no more.
        let is_here = |adoption: &&Adoption| {
            adoption.branch == place.branch
                && is_same_repository(&adoption.repository, place.repository)
                && catalogue.position(&adoption.stack).is_some()
        };
        let given: HashMap<(&str, &str), &str> = catalogue
            .adoptions()
            .iter()
            .filter(is_here)
            .map(|it| ((it.path.as_str(), it.name.as_str()), it.stack.as_str()))
            .collect();
        let ids: HashSet<&str> = stacks.iter().map(|stack| stack.id.as_str()).collect();
        let mut spoken_of = HashSet::new();
        let mut by_root: HashMap<&str, Vec<&StackCode>> = HashMap::new();
        let mut free: HashMap<String, usize> = HashMap::new();
        for &block in blocks {
            by_root.entry(block.root()).or_default().push(block);
            let names_one = block.settings.spacelift.stack.is_some();
            let of = given.get(&(block.root(), block.name.as_str())).filter(|_| !names_one);
            spoken_of.insert(of.copied().unwrap_or_else(|| block.spacelift_id()));
            if !names_one && of.is_none() && !ids.contains(block.name.as_str()) {
                *free.entry(block.root().to_owned()).or_default() += 1;
            }
        }
        let mut unspoken: HashMap<String, usize> = HashMap::new();
        for stack in stacks.iter().filter(|stack| !spoken_of.contains(stack.id.as_str())) {
            *unspoken.entry(home(stack)).or_default() += 1;
        }
        unspoken.retain(|folder, count| *count == 1 && free.get(folder) == Some(&1));
        Self { spoken_of, by_root, pairs: unspoken.into_keys().collect() }
    }

    /// Whether a stack has its code from a block, and not because it runs in a folder. Where its code
    /// came to from elsewhere, any block may be its own.
    pub(super) fn has(&self, stack: &StackId, (folder, is_its_place): (&str, bool)) -> bool {
        if self.spoken_of.contains(stack.as_str()) || self.pairs.contains(folder) {
            return true;
        }
        let there = self.by_root.get(folder).map_or(&[][..], Vec::as_slice);
        // No two in a folder have one name.
        !(is_its_place || there.is_empty()) || there.iter().any(|it| it.name == stack.as_str())
    }
}
