//! One decision per event, in order, whatever the neighbours do.

use std::collections::HashMap;

use bus::{Failure, Handler, Incoming};
use futures::future::join_all;
use uuid::Uuid;

use crate::{
    bench::{Place, Service, added, also, event, eventually},
    counter::Also,
};

#[tokio::test]
async fn the_same_event_many_times_in_one_batch_is_decided_once_and_answered_alike() {
    let service = Service::engine(&Place::shared().await).await;
    let (id, counter) = (Uuid::new_v4(), Uuid::new_v4());
    let asked = (0..20).map(|_| service.submit_as(id, added(counter, 5)));
    let answers: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer[0].id == answers[0][0].id));
    let counter = service.counter(counter).await;
    assert_eq!((counter.total, counter.decisions), (5, 1));
    eventually("the answer to be noted", async || service.unpublished().await == 0).await;
    assert_eq!(service.stream().await, [answers[0][0].id], "it is sent once");

    // And later, from memory, without being sent again.
    let again = service.submit_as(id, added(Uuid::new_v4(), 7)).await.unwrap();
    assert_eq!(again, answers[0]);
    assert_eq!(service.stream().await.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn what_was_answered_is_answered_from_memory_though_it_would_be_refused_now() {
    let service = Service::engine(&Place::shared().await).await;
    let (id, counter) = (Uuid::new_v4(), Uuid::new_v4());
    let answers = service.submit_as(id, added(counter, 5)).await.unwrap();
    // Nothing came twice of late, so nobody looks before it is decided.
    service.submit(added(counter, 1)).await.unwrap();
    for refuses in [Also::Never, Also::Later, Also::Panic] {
        let again = service.submit_as(id, also(counter, refuses)).await.unwrap();
        assert_eq!(again, answers);
        service.submit(added(counter, 1)).await.unwrap();
    }
    assert_eq!(service.counter(counter).await.total, 9);
    service.stop().await;
}

#[tokio::test]
async fn poison_in_the_middle_harms_nobody_else_and_leaves_nothing_behind() {
    let service = Service::engine(&Place::shared().await).await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let asks = [
        added(one, 1),
        also(one, Also::Never),
        added(one, 1),
        also(one, Also::Later),
        also(two, Also::Panic),
        also(one, Also::Panic),
        added(one, 1),
        added(two, 1),
    ];
    let results = join_all(asks.map(|ask| service.submit(ask))).await;
    let shape: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(answers) => answers[0].body["total"].to_string(),
            Err(Failure::Reject { code, .. }) => (*code).to_owned(),
            Err(Failure::Retry { source, .. }) => source.to_string(),
            Err(failure) => panic!("{failure}"),
        })
        .collect();
    let panicked = "the decision panicked";
    assert_eq!(shape, ["1", "cycle", "2", "not yet", panicked, panicked, "3", "1"]);
    assert_eq!(service.counter(one).await.total, 3);
    assert_eq!(service.count("remembered").await, 4);
    service.stop().await;
}

#[tokio::test]
async fn what_a_newer_build_wrote_is_given_back_and_what_nobody_reads_is_not() {
    let service = Service::engine(&Place::shared().await).await;
    let counter = Uuid::new_v4();
    let incoming = |version, body: Option<serde_json::Value>| {
        let mut envelope = event(&added(counter, 1));
        envelope.version = version;
        envelope.body = body.unwrap_or(envelope.body);
        Incoming { envelope, span: tracing::Span::none(), is_requeued: false }
    };
    let broken = Some(serde_json::json!("no such thing"));
    let unheard_of = serde_json::json!({ "counter": counter, "amount": 1, "also": "Rain" });
    let batch = vec![
        incoming(2, None),
        incoming(1, Some(unheard_of)),
        incoming(1, None),
        incoming(0, None),
        incoming(1, broken),
    ];
    let results = service.engine.handle(batch).await;
    let shape: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(_) => "decided",
            // As often as need be.
            Err(Failure::Newer { .. }) => "given back",
            Err(Failure::Reject { code, .. }) => code,
            Err(failure) => panic!("{failure}"),
        })
        .collect();
    assert_eq!(shape, ["given back", "given back", "decided", "unreadable", "unreadable"]);
    service.stop().await;
}

#[tokio::test]
async fn whose_state_a_newer_build_wrote_is_given_back_and_the_others_go_on() {
    let service = Service::engine(&Place::shared().await).await;
    let counters = [(); 5].map(|()| Uuid::new_v4());
    for (amount, counter) in (1..).zip(counters) {
        service.submit(added(counter, amount)).await.unwrap();
    }
    // A null is what this build has no word for.
    service.execute("alter table counters alter total drop not null").await;
    service.execute("update counters set total = null where total = 4").await;
    let results = join_all(counters.map(|counter| service.submit(added(counter, 1)))).await;
    for (place, result) in results.iter().enumerate() {
        match place {
            3 => assert!(matches!(result, Err(Failure::Newer { .. })), "{result:?}"),
            _ => assert!(result.is_ok(), "{place}: {result:?}"),
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn what_the_database_refuses_is_found_among_many() {
    let service = Service::engine(&Place::shared().await).await;
    let counters: Vec<_> = (0..40).map(|_| Uuid::new_v4()).collect();
    let asks = counters.iter().enumerate().map(|(place, counter)| {
        // More than the table allows.
        let amount = if place == 17 { 5_000_000 } else { 1 };
        service.submit(added(*counter, amount))
    });
    let results = join_all(asks).await;
    for (place, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), place == 17, "{place}: {result:?}");
    }
    assert!(matches!(&results[17], Err(Failure::Retry { .. })), "{:?}", results[17]);
    assert_eq!(service.count("counters").await, 39);
    service.stop().await;
}

#[tokio::test]
async fn a_panic_outside_of_the_decision_is_found_among_many_too() {
    let service = Service::engine(&Place::shared().await).await;
    let counter = Uuid::new_v4();
    let asks = (0..9).map(|place| match place {
        4 => service.submit(also(counter, Also::PanicAtKeys)),
        _ => service.submit(added(counter, 1)),
    });
    let results = join_all(asks.collect::<Vec<_>>()).await;
    assert!(results[4].is_err() && results.iter().filter(|result| result.is_ok()).count() == 8);
    assert_eq!(service.counter(counter).await.total, 8);
    service.stop().await;
}

#[tokio::test]
async fn what_concerns_nobody_is_answered_by_nothing_and_not_remembered() {
    let service = Service::engine(&Place::shared().await).await;
    let (id, counter) = (Uuid::new_v4(), Uuid::new_v4());
    let answers = service.submit_as(id, also(counter, Also::Nobody)).await.unwrap();
    assert!(answers.is_empty());
    assert_eq!((service.count("remembered").await, service.count("counters").await), (0, 0));
    // It comes again, and now it concerns somebody.
    assert!(!service.submit_as(id, added(counter, 1)).await.unwrap().is_empty());
    assert_eq!((service.count("remembered").await, service.count("counters").await), (1, 1));
    service.stop().await;
}

#[tokio::test]
async fn an_answer_the_broker_would_never_take_is_refused_where_people_see_it() {
    let service = Service::whole(&Place::shared().await).await;
    let counter = Uuid::new_v4();
    for ask in [also(counter, Also::Large), added(counter, 1)] {
        let sent = service.bus.send(&[event(&ask)]).await;
        service.bus.stored(sent).await.unwrap();
    }
    eventually("the dead letter", async || service.bus.dead_letters(1).await.unwrap().len() == 1)
        .await;
    let letter = &service.bus.dead_letters(1).await.unwrap()[0];
    let reason = "answer_too_large: the answer counter.counted is larger than nats-server takes";
    assert_eq!(letter.reason, reason);
    eventually("the other", async || service.counter(counter).await.total == 1).await;
    service.stop().await;
}

#[tokio::test]
async fn answers_leave_in_the_order_of_decision_wherever_their_causes_came_from() {
    let service = Service::whole(&Place::shared().await).await;
    let counter = Uuid::new_v4();
    let over_the_bus = async {
        for _ in 0..30 {
            let events: Vec<_> = (0..10).map(|_| event(&added(counter, 1))).collect();
            let sent = service.bus.send(&events).await;
            service.bus.stored(sent).await.unwrap();
        }
    };
    let from_within = async {
        for _ in 0..30 {
            let asks = (0..10).map(|_| service.submit(added(counter, 1)));
            assert!(join_all(asks).await.iter().all(Result::is_ok));
        }
    };
    tokio::join!(over_the_bus, from_within);
    eventually("all answers", async || {
        service.counter(counter).await.total == 600 && service.unpublished().await == 0
    })
    .await;
    let answers: HashMap<Uuid, i64> = sqlx::query_as(
        "select (answer->>'id')::uuid, (answer->'body'->>'total')::bigint
         from remembered, json_array_elements(answers) as answer",
    )
    .fetch_all(service.store.pool())
    .await
    .unwrap()
    .into_iter()
    .collect();
    let stream = service.stream().await;
    let totals: Vec<_> = stream.iter().filter_map(|id| answers.get(id).copied()).collect();
    assert_eq!(totals, (1..=600).collect::<Vec<_>>());
    service.stop().await;
}
