use chrono::TimeDelta;
use contracts::{
    Code, Message, Reason,
    chain::{ChainPlanned, EdgeOrigin},
    gate::{Moment, Outcome},
    order::RetryChain,
    step::StepState,
    subject,
};
use simulator::{Account, CommitSeed, DependencySeed, PlanResult, Push, ReferenceSeed, RunState};
use store::Claim;

use super::{
    holds::{Beside, first_try},
    running::{Running, account, states, step},
};
use crate::{ChainPage, call::CallKind, input::CallResult};

/// The commit of a stack that Spacelift did not move along.
const OLD: &str = "01dc0de000000000000000000000000000000000";

/// Stacks over Spacelift's own dependencies, without references: a child always runs.
fn native(stacks: &[&str], edges: &[(&str, &str)]) -> Account {
    let dependency = |(parent, child): &(&str, &str)| DependencySeed {
        stack: (*child).to_owned(),
        depends_on: (*parent).to_owned(),
        ..DependencySeed::default()
    };
    Account { dependencies: edges.iter().map(dependency).collect(), ..account(stacks) }
}

fn planned(stacks: &[(&str, &[&str])]) -> ChainPlanned {
    let mut planned = crate::fixtures::planned(uuid::Uuid::new_v4().as_u128(), stacks);
    crate::fixtures::alter_edges(&mut planned, |edge| {
        edge.origins = vec![EdgeOrigin::Native { references: Vec::new() }].into();
    });
    planned
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_spacelift_makes_by_itself_are_adopted_and_not_doubled() {
    let account = native(&["a", "b", "c"], &[("a", "b"), ("b", "c")]);
    let running = Running::start(account).await;

    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"]), ("c", &["b"])])).await;
    let page = running.finished(chain).await;

    assert_eq!(running.mutations("runTrigger").len(), 1);
    for stack in ["a", "b", "c"] {
        let runs = running.spacelift.runs(stack);
        assert_eq!(runs.len(), 1, "{stack}");
        assert_eq!(step(&page, stack).summary.run.as_ref().unwrap().as_str(), runs[0].id);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_run_on_another_commit_gives_way_to_one_that_brings_the_change() {
    let mut account = native(&["a", "b"], &[("a", "b")]);
    account.stacks[1].tracked_commit.as_mut().unwrap().hash = OLD.to_owned();
    let running = Running::start(account).await;

    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"])])).await;
    let page = running.finished(chain).await;

    let runs = running.spacelift.runs("b");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!((runs[0].state, runs[0].commit.as_str()), (RunState::Discarded, OLD));
    assert_eq!(
        (runs[1].state, runs[1].commit.as_str()),
        (RunState::Finished, crate::fixtures::COMMIT)
    );
    assert_eq!(step(&page, "b").summary.run.as_ref().unwrap().as_str(), runs[1].id);
    running.stop().await;
}

/// Waits until nothing is left of the runs of these stacks, however they were made.
async fn withdrawn(running: &Running, stacks: &[&str], count: usize) {
    let left = || {
        let runs = stacks.iter().flat_map(|stack| running.spacelift.runs(stack));
        runs.map(|run| run.state).collect::<Vec<_>>()
    };
    let is_void =
        |it: &RunState| matches!(it, RunState::Skipped | RunState::Discarded | RunState::Stopped);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let look = async {
        while left().len() < count || !left().iter().all(is_void) {
            ticks.tick().await;
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), look).await;
    assert!(in_time.is_ok(), "left: {:?}", left());
}

/// Spacelift itself would go on below a skipped parent, with each attempt anew.
#[tokio::test(flavor = "multi_thread")]
async fn below_a_failure_no_native_run_is_left_to_apply() {
    let account = native(&["a", "b", "c"], &[("a", "b"), ("b", "c")]);
    let running = Running::start(account).await;
    running.spacelift.set_plan("a", PlanResult::FailPlanning).unwrap();

    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"]), ("c", &["b"])])).await;
    for attempt in 1..=2 {
        let page = running.ended(chain).await;
        assert_eq!(states(&page), "a failed, b skipped, c skipped");
        withdrawn(&running, &["b", "c"], 2 * attempt).await;
        let (by, stack) = ("jane".to_owned(), Some("a".into()));
        let order = RetryChain { chain, stack, force: false, all: false, by, note: None };
        let subject = subject::command(RetryChain::TYPE);
        running.bus.request(&subject, &serde_json::json!(order)).await.unwrap().unwrap();
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_denied_has_its_native_run_withdrawn() {
    let running = Running::start(native(&["a", "b", "c"], &[("a", "b")])).await;
    running.policies_say(Moment::BeforePlan, "b", Outcome::Deny);

    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"]), ("c", &[])])).await;
    let page = running.ended(chain).await;

    assert_eq!(step(&page, "b").summary.state, StepState::Denied);
    let withdrawn = |entry: &simulator::JournalEntry| {
        matches!(&entry.event, simulator::JournalEvent::Transition(it)
            if &*it.stack == "b" && it.to == RunState::Discarded)
    };
    let patience = std::time::Duration::from_secs(30);
    running.spacelift.wait_for_entry(0, patience, withdrawn).await.unwrap();
    running.stop().await;
}

/// Spacelift sees no output that changed; the chain says the stack must run all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_run_that_spacelift_skipped_is_not_adopted() {
    let mut account = native(&["a", "b"], &[("a", "b")]);
    account.dependencies[0].references = vec![ReferenceSeed::new("zone", "TF_VAR_zone")];
    account.stacks[0].outputs.insert("zone".to_owned(), "eu".into());
    account.stacks[0].outputs_published = true;
    let running = Running::start(account).await;

    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"])])).await;
    let page = running.finished(chain).await;

    let runs = running.spacelift.runs("b");
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Skipped, RunState::Finished]);
    assert_eq!(step(&page, "b").summary.run.as_ref().unwrap().as_str(), runs[1].id);
    running.stop().await;
}

/// Spacelift judges the child as soon as its parent ends, which the executor hears later.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_run_that_was_skipped_because_nothing_changed_spares_what_only_follows() {
    let mut account = native(&["a", "b"], &[("a", "b")]);
    account.dependencies[0].references = vec![ReferenceSeed::new("zone", "TF_VAR_zone")];
    account.stacks[0].outputs.insert("zone".to_owned(), "eu".into());
    let running = Running::start(account).await;
    let planned = || {
        let mut planned = planned(&[("a", &[]), ("b", &["a"])]);
        planned.steps[1].why = Reason::new(Code::DependsOn, "depends on a");
        planned
    };
    let first = running.planned(planned()).await;
    running.finished(first).await;

    let second = running.planned(planned()).await;
    let page = running.finished(second).await;

    assert_eq!(step(&page, "b").summary.reason.code, Code::InputsUnchanged);
    let states: Vec<_> = running.spacelift.runs("b").iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Finished, RunState::Skipped]);
    running.stop().await;
}

/// Spacelift has a run of `c` with that of `a` and one with that of `b`, and lets none wait for both.
#[tokio::test(flavor = "multi_thread")]
async fn below_two_stacks_that_run_apart_a_step_runs_once_and_after_both() {
    let mut account = native(&["a", "b", "c"], &[("a", "c"), ("b", "c")]);
    account.stacks[2].autodeploy = true;
    let running = Running::start(account).await;
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    for stack in ["a", "b"] {
        running.policies_say(Moment::BeforeApply, stack, hold.clone());
    }

    let stacks: &[(&str, &[&str])] = &[("a", &[]), ("b", &[]), ("c", &["a", "b"])];
    let chain = running.planned(planned(stacks)).await;
    withdrawn(&running, &["c"], 2).await;
    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    let holds = |page: &ChainPage| states(page) == "a finished, b gating_apply, c waiting";
    running.until(chain, "only b is left above c", holds).await;
    running.policies_say(Moment::BeforeApply, "b", Outcome::Pass);

    let page = running.finished(chain).await;
    let runs = running.spacelift.runs("c");
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states[2..], [RunState::Finished]);
    assert_eq!(step(&page, "c").summary.run.as_ref().unwrap().as_str(), runs[2].id);
    running.stop().await;
}

/// Spacelift knows of one parent alone, and would run what only the chain has wait for the other.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_more_than_spacelift_knows_is_not_planned_before_that_has_ended() {
    let running = Running::start(native(&["a", "b", "c"], &[("a", "c")])).await;
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    running.policies_say(Moment::BeforeApply, "b", hold);
    let mut planned = planned(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    crate::fixtures::alter_edges(&mut planned, |edge| {
        if edge.parent.as_str() == "b" {
            *edge = crate::fixtures::edge("b", "c");
        }
    });

    let chain = running.planned(planned).await;
    let holds = |page: &ChainPage| states(page) == "a finished, b gating_apply, c waiting";
    running.until(chain, "only b is left above c", holds).await;
    withdrawn(&running, &["c"], 1).await;
    running.policies_say(Moment::BeforeApply, "b", Outcome::Pass);

    running.finished(chain).await;
    let states: Vec<_> = running.spacelift.runs("c").iter().map(|run| run.state).collect();
    assert_eq!(states[1..], [RunState::Finished]);
    running.stop().await;
}

/// The run that came with it waits for a person, and whatever is behind that one would wait, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_with_somebody_elses_run_of_the_parent_is_neither_adopted_nor_ended() {
    for outcome in [Outcome::Pass, Outcome::Deny] {
        what_came_with_somebody_elses_run_is_left_alone(outcome).await;
    }
}

async fn what_came_with_somebody_elses_run_is_left_alone(outcome: Outcome) {
    let mut account = native(&["a", "b"], &[("a", "b")]);
    account.stacks[0].repository = "elsewhere".to_owned();
    let mut running = Running::start(account).await;
    running.policies_say(
        Moment::BeforePlan,
        "b",
        Outcome::HoldForApprovals { given: 0, needed: 1 },
    );
    let chain = running.planned(planned(&[("a", &[]), ("b", &["a"])])).await;
    let is_asked = |page: &ChainPage| step(page, "b").summary.state == StepState::GatingPlan;
    running.until(chain, "a has applied", is_asked).await;
    let pushed = Push {
        repository: "acme/elsewhere".to_owned(),
        branch: "main".to_owned(),
        commit: CommitSeed { hash: crate::fixtures::COMMIT.to_owned(), ..Default::default() },
        ..Push::default()
    };
    running.spacelift.push(pushed).unwrap();
    let [ours, theirs] = <[_; 2]>::try_from(running.spacelift.runs("b")).unwrap();

    let passes = outcome == Outcome::Pass;
    running.policies_say(Moment::BeforePlan, "b", outcome);

    let page = running.ended(chain).await;
    let run = step(&page, "b").summary.run.as_ref().map(|run| run.to_string());
    assert_eq!(run, passes.then(|| ours.id.clone()));
    if !passes {
        let is_over = |entry: &simulator::JournalEntry| {
            matches!(&entry.event, simulator::JournalEvent::Transition(it)
                if it.run == ours.id && it.to.terminal())
        };
        let patience = std::time::Duration::from_secs(30);
        running.spacelift.wait_for_entry(0, patience, is_over).await.unwrap();
        // Calls that were begun are finished.
        running.stop_service().await;
    }
    let left = running.spacelift.runs("b").into_iter().find(|run| run.id == theirs.id).unwrap();
    assert!(!left.state.terminal(), "it waits for its parent: {left:?}");
    assert_eq!(running.runs("b"), 2);
    running.stop().await;
}

/// Whatever became of an earlier attempt, only time says that none is made any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_spacelift_may_have_yet_to_make_is_waited_for_also_by_a_later_attempt() {
    let running = Running::with(native(&["a", "b"], &[("a", "b")]), |config| {
        // Longer than two looks take on a loaded machine.
        config.runs.settle = std::time::Duration::from_secs(7);
        config.store.lease = std::time::Duration::from_secs(28);
    })
    .await;
    let beside = Beside::of(&running).await;
    let claim = first_try(CallKind::Withdraw, |call| {
        (call.stack, call.native_parents) = ("b".into(), vec!["a".into()]);
        call.after = Some("before".into());
    });
    let why = beside.makes(&Claim { attempt: 2, ..claim.clone() }).await.unwrap_err();
    assert_eq!(why.code, Code::RunInFlight, "{why}");
    let created_at = claim.created_at - TimeDelta::seconds(7);
    let over = beside.makes(&Claim { created_at, ..claim }).await;
    assert!(matches!(over, Ok(CallResult::Nothing)), "{over:?}");
    running.stop().await;
}
