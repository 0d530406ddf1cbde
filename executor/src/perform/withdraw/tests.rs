use contracts::{ChainId, RunId, run::RunState};
use serde_json::json;
use spacelift::RunFacts;
use uuid::Uuid;

use super::own;
use crate::{
    call::Call,
    fixtures::{at, run_facts},
};

/// A call for a step below these parents, with their runs.
fn below(parents: &[(&str, Option<&str>)]) -> Call {
    let with_run =
        parents.iter().filter_map(|(parent, run)| Some(((*parent).into(), RunId((*run)?.into()))));
    let plain = json!({ "call": "trigger", "chain": ChainId(Uuid::nil()), "stack": "d",
        "preview": false, "note": "", "since": at(0) });
    Call {
        native_parents: parents.iter().map(|(parent, _)| (*parent).into()).collect(),
        parent_runs: with_run.collect(),
        ..serde_json::from_value(plain).unwrap()
    }
}

/// Which of these runs, each with who triggered it, are the step's own.
fn chosen(runs: &[(&str, &str)], call: &Call) -> Vec<String> {
    let runs: Vec<_> = runs
        .iter()
        .map(|(id, by)| RunFacts {
            triggered_by: Some((*by).to_owned()),
            ..run_facts(id, RunState::Queued)
        })
        .collect();
    own(&runs, call).into_iter().map(|run| run.run.to_string()).collect()
}

#[test]
fn what_came_with_a_later_run_of_the_parent_is_somebody_elses() {
    let call = below(&[("b", Some("02"))]);
    assert_eq!(chosen(&[("09", "b"), ("03", "b"), ("01", "b")], &call), ["03"]);
    assert_eq!(chosen(&[("01", "b")], &call), Vec::<String>::new());
    assert_eq!(chosen(&[("05", "jane"), ("04", "b")], &call), ["04"]);
}

#[test]
fn of_parents_that_ran_apart_each_brings_its_own_and_the_last_comes_first() {
    let call = below(&[("b", Some("02")), ("c", Some("05"))]);
    assert_eq!(chosen(&[("09", "b"), ("06", "c"), ("03", "b")], &call), ["06", "03"]);
}

#[test]
fn a_parent_without_a_run_of_ours_brings_the_first_since_the_chain_began() {
    let call = below(&[("b", None)]);
    assert_eq!(chosen(&[("09", "b"), ("03", "b")], &call), ["03"]);
}
