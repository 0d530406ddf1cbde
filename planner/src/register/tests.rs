use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contracts::{CommitSha, Message, StackId, stack::StackLoosened};

use super::{Found, Registered, Registration, State, Status, What, register};
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::tests::stack,
    known::Known,
};

/// What is registered, by one reading after the other.
#[derive(Default)]
struct Register(Registered);

impl Register {
    fn read(&mut self, account: &[&str], found: Found) -> Registration {
        let stacks = account.iter().map(|id| stack(id)).collect();
        let found = found.with_broken_as_before(&self.0.blueprints);
        let known = Known::with_code(1, stacks, found.blueprints.clone());
        let registration = register(("acme/infra", "main"), &self.0, &found, &known);
        for (_, state) in &registration.changes {
            Arc::make_mut(&mut self.0.states).retain(|old| old.stack != state.stack);
            Arc::make_mut(&mut self.0.states).push(state.clone());
        }
        self.0.blueprints.retain(|old| !registration.folders.contains_key(&old.path));
        self.0.blueprints.extend(registration.folders.values().flatten().cloned());
        registration
    }

    fn state(&self, stack: &str) -> &State {
        let id = StackId::from(stack);
        self.0.states.iter().find(|state| state.stack == id).unwrap()
    }
}

fn code(blueprints: Vec<Blueprint>) -> Found {
    let blueprints = blueprints.into_iter().map(Arc::new).collect();
    Found { commit: Some(CommitSha::from("c0ffee")), blueprints, ..Found::default() }
}

fn told(registration: &Registration) -> Vec<(What, &str, &str)> {
    registration
        .changes
        .iter()
        .map(|(what, state)| (*what, state.stack.as_str(), state.reason.text.as_str()))
        .collect()
}

#[test]
fn a_stack_with_code_is_registered_once() {
    let mut register = Register::default();
    let first = register.read(&["a", "b"], code(vec![blueprint("a"), blueprint("nobody")]));
    assert_eq!(told(&first), [(What::Registered, "a", "a has the code of it, as a")]);
    assert!(first.changes_the_graph());
    let again = register.read(&["a", "b"], code(vec![blueprint("a"), blueprint("nobody")]));
    assert_eq!((told(&again), again.changes_the_graph()), (vec![], false));
}

#[test]
fn what_code_says_differently_is_an_update() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    let owned = Blueprint { owners: vec!["@acme/net".to_owned()], ..blueprint("a") };
    let update = register.read(&["a"], code(vec![owned]));
    assert_eq!(told(&update), [(What::Updated, "a", "what the code in a says of it has changed")]);
}

#[test]
fn code_that_is_gone_leaves_its_stack_loose_until_it_is_back() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    let gone = register.read(&["a"], code(vec![]));
    assert_eq!(gone.changes[0].0, What::Loosened);
    assert_eq!(gone.folders, BTreeMap::from([("a".to_owned(), vec![])]));
    assert_eq!(gone.events().next().unwrap().kind, StackLoosened::TYPE);
    assert_eq!(register.state("a").status, Status::Loose);
    assert!(told(&register.read(&["a"], code(vec![]))).is_empty(), "it is told once");
    let back = register.read(&["a"], code(vec![blueprint("a")]));
    assert_eq!(told(&back), [(What::Reassociated, "a", "its code is back in a")]);
    assert_eq!(register.state("a").status, Status::Active);
}

#[test]
fn a_folder_that_moved_takes_its_stack_along() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    let there = Blueprint { path: "platform/a".to_owned(), ..blueprint("a") };
    let moved = BTreeMap::from([("a".to_owned(), "platform/a".to_owned())]);
    let registration = register.read(&["a"], Found { moved, ..code(vec![there]) });
    let text = "a was renamed to platform/a; Spacelift still runs it in a, so set its project root \
                to platform/a";
    assert_eq!(told(&registration), [(What::Reassociated, "a", text)]);
    assert_eq!(register.state("a").code.path, "platform/a");
    assert_eq!(registration.folders.len(), 2, "the old folder has no code any more");
}

#[test]
fn code_that_cannot_be_read_is_not_gone() {
    let mut register = Register::default();
    register.read(&["a", "b"], code(vec![blueprint("a"), blueprint("b")]));
    let broken = BTreeSet::from(["a".to_owned()]);
    let registration = register.read(&["a", "b"], Found { broken, ..code(vec![blueprint("b")]) });
    assert_eq!((told(&registration), registration.changes_the_graph()), (vec![], false));
    assert_eq!(register.state("a").status, Status::Active);
}

#[test]
fn code_that_was_renamed_and_cannot_be_read_is_not_gone() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    let broken = BTreeSet::from(["b".to_owned()]);
    let moved = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    register.read(&["a"], Found { broken: broken.clone(), moved, ..code(vec![]) });
    let again = register.read(&["a"], Found { broken, ..code(vec![]) });
    assert!(told(&again).is_empty());
    let state = register.state("a");
    assert_eq!((state.status, state.code.path.as_str()), (Status::Active, "b"));
}

#[test]
fn a_stack_the_account_lost_is_retired_and_may_come_back() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    let retired = register.read(&[], code(vec![blueprint("a")]));
    assert_eq!(retired.changes[0].0, What::Retired);
    assert!(told(&register.read(&[], code(vec![blueprint("a")]))).is_empty());
    let back = register.read(&["a"], code(vec![blueprint("a")]));
    assert_eq!(back.changes[0].0, What::Registered);
}
