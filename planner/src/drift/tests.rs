use std::collections::{BTreeSet, HashSet};

use contracts::StackId;

use super::{Difference, What, drift};
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    branches::Branches,
    catalogue::{Settings, Stack, tests::stack},
    known::Known,
};

fn found(stacks: Vec<Stack>, blueprints: Vec<Blueprint>, loose: &[&str]) -> Vec<Difference> {
    let blueprints = blueprints.into_iter().map(Into::into).collect();
    let loose: HashSet<StackId> = loose.iter().map(|&id| id.into()).collect();
    drift(&Known::with_read(1, stacks, blueprints, Vec::new(), infra()), &loose)
}

/// The one branch that was read.
fn infra() -> Branches {
    let branch = ("acme/infra".to_owned(), "main".to_owned());
    [(branch, BTreeSet::new())].into_iter().collect()
}

fn told(differences: &[Difference]) -> Vec<(&str, What, &str)> {
    let lines = differences.iter().map(|Difference { stack, what, text, .. }| {
        (stack.as_ref().map_or("", StackId::as_str), *what, text.as_str())
    });
    lines.collect()
}

#[test]
fn account_and_code_that_say_the_same_do_not_differ() {
    let stacks = vec![stack("a"), stack("b").after("a", &[]), stack("plain").label("depends-on:a")];
    let said = Blueprint {
        space: Some("root".to_owned()),
        autodeploy: Some(false),
        ..blueprint("b").declares("a")
    };
    let plain = Blueprint { plain: true, ..blueprint("plain") };
    assert_eq!(found(stacks, vec![blueprint("a"), said, plain], &[]), []);
}

#[test]
fn what_only_one_of_both_has_is_told_with_its_place() {
    let stacks =
        vec![stack("bare"), stack("gone"), stack("far").made_from("acme/apps", "main"), stack("x")];
    let named = Blueprint { stack: Some("nobody".into()), ..blueprint("named") };
    let found = found(stacks, vec![blueprint("x"), blueprint("new"), named], &["gone"]);
    assert_eq!(
        told(&found),
        [
            ("", What::Unread, "the code was not read, so nothing is known of its 1 stack"),
            (
                "",
                What::NoStack,
                "its stackly.hcl says that it is nobody, which the account does not have"
            ),
            ("", What::NoStack, "the account has no stack for new"),
            ("bare", What::NoCode, "there is no code where it runs"),
            ("gone", What::Loose, "its code is gone, and what it made is still there"),
        ]
    );
    assert_eq!(found[0].code, "acme/apps main");
    assert_eq!(found[2].code, "acme/infra main new");
}

#[test]
fn code_that_says_it_is_a_stack_which_runs_other_code_is_told_with_both_places() {
    let claims = Blueprint { stack: Some("a".into()), branch: "dev".to_owned(), ..blueprint("x") };
    let found = found(vec![stack("a")], vec![blueprint("a"), claims], &[]);
    let text = "its stackly.hcl says that it is a, whose code is in acme/infra main a";
    assert_eq!(told(&found), [("", What::NoStack, text)]);
    assert_eq!(found[0].code, "acme/infra dev x");
}

#[test]
fn code_that_names_a_stack_of_a_repository_that_was_not_read_is_told_with_that() {
    let claims = Blueprint { stack: Some("far".into()), ..blueprint("x") };
    let (stacks, said) = (vec![stack("far").made_from("acme/apps", "main")], vec![claims.into()]);
    let known = Known::with_read(1, stacks, said, Vec::new(), infra());
    let found = drift(&known, &HashSet::new());
    let text = "its stackly.hcl says that it is far, which runs from main of acme/apps, and nobody \
                knows what is said there";
    assert_eq!(told(&found[1..]), [("", What::NoStack, text)]);
}

#[test]
fn settings_that_differ_are_told_with_both_sides() {
    let mut there = stack("a").at("old/a").made_from("acme/infra", "release");
    there.space = "apps-01HZZZZZZZZZZZZZZZZZZZZZZZ".into();
    let says = Blueprint {
        stack: Some("a".into()),
        space: Some("platform".to_owned()),
        autodeploy: Some(true),
        labels: vec!["env:prod".to_owned(), "stackly:fail-fast".to_owned()],
        ..blueprint("a")
    };
    let found = found(vec![there], vec![says], &[]);
    assert_eq!(
        told(&found),
        [
            ("a", What::Branch, "the stack tracks acme/infra release"),
            ("a", What::ProjectRoot, "the stack runs in old/a"),
            (
                "a",
                What::Space,
                "the stack is in the space apps-01HZZZZZZZZZZZZZZZZZZZZZZZ, the code says platform"
            ),
            (
                "a",
                What::Autodeploy,
                "the stack asks before it applies, the code says that it applies without asking"
            ),
            ("a", What::Labels, "the stack lacks labels that its code adds: env:prod"),
        ]
    );
}

#[test]
fn dependencies_that_one_of_both_knows_alone_are_told() {
    let stacks = vec![stack("a"), stack("b"), stack("c").after("b", &[]).label("depends-on:a")];
    let found =
        found(stacks, vec![blueprint("a").declares("b"), blueprint("b"), blueprint("c")], &[]);
    assert_eq!(
        told(&found),
        [
            (
                "a",
                What::Dependencies,
                "only the code says that it waits for b: declared at x/stackly.hcl:3"
            ),
            (
                "c",
                What::Dependencies,
                "only the account says that it waits for a: label depends-on:a"
            ),
            (
                "c",
                What::Dependencies,
                "only the account says that it waits for b: Spacelift dependency"
            ),
        ]
    );
}

#[test]
fn what_the_code_wants_to_be_chosen_is_held_against_what_is() {
    let is = Settings {
        tool: Some("opentofu".to_owned()),
        tool_version: Some("1.10.6".to_owned()),
        administrative: Some(false),
        protect_from_deletion: Some(false),
        ..Settings::default()
    };
    let wanted = Settings {
        description: Some("The network".to_owned()),
        tool: Some("opentofu".to_owned()),
        tool_version: Some("1.11.0".to_owned()),
        worker_pool: Some("private".to_owned()),
        runner_image: None,
        administrative: Some(false),
        protect_from_deletion: Some(true),
    };
    let pool = contracts::chain::WorkerPool::public();
    let known = Stack { settings: Some(Box::new(is)), worker_pool: Some(pool), ..stack("a") };
    let says = |name: &str| {
        let settings = Some(Box::new(wanted.clone()));
        Blueprint { settings, ..blueprint(name) }
    };
    // Of `b`, nothing is known yet.
    let found = found(vec![known, stack("b")], vec![says("a"), says("b")], &[]);
    assert_eq!(
        told(&found),
        [
            (
                "a",
                What::Description,
                "the description of the stack is nothing, the code says The network"
            ),
            (
                "a",
                What::ToolVersion,
                "the version of the tool of the stack is 1.10.6, the code says 1.11.0"
            ),
            (
                "a",
                What::WorkerPool,
                "the worker pool of the stack is public, the code says private"
            ),
            (
                "a",
                What::ProtectFromDeletion,
                "the word `protect_from_deletion` of the stack is false, the code says true"
            ),
        ]
    );
}
