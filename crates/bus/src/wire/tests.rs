//! What is written is read again, and is what any CloudEvents SDK expects.

use chrono::{SubsecRound, Utc};
use contracts::{Envelope, Trace};
use serde_json::json;
use uuid::Uuid;

use super::{envelope, headers};

fn sample() -> Envelope {
    Envelope {
        id: Uuid::new_v4(),
        kind: "chain.planned".into(),
        version: 1,
        key: "chain_01".into(),
        source: "/stackly/planner".into(),
        time: Utc::now().trunc_subsecs(6),
        correlation: Uuid::new_v4(),
        causation: Some(Uuid::new_v4()),
        trace: Some(Trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())),
        body: json!({ "chain": "x" }),
    }
}

#[test]
fn an_envelope_survives_the_wire() {
    let sent = sample();
    let body = serde_json::to_vec(&sent.body).unwrap();
    assert_eq!(envelope(Some(&headers(&sent)), &body).unwrap(), sent);
}

#[test]
fn the_required_cloudevents_attributes_are_there() {
    let headers = headers(&sample());
    for name in ["ce-specversion", "ce-id", "ce-type", "ce-source"] {
        assert!(headers.get(name).is_some(), "{name} is missing");
    }
    assert_eq!(headers.get("ce-type").unwrap().as_str(), "stackly.chain.planned");
}

#[test]
fn a_key_with_a_line_break_cannot_add_a_header() {
    let mut sent = sample();
    sent.key = "a\r\nce-type: evil".into();
    let value = headers(&sent).get("ce-subject").unwrap().to_string();
    assert_eq!(value, "a%0D%0Ace-type:%20evil");
}

#[test]
fn a_key_in_any_language_survives_the_wire() {
    for key in ["Zürich/网络", "100%", "a%20b", "\"quoted\"", "", "%", "%zz"] {
        let mut sent = sample();
        sent.key = key.into();
        let headers = headers(&sent);
        assert!(headers.get("ce-subject").unwrap().as_str().is_ascii());
        assert_eq!(envelope(Some(&headers), b"{\"chain\":\"x\"}").unwrap().key, key);
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut headers = headers(&sample());
    headers.insert("ce-id", "seven");
    let error = envelope(Some(&headers), b"{}").unwrap_err();
    assert_eq!(error.to_string(), "header ce-id is `seven`, which is not a valid value");
    assert!(envelope(None, b"{}").unwrap_err().to_string().contains("ce-id is missing"));
}
