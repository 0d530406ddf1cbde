use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[test]
fn states_are_written_as_they_are_shown_and_named_once() {
    let mut seen = BTreeSet::new();
    for state in StepState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
        assert_eq!(state.to_string(), state.as_str());
        assert!(seen.insert(state.as_str()), "{state} is there twice");
    }
}

#[test]
fn a_step_that_has_ended_holds_no_stack() {
    for state in StepState::ALL {
        assert!(!(state.is_terminal() && state.holds_stack()), "{state}");
    }
}

#[test]
fn a_step_that_waits_holds_no_stack() {
    for state in [StepState::Waiting, StepState::GatingPlan, StepState::Queued, StepState::Retrying]
    {
        assert!(!state.is_terminal() && !state.holds_stack(), "{state}");
    }
}
