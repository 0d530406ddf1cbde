//! Changing a simulated account, and finding out what became of a change.

use contracts::run::{Delta, RunState, RunType};
use simulator::{
    Fault, FaultKind, JournalEvent, MutationRecord, Pace, PlanResult, Simulator, StackSeed,
};

use super::simulated;
use crate::{Client, Error, Expected, Found, RunFacts, Trigger, look_for};

const MARK: &str = "chain_01j9zt3m6f0qv8x2c4r7n5k1dw/net";

fn tracked() -> Trigger {
    Trigger {
        stack: "net".into(),
        commit: Some("c".repeat(40).into()),
        run_type: RunType::Tracked,
        mark: MARK.into(),
    }
}

async fn one_stack() -> (Simulator, Client) {
    simulated(vec![StackSeed::new("net")]).await
}

fn mutations(simulator: &Simulator, name: &str) -> Vec<MutationRecord> {
    let journal = simulator.control().journal(0).into_iter();
    journal
        .filter_map(|entry| match entry.event {
            JournalEvent::Mutation(mutation) if mutation.name == name => Some(mutation),
            _ => None,
        })
        .collect()
}

/// What a careful caller does after an uncertain trigger.
async fn look(client: &Client) -> Found {
    let expected = Expected {
        commit: tracked().commit,
        run_type: RunType::Tracked,
        triggered_by: client.actor().into(),
        since: chrono::Utc::now(),
        known: Vec::new(),
    };
    let recent = client.recent_runs(&"net".into(), expected.horizon()).await.unwrap();
    look_for(&recent, &expected)
}

#[tokio::test]
async fn a_run_goes_its_way_and_our_marks_arrive() {
    let (simulator, client) = one_stack().await;
    let plan = PlanResult::Changes { add: 2, change: 1, delete: 0 };
    simulator.control().set_plan("net", plan).unwrap();
    let triggered = client.trigger(&tracked()).await.unwrap();
    assert_eq!(triggered.triggered_by.as_deref(), Some(client.actor()));
    assert_eq!(triggered.commit.as_str(), "c".repeat(40));
    assert_eq!(triggered.url, format!("{}/stack/net/run/{}", simulator.url(), triggered.run));

    let planned = client.run(&"net".into(), &triggered.run).await.unwrap().unwrap();
    assert_eq!(planned.state, RunState::Unconfirmed);
    assert_eq!(planned.delta, Some(Delta { added: 2, changed: 1, deleted: 0 }));
    assert!(planned.state_version > triggered.state_version || planned.state == triggered.state);

    client.confirm(&"net".into(), &planned.run, "passed the gate", MARK).await.unwrap();
    let applied = client.run(&"net".into(), &planned.run).await.unwrap().unwrap();
    assert_eq!((applied.state, applied.finished), (RunState::Finished, true));
    assert!(applied.state_version > planned.state_version);

    for name in ["runTrigger", "runConfirm"] {
        let [mutation] = mutations(&simulator, name).try_into().unwrap();
        assert_eq!(mutation.metadata.as_deref(), Some(MARK), "{name}");
        assert_eq!(mutation.actor.as_deref(), Some(client.actor()), "{name}");
    }
}

#[tokio::test]
async fn runs_are_discarded_canceled_and_stopped() {
    let (simulator, client) = one_stack().await;
    let net = "net".into();
    let first = client.trigger(&tracked()).await.unwrap();
    let second = client.trigger(&tracked()).await.unwrap();
    let state =
        async |run: &RunFacts| client.run(&run.stack, &run.run).await.unwrap().unwrap().state;
    assert_eq!(state(&second).await, RunState::Queued);
    client.cancel(&net, &second.run, "not needed").await.unwrap();
    assert_eq!(state(&second).await, RunState::Canceled);
    let discarded = client.discard(&net, &first.run, "denied by policy").await.unwrap();
    assert_eq!(discarded.note.as_deref(), Some("denied by policy"));
    assert_eq!(state(&first).await, RunState::Discarded);

    simulator.control().set_pace("net", Pace { planning_ms: 600_000, ..Pace::zero() }).unwrap();
    let third = client.trigger(&tracked()).await.unwrap();
    assert_eq!(state(&third).await, RunState::Planning);
    client.stop(&net, &third.run, "stopped by jane").await.unwrap();
    assert_eq!(state(&third).await, RunState::Stopped);
}

#[tokio::test]
async fn what_spacelift_will_not_do_is_refused_in_its_own_words() {
    let (_simulator, client) = one_stack().await;
    let run = client.trigger(&tracked()).await.unwrap().run;
    client.discard(&"net".into(), &run, "").await.unwrap();
    let error = client.confirm(&"net".into(), &run, "", MARK).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason } if reason.contains("confirm")), "{error:?}");
    let error = client.trigger(&Trigger { stack: "gone".into(), ..tracked() }).await.unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error:?}");
}

#[tokio::test]
async fn a_trigger_whose_answer_was_lost_is_found_by_looking() {
    let (simulator, client) = one_stack().await;
    // Runs of others on the same stack and commit, and one of ours for a plan, must not confuse it.
    let plan = Trigger { run_type: RunType::Proposed, ..tracked() };
    client.trigger(&plan).await.unwrap();
    assert_eq!(look(&client).await, Found::None);

    simulator.control().add_fault(Fault::once(FaultKind::AnswerLost).on("runTrigger"));
    let error = client.trigger(&tracked()).await.unwrap_err();
    assert!(error.may_have_taken_effect(), "{error:?}");

    let Found::One(found) = look(&client).await else { panic!("not found") };
    assert_eq!(found.run_type, RunType::Tracked);
    let runs = simulator.control().runs("net");
    assert!(runs.iter().any(|run| run.id == found.run.as_str() && run.metadata == [MARK]));
    assert_eq!(mutations(&simulator, "runTrigger").len(), 2);
}

#[tokio::test]
async fn a_trigger_that_never_arrived_is_as_uncertain_and_is_not_found() {
    let (simulator, client) = one_stack().await;
    for kind in [FaultKind::DroppedBeforeAccept, FaultKind::ServerError { status: 502 }] {
        simulator.control().add_fault(Fault::once(kind.clone()).on("runTrigger"));
        let error = client.trigger(&tracked()).await.unwrap_err();
        assert!(error.may_have_taken_effect(), "{kind:?}: {error:?}");
        assert_eq!(look(&client).await, Found::None, "{kind:?}");
        assert!(simulator.control().faults().is_empty());
    }
    assert!(mutations(&simulator, "runTrigger").is_empty());
}

#[tokio::test]
async fn a_trigger_that_took_effect_twice_is_shown_as_two() {
    let (_simulator, client) = one_stack().await;
    client.trigger(&tracked()).await.unwrap();
    client.trigger(&tracked()).await.unwrap();
    assert!(matches!(look(&client).await, Found::Several(runs) if runs.len() == 2));
}

#[tokio::test]
async fn a_trigger_with_an_expired_token_takes_effect_once() {
    let (simulator, client) = one_stack().await;
    client.who_am_i().await.unwrap();
    simulator.control().expire_tokens();
    client.trigger(&tracked()).await.unwrap();
    assert_eq!(simulator.control().runs("net").len(), 1);
}

#[tokio::test]
async fn a_trigger_with_data_and_an_error_took_effect() {
    let (simulator, client) = one_stack().await;
    simulator.control().add_fault(Fault::once(FaultKind::PartialData).on("runTrigger"));
    let run = client.trigger(&tracked()).await.unwrap().run;
    assert_eq!(simulator.control().runs("net")[0].id, run.as_str());
}

#[tokio::test]
async fn a_trigger_that_is_one_too_many_did_not_take_effect() {
    let (simulator, client) = one_stack().await;
    let fault = FaultKind::TooManyRequests { retry_after_s: Some(1) };
    simulator.control().add_fault(Fault::once(fault).on("runTrigger"));
    let error = client.trigger(&tracked()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { retry_after: Some(_) }), "{error:?}");
    assert!(simulator.control().runs("net").is_empty());
}

#[tokio::test]
async fn a_stack_is_locked_with_a_note_and_unlocked_again() {
    let (simulator, client) = one_stack().await;
    let net = "net".into();
    client.lock(&net, "moving the state").await.unwrap();
    let lock = client.hold(&net).await.unwrap().lock.unwrap();
    assert_eq!(lock.by, client.actor());
    assert_eq!(lock.note.as_deref(), Some("moving the state"));
    let again = client.lock(&net, "me too").await.unwrap_err();
    assert!(matches!(&again, Error::Refused { reason } if reason.contains("locked by")), "{again}");

    client.unlock(&net).await.unwrap();
    assert_eq!(client.hold(&net).await.unwrap().lock, None);
    simulator.control().lock("net", "jane", "hers").unwrap();
    assert!(matches!(client.unlock(&net).await, Err(Error::Refused { .. })));
    simulator.stop().await;
}
