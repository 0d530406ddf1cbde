//! Reading runs of a simulated account.

use contracts::{
    RunId, StackId,
    run::{RunState, RunType},
};
use simulator::{Control, Fault, FaultKind, PlanResult, ResourceChange, StackSeed};

use super::simulated;
use crate::{Client, Error, RunFacts, Trigger};

async fn start(client: &Client, stack: &str, run_type: RunType) -> RunFacts {
    let request = Trigger {
        stack: stack.into(),
        commit: Some("c".repeat(40).into()),
        run_type,
        mark: "mark".into(),
    };
    client.trigger(&request).await.unwrap()
}

async fn shown(client: &Client, ids: &[(StackId, RunId)]) -> Vec<Option<RunFacts>> {
    client.runs(ids).await.unwrap().into_iter().map(|shows| shows.unwrap().unwrap()).collect()
}

/// Stacks whose runs end at once because there is nothing to do.
fn idle(control: &Control, stacks: &[&str]) {
    for stack in stacks {
        control.set_plan(stack, PlanResult::NoChanges).unwrap();
    }
}

#[tokio::test]
async fn many_runs_are_read_in_the_order_asked_for_and_with_few_requests() {
    let (simulator, client) = simulated(vec![StackSeed::new("net"), StackSeed::new("app")]).await;
    let control = simulator.control();
    idle(&control, &["net", "app"]);
    let mut ids: Vec<(StackId, RunId)> = Vec::new();
    for number in 0..90 {
        let stack = if number % 2 == 0 { "net" } else { "app" };
        ids.push((stack.into(), start(&client, stack, RunType::Tracked).await.run));
    }
    ids.insert(10, ("net".into(), RunId::from("01K7A0000000000000000000XX")));
    ids.insert(50, ("gone".into(), ids[0].1.clone()));
    ids.insert(91, ("app".into(), ids[0].1.clone()));

    // One fault that is never spent counts the requests.
    let counter = control.add_fault(Fault::always(FaultKind::Slow { delay_ms: 1 }).on("stack"));
    let runs = shown(&client, &ids).await;
    let asked = control.faults().iter().find(|fault| fault.id == counter).unwrap().hits;
    assert_eq!(asked, 3);

    assert_eq!(runs.len(), 93);
    for (index, (run, (stack, id))) in runs.iter().zip(&ids).enumerate() {
        if [10, 50, 91].contains(&index) {
            assert_eq!(*run, None, "{index}");
        } else {
            let run = run.as_ref().unwrap();
            assert_eq!((&run.stack, &run.run), (stack, id));
            assert!(run.finished && run.state == RunState::Finished);
        }
    }
    assert!(shown(&client, &[]).await.is_empty());
}

#[tokio::test]
async fn a_run_alone_is_read_as_it_is_among_others() {
    let (_simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let started = start(&client, "net", RunType::Tracked).await;
    let alone = client.run(&"net".into(), &started.run).await.unwrap();
    let among = shown(&client, &[("net".into(), started.run.clone())]).await;
    assert_eq!(alone, among[0]);
    let alone = alone.unwrap();
    assert_eq!(alone.triggered_by.as_deref(), Some(client.actor()));
    assert_eq!(alone.state, RunState::Unconfirmed);
    assert_eq!(client.run(&"net".into(), &"01K7".into()).await.unwrap(), None);
    assert_eq!(client.run(&"gone".into(), &started.run).await.unwrap(), None);
}

#[tokio::test]
async fn a_plan_is_read_with_its_run_in_one_request() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let control = simulator.control();
    control.set_plan("net", PlanResult::Changes { add: 0, change: 0, delete: 1 }).unwrap();
    let database = ResourceChange::new("delete", "module.db.aws_db_instance.main");
    control.set_changes("net", vec![database]).unwrap();
    let started = start(&client, "net", RunType::Tracked).await;
    let counter = control.add_fault(Fault::always(FaultKind::Slow { delay_ms: 1 }).on("stack"));

    let (facts, changes) = client.plan(&"net".into(), &started.run).await.unwrap().unwrap();

    assert_eq!(control.faults().iter().find(|fault| fault.id == counter).unwrap().hits, 1);
    assert_eq!(Some(facts), client.run(&"net".into(), &started.run).await.unwrap());
    let [change] = &changes.unwrap()[..] else { panic!("one resource") };
    assert_eq!(change.address, "module.db.aws_db_instance.main");
    assert_eq!(change.kind, "delete");
    assert_eq!(client.plan(&"net".into(), &"01K7".into()).await.unwrap(), None);
}

#[tokio::test]
async fn recent_runs_are_of_both_kinds_newest_first_over_all_pages_and_no_older() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let control = simulator.control();
    idle(&control, &["net"]);
    let old = start(&client, "net", RunType::Tracked).await;
    control.advance(100_000);
    let mut expected = Vec::new();
    for number in 0..130 {
        let run_type = if number % 13 == 0 { RunType::Proposed } else { RunType::Tracked };
        expected.insert(0, start(&client, "net", run_type).await.run);
    }
    let since = client.run(&"net".into(), expected.last().unwrap()).await.unwrap().unwrap();

    let recent = client.recent_runs(&"net".into(), since.created_at).await.unwrap();
    let ids: Vec<_> = recent.iter().map(|run| run.run.clone()).collect();
    assert_eq!(ids, expected);
    assert_eq!(recent.iter().filter(|run| run.run_type == RunType::Proposed).count(), 10);

    let all = client.recent_runs(&"net".into(), old.created_at).await.unwrap();
    assert_eq!(all.len(), 131);
    assert_eq!(all.last().unwrap().run, old.run);

    let gone = client.recent_runs(&"gone".into(), old.created_at).await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
}

#[tokio::test]
async fn a_question_with_half_an_answer_is_asked_again() {
    let (simulator, client) = simulated(vec![StackSeed::new("net")]).await;
    let run = start(&client, "net", RunType::Tracked).await;
    for kind in [FaultKind::PartialData, FaultKind::ExpiredToken, FaultKind::AnswerLost] {
        simulator.control().add_fault(Fault::once(kind).on("stack"));
        let ids = vec![("net".into(), run.run.clone()); 3];
        let runs = shown(&client, &ids).await;
        assert!(runs.iter().all(Option::is_some));
        assert!(simulator.control().faults().is_empty());
    }
}
