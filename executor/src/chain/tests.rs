use contracts::step::StepState;

use crate::fixtures::{COMMIT, ChainFixture};

fn names(stacks: Vec<&contracts::StackId>) -> Vec<&str> {
    stacks.into_iter().map(contracts::StackId::as_str).collect()
}

#[test]
fn a_step_waits_for_those_parents_only_that_have_not_ended_well() {
    let chain = ChainFixture::diamond().running().with("b", StepState::Finished);
    assert_eq!(names(chain.chain().open_parents(3).collect()), ["c"]);
    assert!(chain.chain().standing(2).is_met());
}

#[test]
fn native_parents_are_followed_by_tracked_runs_alone() {
    let deploy = ChainFixture::diamond().native().gating();
    let preview = ChainFixture::diamond().native().preview().gating();
    let by_label = ChainFixture::diamond().gating();

    assert_eq!(deploy.chain().native_parents(3), ["b".into(), "c".into()]);
    assert!(preview.chain().native_parents(3).is_empty());
    assert!(by_label.chain().native_parents(3).is_empty());
}

#[test]
fn the_commit_is_named_only_for_stacks_that_track_the_branch() {
    let mut planned = crate::fixtures::planned(1, &[("a", &[]), ("other", &[])]);
    planned.steps[1].on_commit = false;
    let chain = ChainFixture::planned_as(planned).gating();

    assert_eq!(chain.chain().commit(0), Some(COMMIT.into()));
    assert_eq!(chain.chain().commit(1), None);
}

#[test]
fn a_new_chain_is_written_whole_and_every_step_says_why_it_waits() {
    let chain = ChainFixture::diamond().gating();
    let changes = &chain.chain().changes;

    assert!(changes.chain);
    assert_eq!(changes.steps.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(chain.chain().steps.iter().all(|step| !step.reason.text.is_empty()));
}
