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
fn a_step_is_idle_or_holds_its_stack_or_has_ended() {
    for state in StepState::ALL {
        let is = [state.is_idle(), state.holds_stack(), state.is_terminal()];
        assert_eq!(is.into_iter().filter(|is| *is).count(), 1, "{state}");
    }
}
