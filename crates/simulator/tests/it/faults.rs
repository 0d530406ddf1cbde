//! Each thing that can go wrong on purpose.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, JournalEvent, MutationRecord};

use crate::client::{Client, account};

const TRIGGER: &str = "mutation{runTrigger(stack:\"net\"){id}}";

/// The mutations of this name in the journal.
fn mutations(client: &Client, name: &str) -> Vec<MutationRecord> {
    let journal = client.simulator.control().journal(0).into_iter();
    journal
        .filter_map(|entry| match entry.event {
            JournalEvent::Mutation(record) if record.name == name => Some(record),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn an_expired_token_stays_expired_until_a_new_one_is_fetched() {
    let mut client = Client::start(account(&["net"])).await;
    let fault = Fault::once(FaultKind::ExpiredToken).on("runTrigger");
    client.simulator.control().add_fault(fault);

    assert_eq!(client.error(TRIGGER, json!({})).await, "unauthorized");
    assert_eq!(client.error("{stacks{id}}", json!({})).await, "unauthorized");
    client.sign_in().await;
    client.data(TRIGGER, json!({})).await;

    assert_eq!(client.simulator.control().runs("net").len(), 1);
}

#[tokio::test]
async fn server_errors_and_rate_limits_take_no_effect() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    for (kind, status, retry_after) in [
        (FaultKind::ServerError { status: 503 }, 503, None),
        (FaultKind::TooManyRequests { retry_after_s: None }, 429, None),
        (FaultKind::TooManyRequests { retry_after_s: Some(7) }, 429, Some("7")),
    ] {
        control.add_fault(Fault::once(kind).on("mutation"));
        let response = client.request(TRIGGER, &json!({})).send().await.unwrap();
        assert_eq!(response.status(), status);
        let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after);
    }
    assert!(control.runs("net").is_empty());
    assert!(mutations(&client, "runTrigger").is_empty());
}

#[tokio::test]
async fn a_lost_answer_has_taken_effect() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.add_fault(Fault::once(FaultKind::AnswerLost).on("runTrigger"));

    let answer = client.request(TRIGGER, &json!({})).send().await;

    assert!(answer.is_err(), "{answer:?}");
    let records = mutations(&client, "runTrigger");
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].accepted, records[0].answered), (true, Some(false)));
    assert_eq!(control.runs("net")[0].id, *records[0].run.as_ref().unwrap());
    client.data("{stacks{id}}", json!({})).await;
}

#[tokio::test]
async fn a_connection_dropped_before_has_taken_no_effect() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.add_fault(Fault::once(FaultKind::DroppedBeforeAccept).on("runTrigger"));

    assert!(client.request(TRIGGER, &json!({})).send().await.is_err());

    assert!(control.runs("net").is_empty());
    assert!(mutations(&client, "runTrigger").is_empty());
}

#[tokio::test]
async fn a_slow_answer_takes_its_time() {
    let client = Client::start(account(&["net"])).await;
    let fault = Fault::once(FaultKind::Slow { delay_ms: 120 }).on("runTrigger");
    client.simulator.control().add_fault(fault);
    let before = Instant::now();
    client.data(TRIGGER, json!({})).await;
    assert!(before.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn partial_data_comes_beside_an_error() {
    let client = Client::start(account(&["net"])).await;
    client.simulator.control().add_fault(Fault::once(FaultKind::PartialData).on("stack"));
    let document = "{a: stack(id:\"net\"){id} b: stack(id:\"net\"){id}}";

    let answer = client.ask(document, json!({})).await;

    assert_eq!(answer["data"], json!({"a": {"id": "net"}, "b": null}));
    assert_eq!(answer["errors"][0]["message"], "internal error");
    assert_eq!(client.data(document, json!({})).await["b"]["id"], "net");
}

#[tokio::test]
async fn machine_keys_are_refused_on_user_facing_fields() {
    let client = Client::start(account(&["net"])).await;
    client.simulator.control().add_fault(Fault::always(FaultKind::MachineSession));
    let refused = "not available for machine sessions";
    assert_eq!(client.error("{stacks{id}}", json!({})).await, refused);
    assert_eq!(client.error("{stack(id:\"net\"){state}}", json!({})).await, refused);
    client.data("{searchStacks(input:{}){edges{node{id}}}}", json!({})).await;
}

#[tokio::test]
async fn a_fault_hits_only_where_and_as_often_as_it_should() {
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    let fault = Fault::always(FaultKind::ServerError { status: 500 }).times(2).on("searchStacks");
    let id = control.add_fault(fault);
    let search = "{searchStacks(input:{}){edges{node{id}}}}";

    client.data("{stacks{id}}", json!({})).await;
    for expected in [500, 500, 200] {
        let response = client.request(search, &json!({})).send().await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert!(!control.remove_fault(id), "it is spent");
}

#[tokio::test]
async fn chances_come_from_the_seed() {
    let mut courses: Vec<Vec<u16>> = Vec::new();
    for _ in 0..2 {
        let client = Client::start(account(&["net"])).await;
        let fault =
            Fault::always(FaultKind::ServerError { status: 502 }).with_probability(0.5).on("query");
        client.simulator.control().add_fault(fault);
        let mut course = Vec::new();
        for _ in 0..40 {
            let response = client.request("{viewer{id}}", &json!({})).send().await.unwrap();
            course.push(response.status().as_u16());
        }
        courses.push(course);
    }
    assert_eq!(courses[0], courses[1]);
    let hits = courses[0].iter().filter(|status| **status == 502).count();
    assert!((8..=32).contains(&hits), "{hits} of 40");
}

#[tokio::test]
async fn faults_are_set_listed_and_cleared_over_http() {
    let client = Client::start(account(&["net"])).await;
    let url = format!("{}/control/faults", client.simulator.url());
    let fault = json!({"fault": "too_many_requests", "operations": ["runTrigger"], "times": 1});
    let made = client.http.post(&url).json(&fault).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let misspelt = json!({"fault": "answer_lost", "time": 1});
    assert_eq!(client.http.post(&url).json(&misspelt).send().await.unwrap().status(), 422);
    let list: Value = client.http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(list[0]["fault"], "too_many_requests");
    assert_eq!(client.http.delete(&url).send().await.unwrap().status(), 204);
    client.data(TRIGGER, json!({})).await;
}
