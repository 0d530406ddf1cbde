use super::*;
use crate::output::sample::{self, CHAIN, GATE, OTHER_GATE};

fn picked(gates: Vec<Value>, given: &str, approve: bool) -> Result<GateId, Failure> {
    let word = if approve { Word::Approve } else { Word::Reject };
    pick(&sample::gates(gates), &Meant::read(given).unwrap(), word)
}

fn gate(text: &str) -> GateId {
    text.parse().unwrap()
}

fn for_a_window(name: &str, stack: &str) -> Value {
    let mut gate = sample::gate(name, stack);
    gate["outcome"] = json!("hold_until");
    gate["until"] = json!("2026-09-02T08:00:00Z");
    gate
}

#[test]
fn the_only_open_gate_of_a_chain_is_meant() {
    for given in [CHAIN, "01j9z", "chain_01j9", "01j9/cluster"] {
        let found = picked(vec![sample::gate(GATE, "cluster")], given, true);
        assert_eq!(found.unwrap(), gate(GATE), "{given}");
    }
}

#[test]
fn several_open_gates_are_listed_with_what_to_type() {
    let gates = vec![sample::gate(GATE, "cluster"), sample::gate(OTHER_GATE, "shop")];
    let failure = picked(gates.clone(), CHAIN, true).unwrap_err();
    assert_eq!(failure.status(), 2);
    let text = failure.text();
    for (name, stack) in [(GATE, "cluster"), (OTHER_GATE, "shop")] {
        let line = format!("stackly approve {name}  # before_apply of {stack}: policy production");
        assert!(text.contains(&line), "{text}");
    }
    assert_eq!(picked(gates, &format!("{CHAIN}/shop"), true).unwrap(), gate(OTHER_GATE));
}

#[test]
fn what_waits_for_the_clock_is_not_approved_by_mistake_but_may_be_rejected() {
    let gates = vec![sample::gate(GATE, "cluster"), for_a_window(OTHER_GATE, "shop")];
    assert_eq!(picked(gates.clone(), CHAIN, true).unwrap(), gate(GATE));
    let text = picked(gates, CHAIN, false).unwrap_err().text();
    assert!(text.contains(&format!("stackly reject {OTHER_GATE}")), "{text}");
}

#[test]
fn what_names_neither_a_gate_nor_a_chain_is_told_so() {
    let failure = Meant::read("nope").unwrap_err();
    assert_eq!(failure.status(), 2);
    assert!(failure.text().starts_with("`nope` is neither a gate"), "{}", failure.text());
}

#[test]
fn the_beginning_of_a_gate_is_enough() {
    let gates = vec![sample::gate(GATE, "cluster"), sample::gate(OTHER_GATE, "shop")];
    assert_eq!(picked(gates, "gate_01k", true).unwrap(), gate(OTHER_GATE));
}

#[test]
fn what_a_beginning_means_is_looked_for_among_all_gates_and_not_the_newest() {
    let question = |given: &str| Meant::read(given).unwrap().question();
    assert_eq!(question("GATE_01K"), json!({ "open_only": true, "begins": "gate_01k" }));
    let of_stack = json!({ "open_only": true, "begins": "chain_01j9", "stack": "shop" });
    assert_eq!(question("01j9/shop"), of_stack);
    assert_eq!(question(CHAIN), json!({ "open_only": true, "chain": CHAIN, "stack": null }));
}

#[test]
fn nothing_open_is_not_found_and_says_where_to_look() {
    let failure = picked(vec![], CHAIN, true).unwrap_err();
    assert_eq!(failure.status(), 3);
    assert!(failure.text().contains(&format!("stackly gates --all --chain {CHAIN}")));
    assert_eq!(picked(vec![sample::gate(GATE, "a")], "gate_7", true).unwrap_err().status(), 3);
}

#[test]
fn a_slash_needs_a_stack_behind_it() {
    assert_eq!(Meant::read("01j9/").unwrap_err().status(), 2);
    assert_eq!(Meant::read("so what").unwrap_err().status(), 2);
}
