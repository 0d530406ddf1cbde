use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contracts::{Code, CommitSha, Message, StackId, stack::StackLoosened};

use super::{Found, Registered, Registration, State, Status, What, register, retire};
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::tests::stack,
    known::Known,
};

/// What is registered, by one reading after the other.
struct Register(Registered);

impl Default for Register {
    fn default() -> Self {
        let broken = Some(BTreeSet::new());
        Self(Registered { broken, ..Registered::default() })
    }
}

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
        self.0.broken = registration.broken.clone().or_else(|| self.0.broken.take());
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
    assert_eq!((told(&registration), registration.folders.len()), (vec![], 0));
    assert_eq!(register.state("a").status, Status::Active);
}

#[test]
fn code_whose_stackly_hcl_lies_elsewhere_and_cannot_be_read_is_not_gone() {
    let mut register = Register::default();
    let said = Blueprint { said_in: Some("live".to_owned()), ..blueprint("a") };
    register.read(&["a"], code(vec![said.clone()]));
    let broken = BTreeSet::from(["live".to_owned()]);
    let registration = register.read(&["a"], Found { broken, ..code(vec![]) });
    assert_eq!((told(&registration), registration.folders.len()), (vec![], 0));
    let broken = BTreeSet::from(["a".to_owned()]);
    assert!(!Blueprint { name: "b".to_owned(), ..said }.is_among(&broken), "it is said elsewhere");
}

#[test]
fn a_stackly_hcl_elsewhere_that_was_renamed_and_cannot_be_read_keeps_what_it_said() {
    let mut register = Register::default();
    let said = Blueprint { said_in: Some("live".to_owned()), ..blueprint("a") };
    register.read(&["a"], code(vec![said]));
    let broken = BTreeSet::from(["lively".to_owned()]);
    let moved = BTreeMap::from([("live".to_owned(), "lively".to_owned())]);
    let renamed = register.read(&["a"], Found { broken: broken.clone(), moved, ..code(vec![]) });
    let again = register.read(&["a"], Found { broken, ..code(vec![]) });
    for registration in [renamed, again] {
        assert!(registration.changes.iter().all(|(what, _)| *what != What::Loosened));
    }
    let state = register.state("a");
    assert_eq!((state.status, state.code.path.as_str()), (Status::Active, "a"));
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

#[test]
fn a_stack_that_tracks_another_branch_takes_its_state_along() {
    let mut before = Register::default();
    let plain = Blueprint { plain: true, stack: Some("a".into()), ..blueprint("a") };
    before.read(&["a"], code(vec![plain.clone()]));
    let there = || vec![stack("a").made_from("acme/infra", "prod")];

    let known = Known::new(2, there());
    let left = register(("acme/infra", "main"), &before.0, &code(vec![]), &known);
    assert!(told(&left).is_empty(), "what it made is not given up");

    let there_now = Blueprint { branch: "prod".to_owned(), ..plain };
    let known = Known::with_code(3, there(), vec![there_now.clone()]);
    let states = Registered { blueprints: Vec::new(), ..before.0.clone() };
    let found = register(("acme/infra", "prod"), &states, &code(vec![there_now]), &known);
    let text = "a on prod of acme/infra has the code of it now, as a; it was in a on main of \
                acme/infra";
    assert_eq!(told(&found), [(What::Reassociated, "a", text)]);
    // Nor does the new branch give up what is not in it yet.
    let known = Known::new(4, there());
    assert!(told(&register(("acme/infra", "prod"), &states, &code(vec![]), &known)).is_empty());
}

#[test]
fn code_that_moves_to_another_repository_or_branch_takes_its_stack_along() {
    let mut register = Register::default();
    register.read(&["net"], code(vec![blueprint("net")]));
    let named =
        Blueprint { stack: Some("net".into()), path: "core".to_owned(), ..blueprint("net") };
    let network = Blueprint { repository: "acme/network".to_owned(), ..named.clone() };
    let develop = Blueprint { branch: "develop".to_owned(), ..named };
    for (there, place) in [(network, "main of acme/network"), (develop, "develop of acme/infra")] {
        let known = Known::with_code(2, vec![stack("net")], vec![there]);
        let moved = register_main(&register.0, &known);
        let text = format!(
            "core on {place} has the code of it now, as net; it was in net on main of acme/infra; \
             Spacelift still runs main of acme/infra, so let it track {place}; Spacelift still runs \
             it in net, so set its project root to core"
        );
        assert_eq!(told(&moved), [(What::Reassociated, "net", text.as_str())]);
        assert_eq!(moved.changes[0].1.status, Status::Active);
        assert_eq!(moved.changes[0].1.reason.code, Code::CodeMoved);
    }
    // Of what is gone everywhere, it is said as before.
    let known = Known::new(2, vec![stack("net")]);
    assert_eq!(told(&register_main(&register.0, &known))[0].0, What::Loosened);
}

/// The branch is read, and nothing is in it.
fn register_main(before: &Registered, known: &Known) -> Registration {
    register_as(before, &code(vec![]), known)
}

fn register_as(before: &Registered, found: &Found, known: &Known) -> Registration {
    register(("acme/infra", "main"), before, found, known)
}

#[test]
fn a_stack_that_loses_a_block_which_stays_as_it_is_changes_the_graph() {
    let block = || Blueprint { name: "block".to_owned(), ..blueprint("a") };
    let mut register = Register::default();
    register.read(&["a"], code(vec![block()]));
    let known = Known::with_code(2, vec![stack("a"), stack("b").at("a")], vec![block()]);
    let loosened = register_as(&register.0, &code(vec![block()]), &known);
    assert_eq!((told(&loosened)[0].0, told(&loosened)[0].1), (What::Loosened, "a"));
    assert!(loosened.folders.is_empty() && loosened.changes_the_graph());
}

#[test]
fn of_a_branch_that_nobody_tracks_any_more_only_lost_stacks_are_retired() {
    let mut register = Register::default();
    register.read(&["a", "b"], code(vec![blueprint("a"), blueprint("b")]));
    let known = Known::new(2, vec![stack("b").made_from("acme/infra", "prod")]);
    let retired = retire(("acme/infra", "main"), &register.0, &known);
    assert_eq!(
        (told(&retired)[0].0, told(&retired)[0].1, told(&retired).len()),
        (What::Retired, "a", 1)
    );
    assert!(!retired.changes_the_graph());
}

#[test]
fn of_a_branch_that_nobody_tracks_any_more_nobody_elses_loose_stacks_are_retired() {
    let mut register = Register::default();
    register.read(&["a"], code(vec![blueprint("a")]));
    register.read(&["a"], code(vec![]));
    let known = Known::new(2, Vec::new());
    assert!(told(&retire(("acme/apps", "main"), &register.0, &known)).is_empty());
    assert_eq!(told(&retire(("acme/infra", "main"), &register.0, &known))[0].0, What::Retired);
}
