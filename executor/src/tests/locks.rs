//! Stacks that people lock through us: in Spacelift once, and for chains.

use std::time::Duration;

use bus::Problem;
use contracts::{
    Code, Envelope, Message,
    order::{LockStack, StackUnlocked, UnlockStack},
    step::StepState,
    subject,
};
use futures::StreamExt;
use serde_json::{Value, json};
use simulator::{Fault, FaultKind};
use spacelift::{Client, Lock};

use super::{
    holds::{Beside, first_try},
    running::{Running, account, step},
};
use crate::{
    CallKind, ChainPage, LockLine, LockPage, LockState, WaitLine, fixtures::ChainFixture,
    store::tests::keep,
};

async fn say<M: Message>(running: &Running, order: M) -> Result<LockLine, Problem> {
    let (subject, order) = (contracts::subject::command(M::TYPE), json!(order));
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    // Until the executor is there, nobody answers.
    let answer = loop {
        ticks.tick().await;
        if let Ok(answer) = running.bus.request(&subject, &order).await {
            break answer?;
        }
    };
    Ok(serde_json::from_value(answer).unwrap())
}

async fn lock(running: &Running, by: &str) -> Result<LockLine, Problem> {
    let (by, note) = (by.to_owned(), Some("moving the state".to_owned()));
    say(running, LockStack { stack: "a".into(), by, note }).await
}

async fn unlock(running: &Running, by: &str, force: bool) -> Result<LockLine, Problem> {
    say(running, UnlockStack { stack: "a".into(), force, by: by.to_owned(), note: None }).await
}

/// How Spacelift has the stack locked.
async fn shown(running: &Running) -> Option<Lock> {
    Client::new(&running.config.spacelift).unwrap().hold(&"a".into()).await.unwrap().lock
}

async fn asked<T: serde::de::DeserializeOwned>(running: &Running, what: &str, body: Value) -> T {
    serde_json::from_value(running.ask(what, body).await.unwrap().unwrap()).unwrap()
}

fn accepted(running: &Running, name: &str) -> usize {
    running.mutations(name).iter().filter(|it| it.accepted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_waits_for_a_lock_of_ours_and_goes_on_when_it_is_taken_off() {
    let running = Running::start(account(&["a"])).await;
    let line = lock(&running, "jane").await.unwrap();
    assert_eq!(line.state, LockState::Locked);
    let note = shown(&running).await.unwrap().note.unwrap();
    assert!(
        note.starts_with("Locked through Stackly by jane: moving the state [stackly "),
        "{note}"
    );

    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &ChainPage| step(page, "a").summary.state == StepState::Queued;
    let page = running.until(chain, "it waits", waits).await;
    let reason = &step(&page, "a").summary.reason;
    assert_eq!(reason.code, Code::StackLocked);
    assert!(reason.text.starts_with("waits for stack a: jane has locked it since 20"), "{reason}");
    assert!(reason.text.contains("(moving the state); `stackly unlock a` takes"), "{reason}");
    let why: Vec<WaitLine> = asked(&running, "why", json!({ "stack": "a" })).await;
    assert_eq!(why[0].wait.mend.as_deref(), Some("stackly unlock a"));
    let locks: Vec<LockLine> = asked(&running, "locks", Value::Null).await;
    assert_eq!((locks.len(), locks[0].said.by.as_str()), (1, "jane"));
    assert_eq!(running.runs("a"), 0);

    let refused = unlock(&running, "bob", false).await.unwrap_err();
    assert_eq!(refused.code, Code::StackLocked.as_str(), "{refused:?}");
    assert_eq!(unlock(&running, "bob", true).await.unwrap().state, LockState::Free);
    running.finished(chain).await;
    assert_eq!(shown(&running).await, None);
    assert_eq!((accepted(&running, "stackLock"), accepted(&running, "stackUnlock")), (1, 1));
    let page: LockPage = asked(&running, "locks", json!({ "stack": "a" })).await;
    let history: Vec<_> =
        page.history.iter().map(|it| (it.event.as_str(), it.actor.as_str())).collect();
    assert_eq!(
        history,
        [
            ("lock_asked", "person:jane"),
            ("locked", "spacelift"),
            ("unlock_asked", "person:bob"),
            ("unlocked", "spacelift"),
        ]
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spacelift_could_not_be_asked_for_before_a_lock_of_ours_waits_for_that() {
    let running = Running::start(account(&["a"])).await;
    let away = Fault::always(FaultKind::ServerError { status: 503 }).on("runTrigger");
    running.spacelift.add_fault(away);
    let chain = running.plan(&[("a", &[])]).await;
    let asks = |page: &ChainPage| step(page, "a").summary.state == StepState::Triggering;
    running.until(chain, "it is being asked for", asks).await;
    lock(&running, "jane").await.unwrap();
    running.spacelift.clear_faults();

    let waits = |page: &ChainPage| {
        let wait = step(page, "a").wait.as_ref();
        wait.is_some_and(|wait| wait.reason.text.contains("jane has locked it"))
    };
    let page = running.until(chain, "it waits for the lock", waits).await;
    let wait = step(&page, "a").wait.clone().unwrap();
    assert!(wait.reason.text.contains("; `stackly unlock a` takes that off; the run"), "{wait:?}");
    assert!(wait.mend.unwrap().starts_with("unlock stack a as the sentence says"));
    assert_eq!(running.runs("a"), 0);
    unlock(&running, "jane", false).await.unwrap();
    running.finished(chain).await;
    assert_eq!(running.runs("a"), 1);
    running.stop().await;
}

/// A step whose run is there is not kept from it by a lock; one that takes its place is.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_the_place_of_a_skipped_one_waits_for_a_lock_of_ours() {
    let running = Running::start(account(&["a"])).await;
    lock(&running, "jane").await.unwrap();
    let beside = Beside::of(&running).await;
    keep(&beside.0.pool, &ChainFixture::single().running().with("a", StepState::Triggering)).await;
    let instead = first_try(CallKind::Trigger, |call| call.instead_of = Some("skipped".into()));

    let why = beside.makes(&instead).await.unwrap_err();

    assert_eq!(why.code, Code::StackLocked);
    assert!(why.text.starts_with("jane has locked it since 20"), "{why}");
    assert!(running.mutations("runTrigger").is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_answer_is_lost_is_found_and_one_that_never_arrived_is_taken_again() {
    for kind in [FaultKind::AnswerLost, FaultKind::DroppedBeforeAccept] {
        let running = Running::start(account(&["a"])).await;
        running.spacelift.add_fault(Fault::once(kind.clone()).on("stackLock"));
        running.spacelift.add_fault(Fault::once(kind).on("stackUnlock"));
        for (name, state) in [("stackLock", LockState::Locked), ("stackUnlock", LockState::Free)] {
            let line = match name {
                "stackLock" => lock(&running, "jane").await,
                _ => unlock(&running, "jane", false).await,
            };
            assert_eq!(line.unwrap().state, state);
            assert_eq!(running.mutations(name).len(), 1, "{name}s that arrived");
            assert_eq!(accepted(&running, name), 1, "{name}s that took effect");
        }
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_somebody_else_is_named_and_never_taken_off() {
    let running = Running::start(account(&["a"])).await;
    running.spacelift.lock("a", "alice", "hands off").unwrap();

    let refused = lock(&running, "jane").await.unwrap_err();

    assert_eq!(refused.code, Code::StackLocked.as_str(), "{refused:?}");
    assert!(refused.message.starts_with("alice has locked it since 20"), "{refused:?}");
    let refused = unlock(&running, "jane", true).await.unwrap_err();
    assert_eq!(refused.code, Code::OrderRefused.as_str(), "{refused:?}");
    assert_eq!(shown(&running).await.unwrap().by, "alice");
    assert!(running.mutations("stackUnlock").is_empty());
    running.stop().await;
}

/// Our key may be an administrator's, whom Spacelift lets take off any lock.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_is_not_repeated_on_a_lock_that_was_taken_meanwhile() {
    let running = Running::with(account(&["a"]), |config| {
        config.runs.settle = Duration::from_millis(900);
    })
    .await;
    lock(&running, "jane").await.unwrap();
    running.spacelift.add_fault(Fault::once(FaultKind::AnswerLost).on("stackUnlock"));
    let unlocked = unlock(&running, "jane", false);
    let alice = async {
        running.accepted("stackUnlock").await;
        running.spacelift.lock("a", "alice", "hers now").unwrap();
    };

    let (line, ()) = tokio::join!(unlocked, alice);

    let line = line.unwrap();
    assert_eq!((line.state, line.reason.code), (LockState::Free, Code::StackLocked));
    assert!(line.reason.text.starts_with("alice has locked it"), "{}", line.reason);
    assert_eq!(running.mutations("stackUnlock").len(), 1);
    assert_eq!(shown(&running).await.unwrap().by, "alice");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_lock_or_knows_no_such_stack_is_told_so() {
    let running = Running::with(account(&["a"]), |config| {
        config.roles.groups = [("sre".to_owned(), vec!["jane".to_owned()])].into();
        config.roles.lock = vec!["sre".to_owned()];
    })
    .await;
    let refused = lock(&running, "eve").await.unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed.as_str());
    assert!(running.mutations("stackLock").is_empty());

    let order = LockStack { stack: "nowhere".into(), by: "jane".to_owned(), note: None };
    let refused = say(&running, order).await.unwrap_err();
    assert_eq!(refused.code, Code::StackGone.as_str(), "{refused:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_takes_off_in_spacelift_is_noticed_and_told_and_chains_go_on() {
    let running = Running::start(account(&["a"])).await;
    let mut told = running.bus.tail(&subject::events_of(StackUnlocked::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();
    lock(&running, "jane").await.unwrap();
    let chain = running.plan(&[("a", &[])]).await;
    let waits = |page: &ChainPage| step(page, "a").summary.state == StepState::Queued;
    running.until(chain, "it waits", waits).await;

    running.graphql(r#"mutation { stackUnlock(id: "a") { id } }"#).await;

    running.finished(chain).await;
    let told = tokio::time::timeout(Duration::from_secs(30), told.next()).await;
    let envelope: Envelope = told.expect("it is told in time").unwrap();
    let told: StackUnlocked = serde_json::from_value(envelope.body).unwrap();
    let text = "it was unlocked in Spacelift; jane had locked it";
    assert_eq!((told.by, told.reason.text.as_str()), (None, text));
    let page: LockPage = asked(&running, "locks", json!({ "stack": "a" })).await;
    assert_eq!(page.lock.unwrap().state, LockState::Free);
    assert_eq!(page.history.last().unwrap().event, "taken_off");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_queued_under_our_own_lock_says_who_locked_it_and_how_it_is_taken_off() {
    let running = Running::start(account(&["a"])).await;
    running.graphql(r#"mutation { runTrigger(stack: "a", runType: TRACKED) { id } }"#).await;
    let chain = running.plan(&[("a", &[])]).await;
    let runs = |page: &ChainPage| step(page, "a").summary.state == StepState::Planning;
    running.until(chain, "its run is queued", runs).await;
    lock(&running, "jane").await.unwrap();

    let why: Vec<WaitLine> = asked(&running, "why", json!({ "stack": "a" })).await;

    let text = &why[0].wait.reason.text;
    assert!(text.contains("; jane has locked it since 20"), "{text}");
    assert!(text.ends_with("(moving the state)"), "{text}");
    assert_eq!(why[0].wait.mend.as_deref(), Some("stackly unlock a"));
    running.stop().await;
}
