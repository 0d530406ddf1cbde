use std::time::Duration;

use contracts::{
    Code, StackId,
    gate::{Moment, Outcome},
    run::RunType,
    step::StepState,
};
use simulator::{Approvals, Fault, FaultKind, Pace, RunState};
use spacelift::{Client, Trigger};

use super::running::{Running, account, step};
use crate::{ChainPage, fixtures};

/// One chain over one stack, under a fault; gives the executor once the chain has ended well.
async fn under(fault: Fault) -> Running {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.add_fault(fault);
    let chain = running.plan(&[("a", &[])]).await;
    running.finished(chain).await;
    running
}

async fn assert_one_run(running: Running, triggers: usize) {
    assert_eq!(running.mutations("runTrigger").len(), triggers, "requests that arrived");
    assert_eq!(running.mutations("runTrigger").iter().filter(|it| it.accepted).count(), 1);
    let runs = running.spacelift.runs("a");
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(runs[0].state, RunState::Finished);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_whose_answer_is_lost_is_found_and_not_repeated() {
    let running = under(Fault::once(FaultKind::AnswerLost).on("runTrigger")).await;
    assert_one_run(running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_never_arrived_is_made_again() {
    let running = under(Fault::once(FaultKind::DroppedBeforeAccept).on("runTrigger")).await;
    assert_one_run(running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_answered_too_late_is_found_and_not_repeated() {
    let running = under(Fault::once(FaultKind::Slow { delay_ms: 2_600 }).on("runTrigger")).await;
    let made = running.runs("a");
    assert_eq!(made, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_spacelift_are_waited_out() {
    let running = under(Fault::once(FaultKind::ServerError { status: 503 }).on("runTrigger")).await;
    assert_eq!(running.runs("a"), 1);
    running.stop().await;
    let limit = FaultKind::TooManyRequests { retry_after_s: Some(1) };
    let running = under(Fault::always(limit).times(2)).await;
    assert_eq!(running.runs("a"), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_renewed() {
    let running = under(Fault::always(FaultKind::ExpiredToken).times(3)).await;
    assert_eq!(running.runs("a"), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_whose_answer_is_lost_is_found_and_not_repeated() {
    let running = Running::start(account(&["a"])).await;
    // Long enough for a confirm that is repeated to arrive.
    running.spacelift.set_pace("a", Pace { applying_ms: 1_500, ..Pace::zero() }).unwrap();
    running.spacelift.add_fault(Fault::once(FaultKind::AnswerLost).on("runConfirm"));
    let chain = running.plan(&[("a", &[])]).await;
    running.finished(chain).await;
    assert_eq!(running.mutations("runConfirm").len(), 1);
    assert_one_run(running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_that_never_arrived_is_made_again() {
    let running = under(Fault::once(FaultKind::DroppedBeforeAccept).on("runConfirm")).await;
    assert_one_run(running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_to_an_executor_that_is_gone_is_asked_about_at_once() {
    let running = Running::with(account(&["a"]), |config| {
        config.runs.silence = Duration::from_secs(3_600);
        config.runs.poll_every = Duration::from_secs(3_600);
    })
    .await;
    let pace = simulator::Pace { planning_ms: 60_000, ..simulator::Pace::zero() };
    running.spacelift.set_pace("a", pace).unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    let plans = |page: &crate::ChainPage| step(page, "a").summary.state == StepState::Planning;
    running.until(chain, "it plans", plans).await;
    running.policies_say(
        Moment::BeforeApply,
        "a",
        Outcome::HoldForApprovals { given: 0, needed: 1 },
    );
    // Nobody tells this one.
    running.spacelift.advance(60_000);
    crate::store::tests::leave_a_dead_executor(&running.config.store).await;
    let is_planned =
        |page: &crate::ChainPage| step(page, "a").summary.state == StepState::GatingApply;
    running.until(chain, "its plan is known", is_planned).await;
    running.stop().await;
}

/// The confirm of the first plan is on its way again while the run shows another plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_is_never_repeated_on_a_plan_that_nobody_allowed() {
    let running = Running::with(account(&["a"]), |config| {
        config.runs.settle = Duration::from_millis(900);
        config.runs.silence = Duration::from_secs(3_600);
        config.runs.poll_every = Duration::from_secs(3_600);
    })
    .await;
    let webhooks = running.tell_of_runs();
    let lost = Fault::always(FaultKind::DroppedBeforeAccept).on("runConfirm");
    let lost = running.spacelift.add_fault(lost);
    let chain = running.plan(&[("a", &[])]).await;
    let confirming =
        |page: &crate::ChainPage| step(page, "a").summary.state == StepState::Confirming;
    let page = running.until(chain, "it confirms", confirming).await;
    let (run, first) = (step(&page, "a").summary.run.clone().unwrap(), step(&page, "a").gate);
    running.until(chain, "the confirm is lost", |page| step(page, "a").call.is_some()).await;
    drop(webhooks);
    running.policies_say(
        Moment::BeforeApply,
        "a",
        Outcome::HoldForApprovals { given: 0, needed: 1 },
    );
    running
        .graphql(&format!(
            "mutation {{ runTargetedReplan(stack: \"a\", run: \"{run}\", targets: [\"x\"]) {{ id }} }}"
        ))
        .await;
    running.spacelift.remove_fault(lost);

    let page = running.until(chain, "it asks again", |page| step(page, "a").gate != first).await;
    assert_eq!(step(&page, "a").summary.state, StepState::GatingApply);
    assert!(running.mutations("runConfirm").iter().all(|it| !it.accepted));
    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    let accepted = running.accepted("runConfirm");
    accepted.await;
    running.stop().await;
}

/// By the time people approve, the run shows another plan, and nobody has told.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_took_its_time_is_not_for_a_plan_that_was_made_meanwhile() {
    let running = Running::with(account(&["a"]), |config| {
        config.runs.silence = Duration::from_millis(300);
        config.runs.poll_every = Duration::from_secs(3_600);
    })
    .await;
    let hold = Outcome::HoldForApprovals { given: 0, needed: 1 };
    running.policies_say(Moment::BeforeApply, "a", hold);
    let webhooks = running.tell_of_runs();
    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &crate::ChainPage| {
        let step = step(page, "a");
        let waited = (chrono::Utc::now() - step.since).num_milliseconds();
        step.summary.state == StepState::GatingApply && waited > 400
    };
    let page = running.until(chain, "it waits for a while", waits).await;
    let (run, first) = (step(&page, "a").summary.run.clone().unwrap(), step(&page, "a").gate);
    drop(webhooks);
    let shown = running.spacelift.journal(0).last().unwrap().number;
    running
        .graphql(&format!(
            "mutation {{ runTargetedReplan(stack: \"a\", run: \"{run}\", targets: [\"x\"]) {{ id }} }}"
        ))
        .await;
    let is_shown = |entry: &simulator::JournalEntry| {
        matches!(&entry.event, simulator::JournalEvent::Transition(it)
            if it.to == simulator::RunState::Unconfirmed)
    };
    let patience = Duration::from_secs(30);
    running.spacelift.wait_for_entry(shown, patience, is_shown).await.unwrap();

    running.policies_say(Moment::BeforeApply, "a", Outcome::Pass);
    let asked_anew = |page: &crate::ChainPage| step(page, "a").gate != first;
    running.until(chain, "the other plan is asked about", asked_anew).await;
    running.accepted("runConfirm").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_stack_ends_its_step_and_says_so() {
    let running = Running::start(account(&["a"])).await;
    running.graphql("mutation { stackDisable(id: \"a\") { id } }").await;
    let chain = running.plan(&[("a", &[])]).await;
    let page = running.ended(chain).await;
    let reason = &step(&page, "a").summary.reason;
    assert_eq!(reason.text, "Spacelift refused run.trigger on a: stack a is disabled");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_spacelift_is_away_the_call_says_why_it_waits() {
    let running = Running::start(account(&["a"])).await;
    let away = running.spacelift.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    let chain = running.plan(&[("a", &[])]).await;
    let page = running.until(chain, "it says why", |page| step(page, "a").call.is_some()).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Triggering);

    running.spacelift.remove_fault(away);
    running.finished(chain).await;
    assert_one_run(running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_needs_an_approval_in_spacelift_is_held_until_it_has_it() {
    let running = Running::start(account(&["a"])).await;
    let needs = |unconfirmed| Approvals { unconfirmed, ..Approvals::default() };
    running.spacelift.set_approvals("a", needs(1)).unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    let page = running.until(chain, "it says why", |page| step(page, "a").call.is_some()).await;
    assert_eq!(step(&page, "a").summary.state, StepState::Confirming);
    let call = step(&page, "a").call.clone().unwrap();
    assert!(call.contains("it needs approval"), "{call}");

    running.spacelift.set_approvals("a", needs(0)).unwrap();
    running.finished(chain).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_that_may_be_ours_a_person_says_which() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.add_fault(Fault::once(FaultKind::AnswerLost).on("runTrigger"));
    // Nobody looks for the run before there is another.
    let unseen = Fault::always(FaultKind::ServerError { status: 503 }).on("ListRuns");
    let unseen = running.spacelift.add_fault(unseen);
    let chain = running.plan(&[("a", &[])]).await;
    running.accepted("runTrigger").await;
    // Somebody else uses our key.
    let somebody = Client::new(&running.config.spacelift).unwrap();
    let twin = Trigger {
        stack: StackId::from("a"),
        commit: Some(crate::fixtures::COMMIT.into()),
        run_type: RunType::Tracked,
        mark: "somebody".to_owned(),
    };
    let twin = somebody.trigger(&twin).await.unwrap();
    running.spacelift.remove_fault(unseen);

    let page = running.until(chain, "it is held", |page| step(page, "a").call.is_some()).await;
    assert!(!page.line.state.is_terminal());
    let said = |page: &crate::ChainPage| {
        step(page, "a").call.as_ref().is_some_and(|call| call.contains("discard all but one"))
    };
    let page = running.until(chain, "it says what to do", said).await;
    assert!(step(&page, "a").call.as_ref().unwrap().contains(twin.run.as_str()));

    somebody.discard(&twin.stack, &twin.run, "not this one").await.unwrap();
    let page = running.finished(chain).await;
    assert_ne!(step(&page, "a").summary.run, Some(twin.run));
    assert_eq!(running.runs("a"), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spacelift_refuses_ends_the_step_with_its_words() {
    let running = Running::start(account(&["a"])).await;
    let mut planned = crate::fixtures::planned(uuid::Uuid::new_v4().as_u128(), &[("a", &[])]);
    planned.change.commit = "nonsense".into();
    let chain = running.planned(planned).await;

    let page = running.ended(chain).await;

    let reason = &step(&page, "a").summary.reason;
    assert_eq!(
        (step(&page, "a").summary.state, reason.code),
        (StepState::Failed, Code::SpaceliftRefused)
    );
    assert!(reason.text.contains("is not a commit hash"), "{}", reason.text);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gives_way_does_so_also_while_spacelift_answers_nothing() {
    let running = Running::start(account(&["a", "z"])).await;
    let hold = || Outcome::HoldForApprovals { given: 0, needed: 1 };
    running.policies_say(Moment::BeforeApply, "z", hold());
    running.policies_say(Moment::BeforePlan, "a", hold());
    let planned = || {
        let mut planned = fixtures::planned(uuid::Uuid::new_v4().as_u128(), &[("a", &[])]);
        planned.options.supersede = true;
        planned
    };
    // Somebody is asked about all the while.
    let other = running.plan(&[("z", &[])]).await;
    let is_held = |page: &ChainPage| step(page, "z").summary.state == StepState::GatingApply;
    running.until(other, "it is held", is_held).await;
    let older = running.planned(planned()).await;
    let is_asked = |page: &ChainPage| step(page, "a").summary.state == StepState::GatingPlan;
    running.until(older, "it asks", is_asked).await;
    running.spacelift.add_fault(Fault::always(FaultKind::ServerError { status: 500 }));

    running.planned(planned()).await;

    let page = running.ended(older).await;
    assert_eq!(page.line.reason.code, Code::Superseded, "{page:#?}");
    running.stop().await;
}
