use axum::http::HeaderValue;
use serde_json::Value;

use super::*;
use crate::testing::{PUSH, source};

const SECOND: Proof<'static> = Proof { secret: 1, scopes: &[] };
const FIRST: Proof<'static> = Proof { secret: 0, scopes: &[] };

fn arrival(body: &'static str, headers: &[(&'static str, &'static str)]) -> Arrival {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    Arrival {
        headers: map,
        body: Bytes::from_static(body.as_bytes()),
        received_at: DateTime::from_timestamp(1_788_256_815, 0).unwrap(),
        address: Some([203, 0, 113, 9].into()),
        trace: Some(Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())),
    }
}

#[test]
fn the_event_begins_a_story_of_its_own_name() {
    let headers = [("x-github-event", "push"), ("x-github-delivery", "d-1")];
    let (delivery, answer) = record(&source(Kind::Github), arrival(PUSH, &headers), SECOND);
    let event = &delivery.event.as_ref().unwrap()[0];
    assert_eq!((event.id, event.correlation, event.causation), (delivery.fact_id, event.id, None));
    assert_eq!(answer.event, Some(event.id));
    assert_eq!((event.kind.as_str(), event.key.as_str()), ("change.pushed", "acme/infra"));
    assert_eq!(event.source, "/stackly/ingest");
    assert_eq!(event.time, delivery.received_at);
    assert_eq!(event.trace, arrival("", &[]).trace);
    assert_eq!((delivery.verdict, delivery.code, delivery.secret), ("accepted", "accepted", 1));
    assert_eq!(delivery.message, "gives change.pushed");

    let (again, _) = record(&source(Kind::Github), arrival(PUSH, &headers), FIRST);
    assert_eq!(again.fact_id, delivery.fact_id);
    assert_ne!(again.id, delivery.id);
    let (elsewhere, _) = record(&source(Kind::Spacelift), arrival(PUSH, &headers), FIRST);
    assert_ne!(elsewhere.fact_id, delivery.fact_id);
}

#[test]
fn no_header_is_kept_that_could_prove_anything() {
    let headers = [
        ("x-github-event", "issues"),
        ("x-github-delivery", "d-1"),
        ("x-hub-signature-256", "sha256=00"),
        ("x-hub-signature", "sha1=00"),
        ("x-signature", "sha1=00"),
        ("authorization", "Bearer secret"),
        ("cookie", "session=secret"),
        ("x-shared-secret", "secret"),
        ("content-type", "application/json"),
        ("user-agent", "GitHub-\"Hookshot\""),
    ];
    let (delivery, _) = record(&source(Kind::Github), arrival("{}", &headers), FIRST);
    assert_eq!(
        serde_json::from_str::<Value>(&delivery.headers).unwrap(),
        serde_json::json!({
            "x-github-event": "issues",
            "x-github-delivery": "d-1",
            "content-type": "application/json",
            "user-agent": "GitHub-\"Hookshot\"",
        })
    );
    let (bare, _) = record(&source(Kind::Spacelift), arrival("{}", &[]), FIRST);
    assert_eq!(bare.headers, "{}");
}

#[test]
fn what_is_objected_to_still_says_what_it_speaks_of() {
    let mut senders = crate::testing::Settings::default().senders;
    senders.github.repositories = vec!["acme-labs/*".to_owned()];
    let github = Source::forge(Kind::Github, &senders, &senders.github).unwrap();
    let headers = [("x-github-event", "push"), ("x-github-delivery", "d-1")];
    let (delivery, _) = record(&github, arrival(PUSH, &headers), FIRST);
    assert_eq!(delivery.code, "repository_not_allowed");
    assert_eq!(delivery.repository.as_deref(), Some("acme/infra"));
    assert_eq!(delivery.head.as_deref(), Some("59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5"));
}
