//! Edges over repositories, from code as it is stored.

use std::sync::Arc;

use code::{MemoryTree, Repository, infer::facts_of};

use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Stack, tests::stack},
    known::Known,
};

pub(crate) const BACKEND: &str = "terraform {\n  backend \"s3\" {\n    bucket = \"acme-states\"\n    \
                       key = \"${var.stage}/network\"\n  }\n}\nvariable \"stage\" {}\n";
pub(crate) const READS: &str = "\n\ndata \"terraform_remote_state\" \"network\" {\n  backend = \"s3\"\n  config = \
                     {\n    bucket = \"acme-states\"\n    key = \"prod/network\"\n  }\n}\n";
pub(crate) const SHOP: &str = "data \"terraform_remote_state\" \"app\" {\n  backend = \"remote\"\n  config = {\n    \
                    hostname = \"spacelift.io\"\n    workspaces = { name = \"app\" }\n  }\n}\n";
const MANAGES: &str = "resource \"spacelift_stack_dependency\" \"d\" {\n  stack_id = \"shop\"\n  \
                       depends_on_stack_id = \"network\"\n}\n";

/// A stack of a repository of its own, and what its code says, as it is stored and read again.
pub(crate) fn made(name: &str, code: &str) -> (Stack, Blueprint) {
    let repository = format!("acme/{name}");
    let code = Repository::read(&MemoryTree::new([(format!("{name}/main.tf"), code)]));
    let facts = facts_of(&code.subject_of(name));
    let blueprint = Blueprint {
        repository: repository.clone(),
        facts: Some(Arc::new(facts)),
        ..blueprint(name)
    };
    let stored = serde_json::to_string(&blueprint).unwrap();
    assert!(!stored.contains("\"\\u0000"), "Postgres does not take it: {stored}");
    let read: Blueprint = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, blueprint);
    (stack(name).made_from(&repository, "main"), read)
}

fn known(made: Vec<(Stack, Blueprint)>) -> Known {
    let (stacks, blueprints) = made.into_iter().unzip();
    Known::with_code(1, stacks, blueprints)
}

/// The edges with their first origin, in words.
fn edges(known: &Known) -> Vec<String> {
    let id = |at: usize| known.catalogue.stacks()[at].id.as_str();
    let told = |edge: crate::graph::Edge| {
        let origins = known.graph.origins(edge);
        format!("{} > {}: {}", id(edge.parent), id(edge.child), origins[0])
    };
    known.graph.edges().map(told).collect()
}

fn all() -> Vec<(Stack, Blueprint)> {
    [("network", BACKEND), ("app", READS), ("shop", SHOP), ("admin", MANAGES)]
        .map(|(name, code)| made(name, code))
        .into()
}

#[test]
fn what_one_repository_reads_of_another_is_an_edge_with_its_line() {
    let known = known(all());
    let edges = edges(&known);
    assert_eq!(edges.len(), 3, "{edges:?}");
    assert!(edges[0].starts_with("app > shop: ") && edges[0].contains("shop/main.tf:1"));
    assert!(edges[1].starts_with("network > app: ") && edges[1].contains("app/main.tf:3"));
    // Said by code of a third repository, which is named.
    assert!(edges[2].starts_with("network > shop: "), "{edges:?}");
    assert!(edges[2].contains("acme/admin:admin/main.tf:1"), "{edges:?}");
}

#[test]
fn a_stackly_hcl_overrules_what_follows_from_code_also_over_repositories() {
    let mut all = all();
    all[1].1.inferred.ignore.push("net*".to_owned());
    all[2].1.inferred.enabled = Some(false);
    let known = known(all);
    assert_eq!(edges(&known), Vec::<String>::new());
    let overruled: Vec<String> = known
        .graph
        .overruled()
        .iter()
        .map(|edge| format!("{} > {}: {}", edge.parent, edge.child, edge.text))
        .collect();
    assert_eq!(overruled.len(), 3, "{overruled:?}");
    assert!(
        overruled.contains(
            &"network > app: its stackly.hcl says that it does not wait for it".to_owned()
        )
    );
}

#[test]
fn who_is_written_down_stands_above_what_is_read_and_the_order_of_repositories_does_not_matter() {
    let mut all = all();
    all[0].0 = all[0].0.clone().label("depends-on:app");
    let first = known(all.clone());
    all.reverse();
    let second = known(all);
    assert_eq!(edges(&first), edges(&second));
    assert!(edges(&first).iter().any(|edge| edge.starts_with("app > network: label")));
    assert!(!edges(&first).iter().any(|edge| edge.starts_with("network > app")));
}

#[test]
fn stacks_whose_code_is_not_known_are_found_by_their_ids() {
    let shop = made("shop", SHOP);
    let stacks = vec![shop.0, stack("app").made_from("acme/elsewhere", "main")];
    let known = Known::with_code(1, stacks, vec![shop.1]);
    assert_eq!(edges(&known).len(), 1, "{:?}", edges(&known));
}
