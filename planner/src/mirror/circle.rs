//! Code that closes a circle: what is said of the stacks in it stays as it was, and the rest goes on.

use std::{collections::BTreeSet, sync::Arc};

use contracts::StackId;

use super::{Call, homes, with_code};
use crate::{
    blueprint::{Adoption, Blueprint},
    known::Known,
    register::{Found, Registered},
};

/// How many circles in one reading are taken out one by one; with more, nothing of it is taken.
const CIRCLES_MAX: usize = 8;

/// A circle that code closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// In words; several, if there are several.
    pub text: String,
    /// The stacks in it. None if what closes it is not among what is said of them, so that nothing
    /// of the code is taken.
    pub stacks: Vec<StackId>,
}

impl Circle {
    /// The folders of its stacks, whose code is left as it was.
    pub(super) fn folders<'a>(&self, known: &'a Known) -> BTreeSet<&'a str> {
        let positions = self.stacks.iter().filter_map(|stack| known.catalogue.position(stack));
        let said = positions.filter_map(|position| known.catalogue.blueprint(position));
        said.map(|said| said.path.as_str()).collect()
    }
}

/// What is taken of what was found.
pub(super) struct Taken {
    pub(super) known: Arc<Known>,
    pub(super) found: Found,
    pub(super) adoptions: Vec<Adoption>,
    pub(super) circle: Option<Circle>,
}

impl Taken {
    /// Nothing is taken.
    pub(super) fn nothing(known: &Arc<Known>, found: Found) -> Self {
        Self { known: known.clone(), found, adoptions: Vec::new(), circle: None }
    }
}

/// Takes what was found, but for what closes circles that are not there yet.
pub(super) fn take(
    known: &Arc<Known>,
    call: &Call,
    mut found: Found,
    before: &Registered,
    version: i64,
) -> Taken {
    let (mut texts, mut members) = (Vec::new(), BTreeSet::new());
    for _ in 0..CIRCLES_MAX {
        let mut new = with_code(known, call, (&found, &[]), version);
        let adoptions = homes::adoptions(before, &found, &new);
        if !adoptions.is_empty() {
            new = with_code(known, call, (&found, &adoptions), version);
        }
        let old = &known.graph;
        let cycle = (!Arc::ptr_eq(&new, known)).then(|| new.graph.closes_since(old)).flatten();
        let Some(cycle) = cycle else {
            let stacks = new.catalogue.stacks();
            let stacks = members.iter().map(|&position: &usize| stacks[position].id.clone());
            let (text, stacks) = (texts.join("; "), stacks.collect());
            let circle = (!texts.is_empty()).then_some(Circle { text, stacks });
            return Taken { known: new, found, adoptions, circle };
        };
        texts.push(cycle.named((&new.catalogue, &new.graph)).to_string());
        let stacks = cycle.stacks();
        members.extend(&stacks);
        if !stays(&mut found, &stacks, &new, (call, before)) {
            break;
        }
    }
    let circle = Some(Circle { text: texts.join("; "), stacks: Vec::new() });
    Taken { circle, ..Taken::nothing(known, found) }
}

/// Lets what is said of some stacks stay as it was; false if it is as it was.
fn stays(
    found: &mut Found,
    stacks: &BTreeSet<usize>,
    new: &Known,
    (call, before): (&Call, &Registered),
) -> bool {
    let mut is_changed = false;
    for &position in stacks {
        let said = new.catalogue.blueprint(position);
        let Some(said) = said.filter(|said| said.is_of(&call.repository, &call.branch)) else {
            continue;
        };
        let id = &new.catalogue.stacks()[position].id;
        let state = before.states.iter().find(|state| state.stack == *id);
        let is_its = |old: &&Arc<Blueprint>| {
            is_at(old, &said.path, &said.name)
                || state.is_some_and(|it| is_at(old, &it.code.path, &it.code.name))
        };
        let old = before.blueprints.iter().find(is_its);
        if old.is_some_and(|old| old.is_like(said)) {
            continue;
        }
        is_changed = true;
        found.blueprints.retain(|one| !is_at(one, &said.path, &said.name));
        match old {
            Some(old) => {
                found.blueprints.retain(|one| !is_at(one, &old.path, &old.name));
                found.blueprints.push(old.clone());
            }
            // Nobody else may say what it is the code of, for as long as it is not taken.
            None => drop(found.broken.insert(said.path.clone())),
        }
    }
    is_changed
}

fn is_at(blueprint: &Blueprint, path: &str, name: &str) -> bool {
    blueprint.path == path && blueprint.name == name
}
