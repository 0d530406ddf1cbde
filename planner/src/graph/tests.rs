use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use contracts::chain::EdgeOrigin;
use petgraph::{algo::tarjan_scc, graph::DiGraph};
use proptest::prelude::*;

use super::Graph;
use crate::{
    blueprint::{Blueprint, tests::blueprint},
    catalogue::{Catalogue, Stack, tests::stack},
    known::Known,
};

fn graph(stacks: Vec<Stack>) -> (Catalogue, Graph) {
    let Known { catalogue, graph } = Known::new(1, stacks);
    (catalogue, graph)
}

fn names(catalogue: &Catalogue, positions: impl IntoIterator<Item = usize>) -> Vec<&str> {
    positions.into_iter().map(|position| catalogue.stacks()[position].id.as_str()).collect()
}

/// The order of everything downstream of `from`, or the cycle in words.
fn order(stacks: Vec<Stack>, from: &str) -> Result<Vec<String>, String> {
    let (catalogue, graph) = graph(stacks);
    let from = catalogue.position(&from.into()).unwrap();
    let members = graph.downstream([from], |_| true);
    match graph.order(&members) {
        Ok(order) => {
            Ok(names(&catalogue, order.stacks).into_iter().map(ToOwned::to_owned).collect())
        }
        Err(cycle) => Err(cycle.named((&catalogue, &graph)).to_string()),
    }
}

#[test]
fn parents_come_before_children_and_ties_go_by_id() {
    let stacks = vec![
        stack("z"),
        stack("c").after("z", &[]),
        stack("b").after("z", &[]),
        stack("a").after("c", &[]).after("b", &[]),
        stack("other").after("elsewhere", &[]),
        stack("elsewhere"),
    ];
    assert_eq!(order(stacks, "z").unwrap(), ["z", "b", "c", "a"]);
}

#[test]
fn one_edge_keeps_everybody_who_declares_it() {
    let (_, graph) = graph(vec![
        stack("a"),
        stack("b")
            .after("a", &["VPC -> TF_VAR_vpc"])
            .label("depends-on:a")
            .label("dependsOn:a|state:FINISHED"),
    ]);
    let edges: Vec<_> = graph.edges().collect();
    let [edge] = edges[..] else { panic!("{edges:?}") };
    assert_eq!(
        *graph.origins(edge),
        [
            EdgeOrigin::Native { references: vec!["VPC -> TF_VAR_vpc".to_owned()] },
            EdgeOrigin::Label { label: "depends-on:a".to_owned() },
            EdgeOrigin::Label { label: "dependsOn:a|state:FINISHED".to_owned() },
        ]
    );
}

#[test]
fn a_label_may_name_a_stack_by_its_name_if_only_one_has_it() {
    let named = |id: &str, name: &str| Stack { name: name.into(), ..stack(id) };
    let (_, graph) = graph(vec![
        named("net-1", "Network"),
        named("dup-1", "Twin"),
        named("dup-2", "Twin"),
        stack("app").label("depends-on:Network,Twin"),
    ]);
    assert_eq!(graph.edge_count(), 1);
    let [loose] = graph.loose() else { panic!("{:?}", graph.loose()) };
    assert_eq!(loose.text, "several stacks have the name Twin; use the id");
}

#[test]
fn code_means_the_stacks_of_its_own_repository_and_branch_first() {
    let stacks = vec![
        stack("acme-network").at("network"),
        stack("app"),
        stack("network").made_from("acme/other", "main"),
        stack("shop").made_from("acme/shop", "main"),
    ];
    let network = Blueprint { stack: Some("acme-network".into()), ..blueprint("network") };
    let shop = Blueprint { repository: "acme/shop".to_owned(), ..blueprint("shop") };
    let said = vec![network, blueprint("app").declares("network"), shop.declares("network")];
    let Known { catalogue, graph } = Known::with_code(1, stacks, said);
    let edges = graph.edges().map(|edge| names(&catalogue, [edge.parent, edge.child]).join(" > "));
    assert_eq!(edges.collect::<Vec<_>>(), ["acme-network > app", "network > shop"]);
}

#[test]
fn a_label_about_how_a_stack_must_end_is_told_where_none_waits_for_it() {
    let (_, graph) = graph(vec![
        stack("a"),
        stack("b"),
        stack("repair")
            .label("depends-on:a")
            .label("stackly:on=failure:a")
            .label("stackly:on=always:b")
            .label("stackly:on=failure:aa"),
    ]);
    let loose: Vec<(&str, &str)> =
        graph.loose().iter().map(|edge| (edge.parent.as_str(), edge.text.as_str())).collect();
    let expect = [
        ("aa", "no stack has the id or name aa"),
        ("b", "no dependency waits for its end; add it to `depends_on`"),
    ];
    assert_eq!(loose, expect);
}

#[test]
fn edges_that_lead_nowhere_are_reported_and_hinder_nobody() {
    let stacks = vec![
        stack("a"),
        stack("b")
            .after("gone", &[])
            .label("depends-on:a,missing,")
            .label("depends-on:a|state:FAILED"),
    ];
    let (_, graph) = graph(stacks.clone());
    let loose: Vec<(&str, &str)> =
        graph.loose().iter().map(|edge| (edge.parent.as_str(), edge.text.as_str())).collect();
    assert_eq!(
        loose,
        [
            ("", "it names no stack"),
            ("a", "`state:FAILED` is no order; only `state:FINISHED` is"),
            ("gone", "no stack has the id gone"),
            ("missing", "no stack has the id or name missing"),
        ]
    );
    assert_eq!(order(stacks, "a").unwrap(), ["a", "b"]);
}

#[test]
fn a_cycle_is_named_in_full_with_every_origin() {
    let stacks = vec![
        stack("a").after("b", &[]),
        stack("b").label("depends-on:a"),
        stack("follower").after("b", &[]),
    ];
    assert_eq!(
        order(stacks, "a").unwrap_err(),
        "a → b (label depends-on:a) → a (Spacelift dependency)"
    );
}

#[test]
fn a_stack_that_waits_for_itself_is_a_cycle() {
    let stacks = vec![stack("a").label("depends-on:a")];
    assert_eq!(order(stacks, "a").unwrap_err(), "a → a (label depends-on:a)");
}

#[test]
fn the_cycle_named_is_a_short_one_without_those_who_merely_follow() {
    let stacks = vec![
        stack("start"),
        stack("x").after("start", &[]).after("z", &[]),
        stack("y").after("x", &[]),
        stack("z").after("y", &[]).after("x", &[]),
        stack("aaa").after("z", &["O -> I"]),
    ];
    assert_eq!(
        order(stacks, "start").unwrap_err(),
        "x → z (Spacelift dependency) → x (Spacelift dependency)"
    );
}

#[test]
fn a_cycle_elsewhere_hinders_nobody() {
    let stacks = vec![
        stack("a"),
        stack("b").after("a", &[]).after("x", &[]),
        stack("x").after("y", &[]),
        stack("y").after("x", &[]),
    ];
    assert_eq!(order(stacks, "a").unwrap(), ["a", "b"]);
}

#[test]
fn the_way_down_stops_where_it_is_told() {
    let (catalogue, graph) =
        graph(vec![stack("a"), stack("b").after("a", &[]), stack("c").after("b", &[])]);
    let without =
        |wall: usize| names(&catalogue, graph.downstream([0], |stack| stack != wall).iter());
    assert_eq!(without(1), ["a"]);
    assert_eq!(without(2), ["a", "b"]);
    assert!(without(0).is_empty());
}

#[test]
fn ten_thousand_stacks_and_fifty_thousand_edges_are_no_matter() {
    let id = |n: usize| format!("s{n:05}");
    // One deep chain with four more edges each, so that every stack is downstream of the first.
    let stacks: Vec<Stack> = (0..10_000)
        .map(|n: usize| {
            (1..=5).filter_map(|k| n.checked_sub(k * k)).fold(stack(&id(n)), |stack, parent| {
                if parent % 2 == 0 {
                    stack.after(&id(parent), &[])
                } else {
                    stack.label(&format!("depends-on:{}", id(parent)))
                }
            })
        })
        .collect();
    let began = Instant::now();

    let (_, graph) = graph(stacks);
    let members = graph.downstream([0], |_| true);
    let order = graph.order(&members).unwrap();

    assert_eq!((order.stacks.len(), graph.among(&members).count()), (10_000, 49_945));
    // Unoptimised it takes well under a second; a quadratic step would take minutes.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn what_is_written_down_stands_above_what_code_seems_to_say() {
    let Known { catalogue, graph } = Known::with_code(
        1,
        vec![stack("a"), stack("b"), stack("c"), stack("d")],
        vec![
            blueprint("b").declares("a").reads("a"),
            blueprint("a").reads("b"),
            blueprint("c").reads("b"),
            blueprint("d").declares("nowhere"),
        ],
    );
    let edges: Vec<String> = graph
        .edges()
        .map(|edge| {
            let origins = graph.origins(edge);
            let names = names(&catalogue, [edge.parent, edge.child]);
            format!("{} {}", names.join(">"), origins[0])
        })
        .collect();
    assert_eq!(
        edges,
        ["a>b declared at x/stackly.hcl:3", "b>c reads an output of b at x/stackly.hcl:3",]
    );
    let overruled: Vec<_> =
        graph.overruled().iter().map(|edge| format!("{}>{}", edge.parent, edge.child)).collect();
    assert_eq!(overruled, ["a>b", "b>a"]);
    assert_eq!(graph.loose()[0].text, "no stack has the id or name nowhere");
    assert!(graph.cycle().is_none());
}

#[test]
fn an_edge_names_the_outputs_that_are_read_over_it_unless_code_reads_more_of_the_stack() {
    let stacks = ["a", "b", "c"].map(stack).into();
    let code =
        vec![blueprint("a"), blueprint("b").declares("a"), blueprint("c").declares("a").reads("a")];
    let Known { catalogue, graph } = Known::with_code(1, stacks, code);
    let named: Vec<(String, usize)> = graph
        .edges()
        .map(|edge| match &graph.origins(edge)[0] {
            EdgeOrigin::Declared { outputs, .. } => {
                (names(&catalogue, [edge.child]).concat(), outputs.len())
            }
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(named, [("b".to_owned(), 1), ("c".to_owned(), 0)]);
}

#[test]
fn edges_between_spaces_are_reported_and_count() {
    let there = Stack { space: "other".into(), ..stack("b").after("a", &[]) };
    let (catalogue, graph) = graph(vec![stack("a"), there, stack("c").after("a", &[])]);
    let crossing: Vec<_> = graph.crossing(&catalogue).collect();
    assert_eq!((crossing.len(), graph.edge_count()), (1, 2));
    assert_eq!((crossing[0].child.as_str(), crossing[0].child_space.as_str()), ("b", "other"));
}

const STACKS: usize = 12;

fn edges() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..STACKS, 0..STACKS), 0..30)
}

fn stacks_of(edges: &[(usize, usize)]) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = (0..STACKS).map(|n| stack(&format!("s{n:02}"))).collect();
    for &(parent, child) in edges {
        let child = &mut stacks[child];
        *child = child.clone().label(&format!("depends-on:s{parent:02}"));
    }
    stacks
}

proptest! {
    #[test]
    fn an_order_exists_exactly_if_no_circle_is_downstream(edges in edges(), from in 0..STACKS) {
        let (catalogue, graph) = graph(stacks_of(&edges));
        let members = graph.downstream([from], |_| true);
        let reached = naively_downstream(&edges, from);
        prop_assert_eq!(&members.iter().collect::<BTreeSet<_>>(), &reached);

        let inside: HashSet<(usize, usize)> = edges
            .iter()
            .copied()
            .filter(|(parent, child)| reached.contains(parent) && reached.contains(child))
            .collect();
        let circles = circles(&inside);
        match graph.order(&members) {
            Ok(order) => {
                prop_assert!(circles.is_empty());
                let place = |stack| order.stacks.iter().position(|&other| other == stack).unwrap();
                prop_assert_eq!(order.stacks.len(), reached.len());
                for &(parent, child) in &inside {
                    prop_assert!(place(parent) < place(child));
                }
                let among: Vec<_> =
                    graph.among(&members).map(|edge| (edge.parent, edge.child)).collect();
                prop_assert!(among.is_sorted());
                prop_assert_eq!(among.len(), inside.len(), "no edge comes twice");
                let mut above: HashSet<(usize, usize)> = HashSet::new();
                for &child in &order.stacks {
                    let parents: Vec<usize> = graph.parents(child).collect();
                    prop_assert!(parents.is_sorted());
                    let inside = parents.into_iter().filter(|&parent| members.contains(parent));
                    above.extend(inside.map(|parent| (parent, child)));
                }
                prop_assert_eq!(above, among.iter().copied().collect());
                prop_assert_eq!(among.into_iter().collect::<HashSet<_>>(), inside);
            }
            Err(cycle) => {
                let members = cycle.stacks();
                prop_assert_eq!(members.len(), cycle.0.len(), "no stack comes twice");
                prop_assert!(circles.iter().any(|circle| members.is_subset(circle)));
                for (edge, next) in cycle.0.iter().zip(cycle.0.iter().cycle().skip(1)) {
                    prop_assert_eq!(edge.child, next.parent);
                    prop_assert!(inside.contains(&(edge.parent, edge.child)));
                }
                let text = cycle.named((&catalogue, &graph)).to_string();
                prop_assert_eq!(text.matches('→').count(), cycle.0.len());
            }
        }
    }

    #[test]
    fn the_answer_does_not_depend_on_the_order_of_edges_or_stacks(
        (edges, shuffled) in edges().prop_flat_map(|edges| {
            (Just(edges.clone()), Just(edges).prop_shuffle())
        }),
        from in 0..STACKS,
    ) {
        let mut other = stacks_of(&shuffled);
        other.reverse();
        let from = format!("s{from:02}");
        prop_assert_eq!(order(stacks_of(&edges), &from), order(other, &from));
    }
}

fn naively_downstream(edges: &[(usize, usize)], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([from]);
    loop {
        let before = reached.len();
        for &(parent, child) in edges {
            if reached.contains(&parent) {
                reached.insert(child);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

/// The stacks that wait for each other, as a library finds them.
fn circles(edges: &HashSet<(usize, usize)>) -> Vec<BTreeSet<usize>> {
    let mut oracle = DiGraph::<(), ()>::new();
    let nodes: Vec<_> = (0..STACKS).map(|_| oracle.add_node(())).collect();
    for &(parent, child) in edges {
        oracle.add_edge(nodes[parent], nodes[child], ());
    }
    tarjan_scc(&oracle)
        .into_iter()
        .map(|circle| circle.into_iter().map(|node| node.index()).collect::<BTreeSet<usize>>())
        .filter(|circle| {
            circle.len() > 1 || circle.iter().all(|&stack| edges.contains(&(stack, stack)))
        })
        .collect()
}

#[test]
fn an_edge_of_another_environment_is_none_and_people_are_told() {
    let known = Known::new(
        1,
        vec![
            stack("dns"),
            stack("prod").label("env:prod").label("depends-on:dns").label("stackly:only=env:prod"),
            stack("test").label("env:test").label("depends-on:dns").label("stackly:only=env:prod"),
            stack("odd").label("stackly:only=prod"),
            stack("own").label("env:test").label("stackly:only=env:prod").after("dns", &[]),
        ],
    );
    let (graph, stacks) = (&known.graph, known.catalogue.stacks());
    let children = |graph: &Graph| -> Vec<String> {
        graph.edges().map(|edge| stacks[edge.child].id.to_string()).collect()
    };
    assert_eq!(children(graph), ["own", "prod"], "Spacelift's own count everywhere");
    let told: Vec<(&str, &str)> =
        graph.overruled().iter().map(|it| (it.child.as_str(), it.text.as_str())).collect();
    assert_eq!(told, [("test", "it counts only in prod, and the stack is of test")]);
    assert!(graph.loose()[0].text.contains("narrows nothing"), "{:?}", graph.loose());
}

#[test]
fn on_a_branch_only_the_edges_that_count_there_are_left_each_with_who_says_it() {
    let known = Known::new(
        1,
        vec![
            stack("dns"),
            stack("app").label("depends-on:dns,net").label("stackly:only=branch:release/*:dns"),
            stack("net"),
            stack("own").label("stackly:only=branch:main").after("dns", &[]),
        ],
    );
    let graph = &known.graph;
    assert!(graph.on("release/7").is_none(), "all of them count");
    let narrowed = graph.on("main").unwrap();
    let stacks = known.catalogue.stacks();
    let edges: Vec<String> = narrowed
        .edges()
        .map(|edge| {
            let origins = narrowed.origins(edge);
            format!("{} > {}: {}", stacks[edge.parent].id, stacks[edge.child].id, origins[0])
        })
        .collect();
    assert_eq!(edges, ["dns > own: Spacelift dependency", "net > app: label depends-on:dns,net"]);
}

#[test]
fn branches_that_leave_out_the_same_edges_share_a_graph() {
    let only = |branch: &str| format!("stackly:only=branch:{branch}");
    let (_, graph) = graph(vec![
        stack("a"),
        stack("b").label("depends-on:a").label(&only("main")),
        stack("c").label("depends-on:a").label(&only("next")),
    ]);
    let on = |branch: &str| graph.on(branch).unwrap();
    assert_eq!((graph.edge_count(), on("main").edge_count(), on("x").edge_count()), (2, 1, 0));
    assert!(std::sync::Arc::ptr_eq(&on("x"), &on("y")));
    assert!(std::sync::Arc::ptr_eq(&on("next"), &on("next")));
    assert!(!std::sync::Arc::ptr_eq(&on("next"), &on("main")));
    let (_, whole) = super::tests::graph(vec![stack("a"), stack("b").label("depends-on:a")]);
    assert!(whole.on("main").is_none());
}
