use contracts::{
    StackId,
    chain::{EdgeOrigin, PlannedEdges},
};

use super::{Shape, fault};
use crate::fixtures::{alter_edges, edge, planned, step};

fn shape(stacks: &[(&str, &[&str])]) -> Shape {
    let planned = planned(1, stacks);
    Shape::new(planned.steps.iter().map(|step| &step.stack), planned.edges.iter())
}

#[test]
fn the_cone_is_everything_downstream_once_and_in_order() {
    let shape = shape(&[
        ("a", &[]),
        ("b", &["a"]),
        ("other", &[]),
        ("c", &["a", "other"]),
        ("d", &["b", "c"]),
    ]);
    assert_eq!(shape.cone_below(0), [1, 3, 4]);
    assert_eq!(shape.cone_below(2), [3, 4]);
    assert!(shape.cone_below(4).is_empty());
}

#[test]
fn the_native_cone_follows_spacelifts_own_dependencies_alone() {
    let mut planned =
        planned(1, &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"]), ("e", &["a"])]);
    alter_edges(&mut planned, |edge| {
        if edge.child.as_str() < "d" {
            edge.origins = vec![EdgeOrigin::Native { references: Vec::new() }].into();
        }
    });
    let shape = Shape::new(planned.steps.iter().map(|step| &step.stack), planned.edges.iter());
    assert_eq!(shape.native_cone_below(0), [1, 2]);
    assert!(shape.native_cone_below(2).is_empty());
}

#[test]
fn a_stack_that_is_not_in_it_has_no_place() {
    let shape = shape(&[("a", &[])]);
    assert_eq!(shape.place(&StackId::from("a")), Some(0));
    assert_eq!(shape.place(&StackId::from("b")), None);
}

#[test]
fn what_could_not_be_followed_to_its_end_is_named() {
    let said = |stacks: &[&str], edges: &[(&str, &str)]| {
        let steps: Vec<_> = stacks.iter().map(|stack| step(stack)).collect();
        let edges = edges.iter().map(|(parent, child)| edge(parent, child)).collect();
        fault(&steps, &edges).unwrap_or_default()
    };
    assert_eq!(said(&["a", "b"], &[("a", "b")]), "");
    assert_eq!(said(&[], &[]), "it has no steps");
    assert_eq!(said(&["a", "a"], &[]), "a is in it twice");
    assert_eq!(said(&["b", "a"], &[("a", "b")]), "b comes before its parent a");
    assert_eq!(said(&["a"], &[("a", "a")]), "a comes before its parent a");
    assert_eq!(said(&["a"], &[("x", "a")]), "a waits for x, which is not in it");
    assert_eq!(said(&["a"], &[("a", "x")]), "a has a child x, which is not in it");
}

/// Fifty thousand steps of which each waits for the five before it: a search per edge and per level
/// would be billions of comparisons, which no test machine does in the time a test may take.
#[test]
fn long_chains_are_looked_through_in_one_pass() {
    let names: Vec<String> = (0..50_000).map(|n| format!("s{n:05}")).collect();
    let steps: Vec<_> = names.iter().map(|name| step(name)).collect();
    let edges: PlannedEdges = (1..names.len())
        .flat_map(|n| (n.saturating_sub(5)..n).map(move |parent| (parent, n)))
        .map(|(parent, n)| edge(&names[parent], &names[n]))
        .collect();

    assert_eq!(fault(&steps, &edges), None);
    let shape = Shape::new(steps.iter().map(|step| &step.stack), edges.iter());
    assert_eq!(shape.cone_below(0).len(), 49_999);
    assert_eq!(shape.parents(49_999), [49_994, 49_995, 49_996, 49_997, 49_998]);
}
