use super::*;
use crate::states::RunState::{Discarded, Failed, Finished, Planning, Skipped, Unconfirmed};

fn edge(child: &str, parent: &str, outputs: &[&str]) -> Edge {
    let references = outputs.iter().map(|output| Reference {
        id: format!("{parent}-{output}"),
        input: format!("TF_VAR_{output}"),
        output: (*output).into(),
        trigger_always: false,
        fresh: false,
    });
    Edge {
        id: format!("{child}-on-{parent}").into(),
        child: child.into(),
        parent: parent.into(),
        trigger_always: false,
        references: references.collect(),
    }
}

fn outputs(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn decide(parents: &[(&Edge, RunState, &[&str])], skipped_passes: bool) -> Verdict {
    let changed: Vec<BTreeSet<String>> = parents.iter().map(|parent| outputs(parent.2)).collect();
    let parents: Vec<Parent<'_>> = parents
        .iter()
        .zip(&changed)
        .map(|((edge, state, _), changed)| Parent { edge, state: *state, changed })
        .collect();
    judge(&parents, skipped_passes)
}

const GO: Verdict = Verdict::Run { lenient: false };
const GO_LENIENT: Verdict = Verdict::Run { lenient: true };

fn skipped(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Skip { .. })
}

#[test]
fn a_child_waits_until_all_its_parents_have_ended() {
    let (net, db) = (edge("app", "net", &[]), edge("app", "db", &[]));
    for state in [Planning, Unconfirmed] {
        let verdict = decide(&[(&net, Finished, &[]), (&db, state, &[])], true);
        assert_eq!(verdict, Verdict::Wait);
    }
    let verdict = decide(&[(&net, Finished, &[]), (&db, Finished, &[])], true);
    assert_eq!(verdict, GO_LENIENT);
}

#[test]
fn one_parent_that_failed_or_was_discarded_skips_the_child() {
    let (net, db) = (edge("app", "net", &[]), edge("app", "db", &[]));
    for state in [Failed, Discarded] {
        let verdict = decide(&[(&net, Finished, &[]), (&db, state, &[])], true);
        assert_eq!(verdict, Verdict::Skip { note: format!("dependency db ended as {state}") });
    }
}

#[test]
fn a_skipped_parent_passes_only_with_the_quirk() {
    let net = edge("app", "net", &[]);
    assert_eq!(decide(&[(&net, Skipped, &[])], true), GO_LENIENT);
    assert!(skipped(&decide(&[(&net, Skipped, &[])], false)));
}

#[test]
fn an_edge_with_references_triggers_when_one_of_them_has_changed() {
    let net = edge("app", "net", &["vpc", "cidr"]);
    assert_eq!(decide(&[(&net, Finished, &["cidr"])], true), GO);
    let verdict = decide(&[(&net, Finished, &["unrelated"])], true);
    let note = "This run has dependency references (net.vpc, net.cidr) which have not changed since \
                the last run";
    assert_eq!(verdict, Verdict::Skip { note: note.into() });
}

#[test]
fn any_edge_that_triggers_suffices() {
    let (net, db) = (edge("app", "net", &["vpc"]), edge("app", "db", &["url"]));
    assert_eq!(decide(&[(&net, Finished, &[]), (&db, Finished, &["url"])], true), GO);
    let bare = edge("app", "org", &[]);
    assert_eq!(decide(&[(&net, Finished, &[]), (&bare, Finished, &[])], true), GO_LENIENT);
}

#[test]
fn trigger_always_and_a_new_reference_trigger_without_a_change() {
    let always = Edge { trigger_always: true, ..edge("app", "net", &["vpc"]) };
    assert_eq!(decide(&[(&always, Finished, &[])], true), GO);
    let mut one = edge("app", "net", &["vpc"]);
    one.references[0].trigger_always = true;
    assert_eq!(decide(&[(&one, Finished, &[])], true), GO);
    let mut fresh = edge("app", "net", &["vpc"]);
    fresh.references[0].fresh = true;
    assert_eq!(decide(&[(&fresh, Finished, &[])], true), GO);
}

fn graph(edges: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::default();
    for (child, parent) in edges {
        graph.insert(edge(child, parent, &[])).unwrap();
    }
    graph
}

#[test]
fn a_cycle_is_refused_and_named() {
    let mut graph = graph(&[("b", "a"), ("c", "b")]);
    let refusal = graph.insert(edge("a", "c", &[])).unwrap_err();
    assert!(refusal.to_string().ends_with("cycle a -> b -> c -> a"), "{refusal}");
    assert!(graph.insert(edge("a", "a", &[])).is_err());
    assert!(graph.insert(edge("b", "a", &[])).is_err(), "an edge is there once");
    assert_eq!(graph.cone(&["a".into()]).len(), 2, "a refused edge leaves nothing behind");
}

#[test]
fn the_cone_holds_every_stack_below_once() {
    let graph = graph(&[("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("x", "y")]);
    let cone: Vec<(String, String)> = graph
        .cone(&["a".into()])
        .into_iter()
        .map(|(child, via)| (child.to_string(), via.to_string()))
        .collect();
    let names = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    };
    assert_eq!(cone, names(&[("b", "a"), ("c", "a"), ("d", "b")]));
}
