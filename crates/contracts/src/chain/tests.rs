use serde_json::json;

use super::*;

#[test]
fn kinds_and_states_are_written_as_they_are_shown() {
    for kind in [ChainKind::Deploy, ChainKind::Preview] {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
    }
    let states = [
        (ChainState::Gating, false),
        (ChainState::Running, false),
        (ChainState::Finished, true),
        (ChainState::Failed, true),
        (ChainState::Denied, true),
    ];
    for (state, is_terminal) in states {
        assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
        assert_eq!(
            (state.to_string().as_str(), state.is_terminal()),
            (state.as_str(), is_terminal)
        );
    }
}

#[test]
fn an_edge_says_where_it_comes_from() {
    let references = vec!["VPC_ID -> TF_VAR_vpc_id".to_owned(), "CIDR -> TF_VAR_cidr".to_owned()];
    let shown = [
        (EdgeOrigin::Native { references: vec![] }, "Spacelift dependency"),
        (
            EdgeOrigin::Native { references },
            "Spacelift dependency (VPC_ID -> TF_VAR_vpc_id, CIDR -> TF_VAR_cidr)",
        ),
        (EdgeOrigin::Label { label: "depends-on:a".to_owned() }, "label depends-on:a"),
    ];
    for (origin, text) in shown {
        assert_eq!(origin.to_string(), text);
    }
}
