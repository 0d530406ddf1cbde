use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::{source::Kind, testing::source};

const RUN: &str = include_str!("../../testdata/spacelift/run.json");
const AUDIT: &str = include_str!("../../testdata/spacelift/audit.json");
const INTERNAL_ERROR: &str = include_str!("../../testdata/spacelift/internal_error.json");

fn read_at(body: &[u8], seconds: i64) -> Reading {
    let received_at = DateTime::from_timestamp(seconds, 0).unwrap();
    let headers = HeaderMap::new();
    let source = source(Kind::Spacelift);
    Signed { source: &source, headers: &headers, body, received_at, found: false }.read()
}

fn read(body: &[u8]) -> Reading {
    read_at(body, 0)
}

fn with(fixture: &str, pointer: &str, value: Value) -> Vec<u8> {
    let mut body: Value = serde_json::from_str(fixture).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    serde_json::to_vec(&body).unwrap()
}

fn without(fixture: &str, pointer: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_str(fixture).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    serde_json::to_vec(&body).unwrap()
}

fn event(reading: &Reading) -> (&'static str, &Value) {
    match &reading.verdict {
        Verdict::Event(event) => (event.kind, &event.body),
        other => panic!("no event: {other:?}"),
    }
}

fn reported_by(body: &[u8]) -> RunReported {
    serde_json::from_value(event(&read(body)).1.clone()).unwrap()
}

fn malformed(body: &[u8]) -> String {
    match read(body).verdict {
        Verdict::Malformed(malformed) => malformed.0,
        other => panic!("not malformed: {other:?}"),
    }
}

#[test]
fn a_run_is_reported_with_everything_spacelift_says() {
    let reading = read(RUN.as_bytes());
    assert_eq!((reading.kind.as_str(), reading.sender_id.as_deref()), ("run", None));
    assert_eq!(reading.content_key, "run/01K7A0000000000000000000RN/5");
    assert_eq!(
        event(&reading),
        (
            "run.reported",
            &json!({
                "stack": "net",
                "run": "01K7A0000000000000000000RN",
                "run_type": "TRACKED",
                "state": "UNCONFIRMED",
                "state_version": 5,
                "at": "2025-10-09T08:55:23.456Z",
                "commit": "0ee3a3b7266daf5a1d44a193a0f48ce995fa75eb",
                "triggered_by": "api::01K79ZZZZZZZZZZZZZZZZZZZZZ",
                "delta": {"added": 1, "changed": 2, "deleted": 3},
                "note": "Waits for the orchestrator",
                "url": "https://acme.app.spacelift.io/stack/net/run/01K7A0000000000000000000RN",
            })
        )
    );
}

#[test]
fn an_older_account_says_less() {
    let seconds = reported_by(&without(RUN, "/timestamp_millis"));
    assert_eq!(seconds.at.to_rfc3339(), "2025-10-09T08:55:23+00:00");
    for (pointer, null) in [("/note", false), ("/run/delta", true), ("/run/triggeredBy", true)] {
        let body = if null { with(RUN, pointer, Value::Null) } else { without(RUN, pointer) };
        reported_by(&body);
    }
    assert_eq!(reported_by(&without(RUN, "/run/delta")).delta, None);
    assert_eq!(reported_by(&with(RUN, "/run/triggeredBy", json!(""))).triggered_by, None);
    assert_eq!(reported_by(&without(RUN, "/run/url")).url, None);
}

#[test]
fn a_state_or_type_of_tomorrow_is_carried_on() {
    let run = reported_by(&with(RUN, "/state", json!("META_APPLYING")));
    assert_eq!(run.state, RunState::Other("META_APPLYING".to_owned()));
    let run = reported_by(&with(RUN, "/run/type", json!("IMPORT")));
    assert_eq!(run.run_type, RunType::Other("IMPORT".to_owned()));
}

#[test]
fn a_state_of_a_run_is_one_fact_however_it_is_told() {
    let id = |body: &[u8]| read(body).fact_id("spacelift");
    let first = id(RUN.as_bytes());
    assert_eq!(first, id(&with(RUN, "/note", json!("told by the audit webhook"))));
    assert_ne!(first, id(&with(RUN, "/stateVersion", json!(6))));
    assert_ne!(first, id(&with(RUN, "/run/id", json!("01K7A0000000000000000000RM"))));
}

#[test]
fn an_audit_entry_names_who_did_what() {
    let reading = read(AUDIT.as_bytes());
    assert_eq!(reading.kind, "audit");
    let expected = json!({"account": "acme", "action": "stack.update",
        "actor": "api::01K79ZZZZZZZZZZZZZZZZZZZZZ", "entity": "net"});
    assert_eq!(event(&reading), ("account.audited", &expected));
    for data in [json!({"ID": 7}), json!("text"), json!([1]), json!({"args": {}}), Value::Null] {
        let body = with(AUDIT, "/data", data);
        assert!(event(&read(&body)).1.get("entity").is_none());
    }
}

#[test]
fn an_internal_error_alerts_and_alerts_again_when_it_comes_back() {
    let reading = read(INTERNAL_ERROR.as_bytes());
    assert_eq!(reading.kind, "internal_error");
    let expected = json!({
        "account": "acme",
        "severity": "ERROR",
        "title": "Invalid trigger by policy \"chain\"",
        "text": "Could not trigger stack \"gone\": it does not exist or is out of reach\n\
            policy triggered for stack that does not exist",
    });
    assert_eq!(event(&reading), ("account.alerted", &expected));
    let key = |seconds| read_at(INTERNAL_ERROR.as_bytes(), seconds).content_key;
    assert_eq!(key(0), key(30));
    assert_ne!(key(0), key(86_400));
    assert_ne!(key(599), key(600), "a retry over a full ten minutes is another");
}

#[test]
fn anything_else_is_kept_with_a_reason() {
    let shapes = [
        json!({}),
        json!({"account": "acme", "module_version": {"id": "1"}}),
        json!({"text": "custom payload of a notification policy"}),
        json!({"run": "01K7", "stack": ["any", "shape"]}),
        json!({"title": "no severity"}),
    ];
    for shape in shapes {
        let reading = read(shape.to_string().as_bytes());
        assert!(
            matches!(reading.verdict, Verdict::Kept { code: "event_ignored", .. }),
            "{shape}: {reading:?}"
        );
        assert!(reading.content_key.starts_with("body/"));
    }
    let module = read(&without(RUN, "/stack"));
    assert!(matches!(module.verdict, Verdict::Kept { code: "stack_missing", .. }), "{module:?}");
}

#[test]
fn what_cannot_be_read_is_malformed_and_says_why() {
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"nonsense".to_vec(), "not a JSON object"),
        (b"[]".to_vec(), "not a JSON object"),
        (without(RUN, "/stateVersion"), "`stateVersion` is missing"),
        (without(RUN, "/run/id"), "`run`: the JSON has not the expected shape: missing field `id`"),
        (with(RUN, "/run", json!("x")), "`run`:"),
        (with(RUN, "/state", json!({})), "`state`:"),
        (with(RUN, "/state", json!("")), "`state` is empty"),
        (with(RUN, "/stateVersion", json!("5")), "`stateVersion`:"),
        (with(RUN, "/stateVersion", json!(5.5)), "`stateVersion`:"),
        (with(RUN, "/timestamp_millis", json!(i64::MAX)), "`timestamp` is out of range"),
        (with(RUN, "/stack/id", json!("a\0b")), "`stack.id`"),
        (with(AUDIT, "/action", json!(1)), "`action`:"),
        (RUN.replacen("\"state\"", "\"state\":\"FINISHED\",\"state\"", 1).into(), "duplicate"),
    ];
    for (body, expected) in cases {
        let text = malformed(&body);
        assert!(text.contains(expected), "{text:?} should contain {expected:?}");
    }
}
