use super::*;
use crate::states::{
    RunState::*,
    RunType::{Destroy, Proposed, Task, Tracked},
};

const CHANGES: PlanResult = PlanResult::Changes { add: 1, change: 0, delete: 0 };
const FAILS_TO_APPLY: PlanResult = PlanResult::FailApplying { add: 1, change: 0, delete: 0 };

fn facts(kind: RunType, state: RunState, plan: &PlanResult) -> Facts<'_> {
    Facts {
        kind,
        state,
        plan,
        autodeploy: false,
        plan_warning: false,
        force_apply: false,
        skip_initialization: false,
        undecided: false,
        review_on_warning: false,
    }
}

/// The states a run passes through when nobody acts but time.
fn course(start: &Facts<'_>) -> Vec<RunState> {
    let mut facts = start.clone();
    let mut states = vec![facts.state];
    while let Ok(to) = next(&facts, Event::PhaseOver) {
        states.push(to);
        facts.state = to;
    }
    states
}

#[test]
fn a_tracked_run_waits_for_a_human_after_its_plan() {
    let states = course(&facts(Tracked, Ready, &CHANGES));
    assert_eq!(states, [Ready, Preparing, Initializing, Planning, Unconfirmed]);
}

#[test]
fn a_tracked_run_with_autodeploy_applies_by_itself_unless_its_plan_warns() {
    let autodeploy = Facts { autodeploy: true, ..facts(Tracked, Planning, &CHANGES) };
    assert_eq!(course(&autodeploy), [Planning, Applying, Finished]);
    let warned = Facts { plan_warning: true, ..autodeploy };
    assert_eq!(course(&warned), [Planning, Unconfirmed]);
}

#[test]
fn a_confirmed_run_is_handed_over_again_and_applies() {
    let states = course(&facts(Tracked, Confirmed, &CHANGES));
    assert_eq!(states, [Confirmed, PreparingApply, Applying, Finished]);
    let states = course(&facts(Tracked, Confirmed, &FAILS_TO_APPLY));
    assert_eq!(states, [Confirmed, PreparingApply, Applying, Failed]);
}

#[test]
fn a_plan_without_changes_finishes_unless_an_apply_is_forced() {
    let nothing = facts(Tracked, Planning, &PlanResult::NoChanges);
    assert_eq!(course(&nothing), [Planning, Finished]);
    let forced = Facts { force_apply: true, ..nothing };
    assert_eq!(course(&forced), [Planning, Applying, Finished]);
}

#[test]
fn a_plan_that_fails_fails_the_run() {
    for kind in [Tracked, Proposed] {
        assert_eq!(course(&facts(kind, Planning, &PlanResult::FailPlanning)), [Planning, Failed]);
    }
}

#[test]
fn a_proposed_run_never_applies() {
    for force_apply in [false, true] {
        let proposed =
            Facts { autodeploy: true, force_apply, ..facts(Proposed, Ready, &FAILS_TO_APPLY) };
        assert_eq!(course(&proposed), [Ready, Preparing, Initializing, Planning, Finished]);
    }
    let reviewed = Facts {
        plan_warning: true,
        review_on_warning: true,
        ..facts(Proposed, Planning, &CHANGES)
    };
    assert_eq!(course(&reviewed), [Planning, PendingReview]);
}

#[test]
fn a_task_performs_and_may_skip_its_initialization() {
    let task = facts(Task, Ready, &CHANGES);
    assert_eq!(course(&task), [Ready, Preparing, Initializing, Performing, Finished]);
    let quick = Facts { skip_initialization: true, ..task };
    assert_eq!(course(&quick), [Ready, Preparing, Performing, Finished]);
    assert_eq!(course(&facts(Task, Performing, &FAILS_TO_APPLY)), [Performing, Failed]);
}

#[test]
fn a_destroy_run_destroys_without_a_plan() {
    let states = course(&facts(Destroy, Ready, &CHANGES));
    assert_eq!(states, [Ready, Preparing, Initializing, Destroying, Finished]);
    assert_eq!(course(&facts(Destroy, Destroying, &FAILS_TO_APPLY)), [Destroying, Failed]);
}

const ALL: [RunState; 22] = [
    None,
    Queued,
    Canceled,
    Initializing,
    Planning,
    Failed,
    Finished,
    Unconfirmed,
    Discarded,
    Confirmed,
    Applying,
    Performing,
    Stopped,
    Destroying,
    Preparing,
    PreparingApply,
    Skipped,
    ReplanRequested,
    Pending,
    Ready,
    PreparingReplan,
    PendingReview,
];

#[test]
fn every_event_is_refused_everywhere_but_where_it_belongs() {
    let expected: [(Event, &[RunState], RunState); 10] = [
        (Event::Turn, &[Queued], Ready),
        (Event::AssignmentFailed, &[Ready], Failed),
        (Event::Skip, &[Queued], Skipped),
        (Event::ExternalFailed, &[Queued], Failed),
        (Event::Confirm, &[Unconfirmed], Confirmed),
        (Event::Discard, &[Queued, Ready, Unconfirmed], Discarded),
        (Event::Cancel, &[Queued, Ready], Canceled),
        (Event::Stop, &[Preparing, Initializing, Planning, PreparingReplan], Stopped),
        (Event::Replan, &[Unconfirmed], ReplanRequested),
        (Event::Reject, &[Queued, Unconfirmed, PendingReview], Failed),
    ];
    for (event, from, to) in expected {
        for state in ALL {
            let answer = next(&facts(Tracked, state, &CHANGES), event);
            if from.contains(&state) {
                assert_eq!(answer, Ok(to), "{event:?} in {state}");
            } else {
                let refusal = answer.unwrap_err();
                assert!(refusal.to_string().contains(state.as_str()), "{event:?}: {refusal}");
            }
        }
    }
}

#[test]
fn nothing_ever_happens_to_a_run_that_has_ended() {
    let events = [
        Event::Turn,
        Event::PhaseOver,
        Event::AssignmentFailed,
        Event::Skip,
        Event::ExternalFailed,
        Event::Confirm,
        Event::Discard,
        Event::Cancel,
        Event::Stop,
        Event::Kill,
        Event::Replan,
        Event::Reject,
        Event::Approved,
    ];
    for state in ALL.into_iter().filter(|state| state.terminal()) {
        for event in events {
            assert!(next(&facts(Tracked, state, &CHANGES), event).is_err(), "{event:?} in {state}");
        }
    }
}

#[test]
fn an_unconfirmed_run_without_its_approvals_cannot_be_confirmed() {
    let waiting = Facts { undecided: true, ..facts(Tracked, Unconfirmed, &CHANGES) };
    let refusal = next(&waiting, Event::Confirm).unwrap_err();
    assert_eq!(refusal.to_string(), "run cannot be confirmed: it needs approval");
}
