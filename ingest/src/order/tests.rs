use serde_json::json;

use super::*;

fn gate(number: u128, pull_request: u64, stack: &str, outcome: &str) -> GateSeen {
    let gate = GateId(uuid::Uuid::from_u128(number));
    let chain = ChainId(uuid::Uuid::from_u128(1));
    serde_json::from_value(json!({
        "gate": gate, "chain": chain, "outcome": outcome,
        "stacks": [{ "stack": stack, "space": "root", "labels": [] }],
        "change": { "repository": "acme/infra", "pull_request": pull_request },
    }))
    .unwrap()
}

fn order(approve: bool, target: Target) -> Order {
    let act = if approve { Act::Approve } else { Act::Reject };
    Order { act, target, by: "grace".to_owned(), note: None, answer_to: None }
}

fn at(number: u64, stack: Option<&str>) -> Target {
    let stack = stack.map(str::to_owned);
    Target::PullRequest { repository: "Acme/Infra".to_owned(), number, stack }
}

const WAITS: &str = "hold_for_approvals";

#[test]
fn the_one_gate_that_waits_at_a_pull_request_is_meant() {
    let open = [gate(1, 42, "a", WAITS), gate(2, 43, "a", WAITS), gate(3, 42, "b", "hold_until")];
    assert_eq!(pick(&order(true, at(42, None)), &open), Ok(open[0].gate));
    // What waits for the clock can be rejected, so then it is not clear which is meant.
    let several = pick(&order(false, at(42, None)), &open).unwrap_err();
    assert_eq!(several.0, "several_open");
    assert!(several.1.contains(&format!("stackly reject {}", open[2].gate)), "{}", several.1);
    assert_eq!(pick(&order(false, at(42, Some("b"))), &open), Ok(open[2].gate));
    assert_eq!(pick(&order(true, at(44, None)), &open).unwrap_err().0, "nothing_open");
}

#[test]
fn a_gate_that_is_named_is_meant_whatever_is_open() {
    let named = gate(9, 1, "a", WAITS).gate;
    assert_eq!(pick(&order(true, Target::Gate(named)), &[]), Ok(named));
    assert_eq!(Target::read(&named.to_string()), Some(Target::Gate(named)));
    let chain = ChainId(uuid::Uuid::from_u128(1));
    let word = format!("{chain}/network");
    assert_eq!(Target::read(&word), Some(Target::Chain(chain, Some("network".to_owned()))));
    for word in ["", "gate", "network", "chain_", "../../etc"] {
        assert_eq!(Target::read(word), None, "{word}");
    }
}
