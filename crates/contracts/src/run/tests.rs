use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const STATES: &str = "NONE QUEUED READY PENDING PREPARING INITIALIZING PLANNING UNCONFIRMED \
    PENDING_REVIEW CONFIRMED REPLAN_REQUESTED PREPARING_REPLAN PREPARING_APPLY APPLYING PERFORMING \
    DESTROYING FINISHED FAILED DISCARDED CANCELED STOPPED SKIPPED";

proptest! {
    #[test]
    fn whatever_spacelift_calls_a_state_is_carried_on_unchanged(text: String) {
        let state: RunState = serde_json::from_value(json!(text)).unwrap();
        prop_assert_eq!(serde_json::to_value(&state).unwrap(), json!(text));
        prop_assert_eq!(state.to_string(), text);
    }

    #[test]
    fn so_is_whatever_it_calls_a_kind_of_run(text: String) {
        let kind: RunType = serde_json::from_value(json!(text)).unwrap();
        prop_assert_eq!(serde_json::to_value(&kind).unwrap(), json!(text));
    }
}

#[test]
fn the_states_of_today_are_known_by_name() {
    for name in STATES.split_whitespace() {
        let state = RunState::from(name.to_owned());
        assert!(!matches!(state, RunState::Other(_)), "{name}");
        assert_eq!(state.to_string(), name);
    }
    for name in ["TRACKED", "PROPOSED", "TASK", "TESTING", "DESTROY"] {
        assert!(!matches!(RunType::from(name.to_owned()), RunType::Other(_)), "{name}");
    }
}

#[test]
fn a_state_nobody_knows_is_no_end_and_no_apply() {
    for name in ["HIBERNATING", "finished", "", " FINISHED"] {
        let state = RunState::from(name.to_owned());
        assert_eq!(state, RunState::Other(name.to_owned()));
        assert!(!state.is_terminal() && !state.is_applying(), "{name}");
    }
}

#[test]
fn the_last_states_are_these_six() {
    let last: Vec<_> = STATES
        .split_whitespace()
        .filter(|name| RunState::from((*name).to_owned()).is_terminal())
        .collect();
    assert_eq!(last, ["FINISHED", "FAILED", "DISCARDED", "CANCELED", "STOPPED", "SKIPPED"]);
}

#[test]
fn a_state_is_text_and_nothing_else() {
    for value in [json!(7), json!(null), json!({"state": "FINISHED"})] {
        assert!(serde_json::from_value::<RunState>(value).is_err());
    }
}

#[test]
fn a_report_with_an_unknown_state_can_be_read() {
    let mut body = (crate::registry::event("run.reported").unwrap().sample)().body;
    body["state"] = Value::from("HIBERNATING");
    let report = RunReported::upgrade(1, body).unwrap();
    assert_eq!(report.state, RunState::Other("HIBERNATING".to_owned()));
}

#[test]
fn a_delta_is_empty_only_if_it_touches_nothing() {
    assert!(Delta::default().is_empty());
    for (added, changed, deleted) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        assert!(!Delta { added, changed, deleted }.is_empty());
    }
    assert_eq!(Delta { added: 2, changed: 1, deleted: 3 }.to_string(), "+2 ~1 -3");
}
