use contracts::{RunId, StackId, chain::EdgeOrigin, run::RunState, step::StepState};

use super::Step;
use crate::fixtures::{ChainFixture, at, report, step};

fn waiting() -> Step {
    Step::new(step("a"), Vec::<StackId>::new(), at(0))
}

#[test]
fn of_early_reports_the_newest_of_each_run_is_kept() {
    let mut step = waiting();
    step.keep_early(&report("a", RunState::Planning, 3));
    step.keep_early(&report("a", RunState::Queued, 0));
    step.keep_early(&report("a", RunState::Planning, 3));
    assert_eq!(step.early, [report("a", RunState::Planning, 3)]);

    step.keep_early(&report("a", RunState::Finished, 9));
    step.keep_early(&report("other", RunState::Queued, 0));
    let kept: Vec<_> = step.early.iter().map(|it| (it.run.as_str(), it.state_version)).collect();
    assert_eq!(kept, [("run-a", 9), ("run-other", 0)]);
}

#[test]
fn a_stack_with_many_foreign_runs_does_not_fill_the_row() {
    let mut step = waiting();
    for number in 0..100 {
        let run = RunId(format!("foreign-{number}"));
        step.keep_early(&contracts::run::RunReported { run, ..report("a", RunState::Queued, 0) });
    }
    assert_eq!(step.early.len(), 8);
    assert_eq!(step.early[7].run.as_str(), "foreign-99");
}

#[test]
fn only_a_confirmed_run_or_one_that_applies_by_itself_may_have_applied() {
    use StepState as S;
    let may = |state, by_itself| {
        ChainFixture::single().running().with("a", state).step("a").may_have_applied(by_itself)
    };
    for state in [S::GatingPlan, S::Triggering, S::Planning, S::GatingApply, S::Discarding] {
        assert!(!may(state, false), "{state}");
    }
    for state in [S::Confirming, S::Applying] {
        assert!(may(state, false), "{state}");
    }
    assert!(may(S::Planning, true));
}

#[test]
fn the_parents_of_a_step_are_those_of_its_edges() {
    let chain = ChainFixture::diamond().gating();
    assert_eq!(chain.step("d").parents, ["b".into(), "c".into()]);
    let label = EdgeOrigin::Label { label: "depends-on:b".to_owned() };
    assert_eq!(chain.chain().edges[2].origins, [label]);
}
