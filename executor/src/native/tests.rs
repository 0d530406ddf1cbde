use contracts::{ChainId, RunId, run::RunState};
use serde_json::json;
use spacelift::RunFacts;
use uuid::Uuid;

use super::{Native, Weighed, came_with, weigh};
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
    came_with(&runs, call).into_iter().map(|run| run.run.to_string()).collect()
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
fn what_names_a_parent_that_has_no_run_in_the_chain_is_somebody_elses() {
    let call = below(&[("b", None), ("c", Some("05"))]);
    assert_eq!(chosen(&[("09", "b"), ("06", "c"), ("03", "b")], &call), ["06"]);
}

/// What becomes of runs of a step whose turn came at 10: what is ended, and what then.
fn weighed(own: Vec<RunFacts>, call: Call) -> (Vec<String>, Native) {
    let call = Call { not_before: Some(at(10)), ..call };
    let Weighed { ends, then } = weigh(own, &call);
    (ends.into_iter().map(|run| run.run.to_string()).collect(), then)
}

fn plain() -> Call {
    below(&[])
}

/// A run that began so many seconds in.
fn begun(id: &str, state: RunState, began: i64) -> RunFacts {
    RunFacts { began_at: Some(at(began)), ..run_facts(id, state) }
}

#[test]
fn the_run_that_waits_for_the_step_s_turn_or_began_with_it_is_taken() {
    for run in [
        run_facts("r", RunState::Queued),
        begun("r", RunState::Unconfirmed, 10),
        begun("r", RunState::Finished, 11),
    ] {
        assert_eq!(weighed(vec![run.clone()], plain()), (vec![], Native::Theirs(run)));
    }
    assert_eq!(weighed(vec![], plain()), (vec![], Native::Ours));
}

#[test]
fn what_planned_before_the_turn_of_the_step_is_ended_and_one_of_ours_takes_its_place() {
    let early = begun("r", RunState::Unconfirmed, 9);
    assert_eq!(weighed(vec![early], plain()), (vec!["r".to_owned()], Native::Ours));
    // It found nothing to change, in what was there then.
    let ended = begun("r", RunState::Finished, 9);
    assert_eq!(weighed(vec![ended], plain()), (vec![], Native::Ours));
}

#[test]
fn of_several_all_are_ended_but_the_one_that_is_taken() {
    let (early, good) =
        (begun("r1", RunState::Unconfirmed, 9), begun("r2", RunState::Planning, 12));
    let taken = weighed(vec![good.clone(), early.clone()], plain());
    assert_eq!(taken, (vec!["r1".to_owned()], Native::Theirs(good)));
    // Spacelift may yet skip what queues, because of what came with one parent alone.
    let queued = run_facts("r2", RunState::Queued);
    let (ends, then) = weighed(vec![queued, early], plain());
    assert_eq!((ends, then), (vec!["r2".to_owned(), "r1".to_owned()], Native::Ours));
    let other = Call { touched: true, commit: Some("0ther".into()), ..plain() };
    let both = vec![begun("r2", RunState::Planning, 12), begun("r1", RunState::Unconfirmed, 11)];
    assert_eq!(weighed(both, other), (vec!["r2".to_owned(), "r1".to_owned()], Native::Ours));
}

#[test]
fn what_applies_is_never_ended_and_what_applied_too_early_is_told() {
    let applies = |state, began| RunFacts { applied: true, ..begun("r", state, began) };
    let early = applies(RunState::Applying, 9);
    assert_eq!(weighed(vec![early.clone()], plain()), (vec![], Native::Awaits(early)));
    let ended = applies(RunState::Finished, 9);
    assert_eq!(weighed(vec![ended.clone()], plain()), (vec![], Native::TooEarly(ended.clone())));
    let good = begun("s", RunState::Unconfirmed, 12);
    assert_eq!(weighed(vec![good.clone(), ended], plain()), (vec![], Native::Theirs(good)));
    let in_time = applies(RunState::Applying, 10);
    let both = vec![run_facts("s", RunState::Queued), in_time.clone()];
    assert_eq!(weighed(both, plain()), (vec!["s".to_owned()], Native::Theirs(in_time)));
}

#[test]
fn a_step_is_spared_only_if_spacelift_skipped_each_of_its_runs_as_unchanged() {
    let spared = Call { spared: true, ..plain() };
    let skipped = |id: &str| RunFacts {
        note: Some("references which have not changed".to_owned()),
        ..run_facts(id, RunState::Skipped)
    };
    let both = vec![skipped("r2"), skipped("r1")];
    assert_eq!(weighed(both, spared.clone()), (vec![], Native::Theirs(skipped("r2"))));
    let one = vec![skipped("r2"), begun("r1", RunState::Unconfirmed, 9)];
    assert_eq!(weighed(one, spared), (vec!["r1".to_owned()], Native::Ours));
}
