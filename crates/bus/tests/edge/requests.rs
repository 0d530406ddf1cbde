//! Commands, questions, and listening in.

use bus::{Bus, BusError, Options, Problem, ProblemKind};
use futures::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::bench::{PATIENCE, bus, event, eventually, publish};

const SUBJECT: &str = "stackly.ask.planner.echo";

#[tokio::test]
async fn a_question_is_answered_refused_or_panicked_over_but_never_left_open() {
    let bus = bus().await;
    let shutdown = CancellationToken::new();
    let (answering, stop) = (bus.clone(), shutdown.clone());
    let answering = tokio::spawn(async move {
        let answer = async |body: serde_json::Value| match body["do"].as_str() {
            Some("refuse") => {
                Err(Problem::new(ProblemKind::Refused, "refused", "because you asked for it"))
            }
            Some("panic") => panic!("as the test wants"),
            _ => Ok(body),
        };
        let answer = move |body| async move { answer(body).await };
        answering.respond(SUBJECT, answer, stop).await.unwrap();
    });
    eventually("somebody to answer", async || bus.request(SUBJECT, &json!(null)).await.is_ok())
        .await;
    let ask = async |body| bus.request(SUBJECT, &body).await.unwrap();
    assert_eq!(ask(json!({ "do": "echo", "x": 1 })).await, Ok(json!({ "do": "echo", "x": 1 })));
    let refused = Problem::new(ProblemKind::Refused, "refused", "because you asked for it");
    assert_eq!(ask(json!({ "do": "refuse" })).await, Err(refused));
    assert_eq!(ask(json!({ "do": "panic" })).await.unwrap_err().code, "internal");

    let stranger = async_nats::connect(embedded::shared_nats().await.url()).await.unwrap();
    let reply = stranger.request(bus.subject(SUBJECT), "{".into()).await.unwrap();
    let reply: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(reply["problem"]["code"], "malformed");

    shutdown.cancel();
    answering.await.unwrap();
    eventually("nobody to answer", async || {
        let asked = bus.request(SUBJECT, &json!(null)).await;
        matches!(asked, Err(BusError::NobodyAnswers { service, .. }) if service == "planner")
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_the_server_does_not_take_is_told_as_that_at_once() {
    let options = embedded::NatsOptions { max_payload: 16 << 10, ..Default::default() };
    let nats = embedded::Nats::start(options).await.unwrap();
    let bus = Bus::connect(&Options::at(nats.url(), "large"), "test").await.unwrap();
    let (answering, shutdown) = (bus.clone(), CancellationToken::new());
    let stop = shutdown.clone();
    let answering = tokio::spawn(async move {
        let long = |body: serde_json::Value| {
            let count = usize::try_from(body["bytes"].as_u64().unwrap_or(0)).unwrap();
            std::future::ready(Ok(json!("x".repeat(count))))
        };
        answering.respond(SUBJECT, long, stop).await.unwrap();
    });
    eventually("somebody to answer", async || bus.request(SUBJECT, &json!(null)).await.is_ok())
        .await;
    let ask = async |bytes: u64| bus.request(SUBJECT, &json!({ "bytes": bytes })).await.unwrap();
    assert!(ask(16_000).await.is_ok());
    let problem = ask(20_000).await.unwrap_err();
    assert_eq!((problem.kind, &*problem.code), (ProblemKind::Internal, "answer_too_large"));
    assert!(problem.message.contains("above 16384; set `max_payload: 8MB`"), "{problem}");
    shutdown.cancel();
    answering.await.unwrap();
}

#[tokio::test]
async fn who_listens_in_hears_every_event_as_it_is_published() {
    let bus = bus().await;
    let mut heard = bus.tail("stackly.evt.>").await.unwrap();
    bus.flush().await.unwrap();
    let ids = publish(&bus, &["a", "b"]).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let next = tokio::time::timeout(PATIENCE, heard.next()).await;
        told.push(next.expect("an event in time").expect("the subscription stands").id);
    }
    assert_eq!(told, ids);
    assert_eq!(bus.event_at(1).await.unwrap(), Some(ids[0]));
    assert_eq!(bus.event_at(3).await.unwrap(), None);
    let sent = bus.send(&[event("c")]).await;
    assert_eq!(bus.stored(sent).await.unwrap(), [3]);
}
