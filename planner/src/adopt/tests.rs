use contracts::{
    Code, CommitSha, Reason, StackId,
    stack::{AdoptStack, CodePlace},
};

use super::fitting;
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Stack, tests::stack},
    known::Known,
    register::{State, Status},
};

fn state(id: &str, status: Status) -> State {
    State {
        stack: id.into(),
        code: CodePlace {
            repository: "acme/infra".to_owned(),
            branch: "main".to_owned(),
            path: "old".to_owned(),
            name: id.to_owned(),
            commit: CommitSha::from("c0ffee"),
        },
        status,
        reason: Reason::new(Code::CodeGone, "it was deleted"),
    }
}

fn adopt(id: &str, path: &str, name: Option<&str>) -> AdoptStack {
    AdoptStack {
        stack: id.into(),
        path: path.to_owned(),
        name: name.map(str::to_owned),
        by: "jane".to_owned(),
        note: None,
    }
}

/// Two stacks run in `net`, and its file has two blocks that are called otherwise.
fn two() -> (Vec<Stack>, Vec<Blueprint>) {
    let block = |name: &str| Blueprint { path: "net".to_owned(), ..blueprint(name) };
    (vec![stack("a").at("net"), stack("b").at("net")], vec![block("one"), block("two")])
}

fn refused(known: &Known, state: Option<&State>, command: &AdoptStack) -> String {
    fitting(known, state, command).unwrap_err().join("; ")
}

#[test]
fn a_loose_stack_is_given_the_code_that_a_person_names_and_keeps_it() {
    let (stacks, blueprints) = two();
    let known = Known::with_code(1, stacks.clone(), blueprints.clone());
    let loose = state("a", Status::Loose);
    let adopted = fitting(&known, Some(&loose), &adopt("a", "./net/", Some("two"))).unwrap();
    assert_eq!((adopted.state.status, adopted.state.code.name.as_str()), (Status::Active, "two"));
    assert_eq!(adopted.state.reason.text, "jane says that net has the code of it, as two");

    let known = Known::with_adoptions(2, stacks, blueprints, vec![adopted.adoption]);
    let name = |id: &str| {
        let position = known.catalogue.position(&StackId::from(id)).unwrap();
        known.catalogue.blueprint(position).map(|blueprint| blueprint.name.clone())
    };
    assert_eq!(name("a").as_deref(), Some("two"));
    // What is left is one stack and one block, which belong together.
    assert_eq!(name("b").as_deref(), Some("one"));
    let taken = refused(&known, Some(&state("b", Status::Loose)), &adopt("b", "net", Some("two")));
    assert_eq!(taken, "it is the code of a already");
}

#[test]
fn what_does_not_fit_is_refused_with_every_reason() {
    let (stacks, mut blueprints) = two();
    blueprints.push(Blueprint { stack: Some("x".into()), ..blueprint("app") });
    let known = Known::with_code(1, stacks, blueprints);
    let loose = state("a", Status::Loose);
    let why = |path: &str, name| refused(&known, Some(&loose), &adopt("a", path, name));
    assert_eq!(
        why("net", None),
        "net of main in acme/infra has several stacks; say which by its name: one and two"
    );
    assert_eq!(
        why("net", Some("three")),
        "net of main in acme/infra has no stack of that name; it has one and two"
    );
    assert_eq!(
        why("app", None),
        "Spacelift runs a in net; set its project root to app first; the code says that it is the \
         code of x"
    );
    assert_eq!(
        why("nowhere", None),
        "nowhere of main in acme/infra has no code of a stack, as far as was read; Spacelift runs a \
         in net; set its project root to nowhere first"
    );
    for path in ["../net", "/net", "net/../../x"] {
        assert!(why(path, None).contains("not a folder below the root"), "{path}");
    }
    let active =
        refused(&known, Some(&state("a", Status::Active)), &adopt("a", "net", Some("one")));
    assert_eq!(active, "a is not loose: its code is in old");
    let never = refused(&known, None, &adopt("a", "net", Some("one")));
    assert_eq!(never, "a is not loose: it never had code that was known");
    let gone = refused(&known, Some(&loose), &adopt("z", "net", None));
    assert_eq!(gone, "the account has no stack z, or our API key may not see it");
}
