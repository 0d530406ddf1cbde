//! What holds runs up in Spacelift, told by name.

use std::time::Duration;

use ::store::{Claim, Performed, Performer, Store};
use chrono::{TimeDelta, Utc};
use contracts::{
    Code, Envelope, Message, Reason, RunId,
    gate::Outcome,
    order::OrderKind,
    step::{StepState, StepStuck},
    subject,
};
use futures::StreamExt;
use serde_json::json;
use simulator::{Account, Fault, FaultKind, JournalEvent, Pace, RunState, WorkerPoolSeed};
use spacelift::Client;

use super::running::{Running, account, step};
use crate::{
    CallKind, ChainPage, WaitLine,
    call::Call,
    fixtures::{self, ChainFixture},
    input::{CallResult, Input},
    perform::{Calls, Prober},
    store::tests::{keep, keep_unreadable},
};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An executor that reminds people almost at once.
async fn impatient(account: Account) -> Running {
    Running::with(account, |config| {
        config.reminders.every = Duration::from_millis(50);
        config.reminders.queued = Duration::from_millis(100);
        config.reminders.worker = Duration::from_millis(100);
    })
    .await
}

async fn why(running: &Running) -> WaitLine {
    let why = running.ask("why", json!({ "stack": "a" })).await.unwrap().unwrap();
    let mut lines: Vec<WaitLine> = serde_json::from_value(why).unwrap();
    lines.remove(0)
}

/// Plans a chain over `a`, and gives what is told of it as stuck for this reason, and what `why` says.
/// What else it waits for on the way may be told before.
async fn stuck(running: &Running, code: Code) -> (StepStuck, WaitLine) {
    let mut told = running.bus.tail(&subject::events_of(StepStuck::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();
    running.plan(&[("a", &[])]).await;
    let told = async {
        loop {
            let envelope: Envelope = told.next().await.unwrap();
            let stuck: StepStuck = serde_json::from_value(envelope.body).unwrap();
            if stuck.step.reason.code == code {
                return stuck;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("it is told in time");
    (told, why(running).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_locked_a_stack_is_named_and_the_run_starts_once_it_is_unlocked() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.lock("a", "jane", "moving the state").unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    let held = |page: &ChainPage| {
        let call = step(page, "a").call_reason.as_ref();
        call.is_some_and(|reason| reason.code == Code::StackLocked)
    };
    running.until(chain, "its call waits for the lock", held).await;

    let line = why(&running).await;
    let text = &line.wait.reason.text;
    assert!(text.contains("; jane has locked it since 20"), "{text}");
    assert!(text.contains("(moving the state); it is unlocked at http"), "{text}");
    assert!(text.contains("/stack/a, by them or an administrator; the run starts"), "{text}");
    assert!(line.wait.mend.unwrap().starts_with("unlock stack a as the sentence says"));

    running.spacelift.unlock("a", "jane").unwrap();
    running.finished(chain).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_that_has_a_stack_is_named_where_ours_is_queued_behind_it() {
    let running = impatient(account(&["a"])).await;
    running.graphql(r#"mutation { runTrigger(stack: "a", runType: TRACKED) { id } }"#).await;
    let other = running.spacelift.runs("a")[0].id.clone();

    let (told, line) = stuck(&running, Code::QueuedOverdue).await;

    let is = format!("run {other} of api::");
    for (reason, mend) in [(&told.step.reason, &told.mend), (&line.wait.reason, &line.wait.mend)] {
        assert!(reason.text.contains(&is), "{reason:?}");
        assert!(reason.text.ends_with("has the stack and is UNCONFIRMED"), "{reason:?}");
        let mend = mend.as_deref().unwrap();
        assert!(mend.contains(&format!("/stack/a/run/{other}, and confirm")), "{mend}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_was_taken_while_a_run_is_queued_is_named_before_the_run_that_has_the_stack() {
    let running = impatient(account(&["a"])).await;
    running.graphql(r#"mutation { runTrigger(stack: "a", runType: TRACKED) { id } }"#).await;
    let chain = running.plan(&[("a", &[])]).await;
    let runs = |page: &ChainPage| step(page, "a").summary.state == StepState::Planning;
    running.until(chain, "its run is queued", runs).await;
    running.spacelift.lock("a", "jane", "hands off").unwrap();

    let line = why(&running).await;

    assert!(line.wait.reason.text.ends_with("(hands off)"), "{line:?}");
    let mend = line.wait.mend.unwrap();
    assert!(mend.starts_with("unlock stack a at http") && mend.contains("/stack/a, or"), "{mend}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_cannot_be_looked_at_keeps_no_other_from_being_told() {
    let running = impatient(account(&["a"])).await;
    let beside = Beside::of(&running).await;
    let broken = fixtures::planned(1, &[("broken", &[])]);
    keep_unreadable(&beside.0.pool, &ChainFixture::planned_as(broken).gating()).await;
    running.graphql(r#"mutation { runTrigger(stack: "a", runType: TRACKED) { id } }"#).await;

    let (told, _) = stuck(&running, Code::QueuedOverdue).await;
    assert_eq!(told.step.stack.as_str(), "a");
    running.stop().await;
}

/// A stack whose runs wait for a worker.
fn waiting_for_workers(workers: u32) -> Account {
    let mut account = account(&["a"]);
    let (id, name) = ("01POOL".to_owned(), "EU".to_owned());
    let pool = WorkerPoolSeed { id, name, workers, drained: true, ..Default::default() };
    account.worker_pools = vec![pool];
    account.stacks[0].worker_pool = Some("01POOL".to_owned());
    account.stacks[0].behaviour.pace = Some(Pace { ready_ms: 3_600_000, ..Pace::zero() });
    account
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_runs_of_a_stack_are_held_up_whoever_asks_why_is_told_in_time() {
    let running = Running::with(waiting_for_workers(0), |config| {
        config.spacelift.breaker_failures = 1_000;
    })
    .await;
    for _ in 0..4 {
        let chain = running.preview(&[("a", &[])]).await;
        let is_ready =
            |page: &ChainPage| step(page, "a").run_state == Some(contracts::run::RunState::Ready);
        running.until(chain, "its run waits for a worker", is_ready).await;
    }
    // Longer than is waited for.
    let slow = FaultKind::Slow { delay_ms: 60_000 };
    running.spacelift.add_fault(Fault::always(slow));
    let why = running.ask("why", json!({ "stack": "a" })).await.unwrap().unwrap();
    let lines: Vec<WaitLine> = serde_json::from_value(why).unwrap();
    assert_eq!(lines.len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_in_which_nobody_works_is_named() {
    for (workers, text) in
        [(0, "the worker pool EU has no worker"), (2, "all 2 workers of the pool EU are drained")]
    {
        let running = impatient(waiting_for_workers(workers)).await;

        let (told, line) = stuck(&running, Code::NoWorker).await;

        assert!(told.step.reason.text.ends_with(text), "{:?}", told.step.reason);
        assert!(line.wait.reason.text.ends_with(text), "{line:?}");
        assert!(told.mend.unwrap().starts_with("start workers of the pool EU"));
        running.stop().await;
    }
}

/// A call of the chain that fixtures make, as it is made for the first time.
pub(super) fn first_try(kind: CallKind, change: impl FnOnce(&mut Call)) -> Claim {
    let mut chain = ChainFixture::single().running();
    let effect = chain.decide(chain.gate_says("a", Outcome::Pass)).effects.remove(0);
    let now = Utc::now();
    let good_until = Some(now + TimeDelta::seconds(60));
    let mut call = Call { call: kind, good_until, ..fixtures::call(&effect) };
    change(&mut call);
    Claim {
        id: effect.id,
        key: effect.key,
        lane: effect.lane,
        kind: kind.as_str().to_owned(),
        body: json!(call),
        correlation: effect.correlation,
        trace: None,
        attempt: 1,
        fence: 1,
        uncertain: false,
        created_at: now,
        expires_at: now + TimeDelta::seconds(30),
        unsettled_until: None,
        holder: None,
    }
}

/// The same call, which had to wait: for its turn, or because it was tried before.
fn waited(claim: Claim) -> [Claim; 2] {
    let created_at = claim.created_at - TimeDelta::seconds(30);
    [Claim { created_at, ..claim.clone() }, Claim { attempt: 2, ..claim }]
}

/// Makes calls beside the executor.
pub(super) struct Beside(pub(super) Calls);

impl Beside {
    pub(super) async fn of(running: &Running) -> Self {
        // Its tables are there once it answers.
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while running.ask("chains", json!(null)).await.is_none() {
            ticks.tick().await;
        }
        let config = &running.config;
        let store = Store::connect(&config.store, "executor").await.unwrap();
        Self(Calls {
            spacelift: Client::new(&config.spacelift).unwrap(),
            pool: store.pool().clone(),
            runs: config.runs.clone(),
            prober: Prober::new(config.checks.clone()).unwrap(),
        })
    }

    /// What comes of a call, or why it has to be made again.
    pub(super) async fn makes(&self, claim: &Claim) -> Result<CallResult, Reason> {
        match self.0.perform(claim).await {
            Performed::Done(Input::Concluded(concluded)) => Ok(concluded.result),
            Performed::Later { why, .. } | Performed::Full { why, .. } => Err(why),
            Performed::Done(other) => panic!("{other:?}"),
        }
    }
}

/// A run of `a` that shows its plan.
pub(super) async fn planned_run(running: &Running) -> RunId {
    run_in(running, "a", RunState::Unconfirmed).await
}

/// A run of a stack that has come to this state.
pub(super) async fn run_in(running: &Running, stack: &str, state: RunState) -> RunId {
    let document =
        format!(r#"mutation {{ runTrigger(stack: "{stack}", runType: TRACKED) {{ id }} }}"#);
    running.graphql(&document).await;
    let is_there = |event: &JournalEvent| matches!(event, JournalEvent::Transition(it) if *it.stack == *stack && it.to == state);
    let there = running.spacelift.wait_for_entry(0, PATIENCE, |entry| is_there(&entry.event));
    there.await.unwrap();
    running.spacelift.runs(stack).remove(0).id.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_asked_for_in_time_is_given_up_once_it_can_be_and_not_before() {
    let running = Running::start(account(&["a"])).await;
    let beside = Beside::of(&running).await;
    let late = |call: &mut Call| call.good_until = Some(Utc::now() - TimeDelta::seconds(1));
    running.spacelift.lock("a", "jane", "moving the state").unwrap();
    for claim in waited(first_try(CallKind::Trigger, late)) {
        let why = beside.makes(&claim).await.unwrap_err();
        assert_eq!(why.code, Code::StackLocked);
        assert!(why.text.starts_with("jane has locked it since 20"), "{why}");
    }
    running.spacelift.unlock("a", "jane").unwrap();
    for claim in waited(first_try(CallKind::Trigger, late)) {
        let given_up = beside.makes(&claim).await;
        assert!(matches!(given_up, Ok(CallResult::HeldUp)), "{given_up:?}");
    }
    assert!(running.mutations("runTrigger").is_empty());

    let run = planned_run(&running).await;
    let is_late = |call: &mut Call| {
        late(call);
        call.run = Some(run.clone());
    };
    for claim in waited(first_try(CallKind::Confirm, is_late)) {
        let given_up = beside.makes(&claim).await;
        assert!(matches!(given_up, Ok(CallResult::HeldUp)), "{given_up:?}");
    }
    assert!(running.mutations("runConfirm").is_empty());
    let [made, _] = waited(first_try(CallKind::Confirm, |call| call.run = Some(run.clone())));
    let made = beside.makes(&made).await;
    assert!(matches!(made, Ok(CallResult::Run(_))), "{made:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_that_waited_for_its_turn_is_not_about_a_plan_that_is_gone() {
    let running = Running::start(account(&["a"])).await;
    let beside = Beside::of(&running).await;
    let run = planned_run(&running).await;
    let about_an_older_plan = |call: &mut Call| {
        (call.run, call.plan_version) = (Some(run.clone()), Some(1));
    };
    for claim in waited(first_try(CallKind::Confirm, about_an_older_plan)) {
        let went_on = beside.makes(&claim).await;
        assert!(matches!(went_on, Ok(CallResult::Run(_))), "{went_on:?}");
    }
    assert!(running.mutations("runConfirm").is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_that_waited_for_its_turn_is_not_made_if_people_want_it_no_more() {
    let mut running = Running::start(account(&["a"])).await;
    let beside = Beside::of(&running).await;
    running.stop_service().await;
    let run = planned_run(&running).await;
    let made = running.mutations("runTrigger").len();
    for (order, result) in [(OrderKind::Cancel, "Forgone"), (OrderKind::Pause, "HeldUp")] {
        for (kind, state) in
            [(CallKind::Trigger, StepState::Triggering), (CallKind::Confirm, StepState::Confirming)]
        {
            let mut chain = ChainFixture::single().running().with("a", state);
            chain.tell(chain.order(order, None, false));
            keep(&beside.0.pool, &chain).await;
            let run = (kind == CallKind::Confirm).then(|| run.clone());
            for claim in waited(first_try(kind, |call| call.run = run)) {
                let given_up = beside.makes(&claim).await.unwrap();
                assert_eq!(format!("{given_up:?}"), result, "{order:?} {kind:?}");
            }
        }
    }
    assert_eq!(running.mutations("runTrigger").len(), made);
    assert!(running.mutations("runConfirm").is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_is_ended_under_a_claim_that_has_run_out() {
    let running = Running::start(account(&["a", "b"])).await;
    let beside = Beside::of(&running).await;
    let pace = Pace { planning_ms: 3_600_000, ..Pace::zero() };
    running.spacelift.set_pace("b", pace).unwrap();
    let plans = run_in(&running, "b", RunState::Planning).await;
    let waits = planned_run(&running).await;
    for (stack, run, force) in [("a", waits, false), ("b", plans, true)] {
        let claim = first_try(CallKind::Cancel, |call| {
            (call.stack, call.run, call.force) = (stack.into(), Some(run), force);
        });
        let expires_at = Utc::now() - TimeDelta::seconds(1);
        // From its third attempt on, a forced one does not look whether it would end by itself.
        for attempt in [1, 3] {
            let claim = Claim { expires_at, attempt, ..claim.clone() };
            let why = beside.makes(&claim).await.unwrap_err();
            assert_eq!(why.code, Code::SpaceliftUnavailable, "{why}");
        }
    }
    for mutation in ["runStop", "runKill", "runDiscard"] {
        assert!(running.mutations(mutation).is_empty(), "{mutation}");
    }
    running.stop().await;
}

/// There is nothing to stop and nothing to kill; Spacelift refuses both.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_waits_is_discarded_however_often_its_forced_cancel_was_tried() {
    let running = Running::start(account(&["a"])).await;
    let beside = Beside::of(&running).await;
    let run = planned_run(&running).await;
    let claim = first_try(CallKind::Cancel, |call| (call.run, call.force) = (Some(run), true));
    let ended = beside.makes(&Claim { attempt: 3, ..claim }).await;
    assert!(matches!(&ended, Ok(CallResult::Run(now)) if now.finished), "{ended:?}");
    assert_eq!(running.spacelift.runs("a")[0].state, RunState::Discarded);
    running.stop().await;
}
