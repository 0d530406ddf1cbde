use crate::{
    source::{Kind, Source},
    testing::{Settings, event_of, reading_of},
};

fn scanner() -> Source {
    let mut source = Source::new(Kind::Custom, &Settings::default().senders).named("scanner");
    source.id_header = Some("x-scanner-delivery".parse().unwrap());
    source.kind_header = Some("x-scanner-event".parse().unwrap());
    source
}

fn registry() -> Source {
    let mut source = Source::new(Kind::Standard, &Settings::default().senders).named("registry");
    source.id_header = Some("webhook-id".parse().unwrap());
    source
}

#[test]
fn what_a_custom_sender_says_is_handed_on_under_its_name() {
    let headers = [("x-scanner-delivery", "d-1"), ("x-scanner-event", "scan.done")];
    let reading = reading_of(&scanner(), &headers, br#"{"severity":3}"#);
    assert_eq!((reading.kind.as_str(), reading.sender_id.as_deref()), ("scan.done", Some("d-1")));
    let (kind, body) = event_of(&reading);
    assert_eq!((kind, body["source"].as_str()), ("hook.received", Some("custom/scanner")));
    assert_eq!(body["data"]["severity"], 3);
    // The id is not signed: under another one it is still the same fact.
    let again = [("x-scanner-delivery", "d-2"), ("x-scanner-event", "scan.done")];
    let again = reading_of(&scanner(), &again, br#"{"severity":3}"#);
    assert_eq!(again.content_key, reading.content_key);
}

#[test]
fn the_same_report_signed_at_another_time_is_another_fact() {
    let mut source = scanner();
    source.stamp_header = Some("x-scanner-time".parse().unwrap());
    let at = |time: &str| reading_of(&source, &[("x-scanner-time", time)], b"{}").content_key;
    assert_eq!(at("1788256815"), at("1788256815"));
    assert_ne!(at("1788256815"), at("1788861615"));
}

#[test]
fn a_standard_webhook_is_known_by_its_signed_id() {
    let headers = [("webhook-id", "msg_1")];
    let reading = reading_of(&registry(), &headers, br#"{"type":"image.pushed","data":{}}"#);
    assert_eq!((reading.kind.as_str(), reading.content_key.as_str()), ("image.pushed", "id/msg_1"));
    assert_eq!(event_of(&reading).1["source"], "standard/registry");
    let nameless = reading_of(&registry(), &headers, b"{}");
    assert_eq!(nameless.kind, "unknown");
}

#[test]
fn what_two_readers_would_read_differently_or_no_event_can_carry_is_not_handed_on() {
    let doubled = reading_of(&scanner(), &[], br#"{"id":1,"id":2}"#);
    assert_eq!(doubled.verdict.code(), "malformed");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(super::DATA_BYTES_MAX));
    assert_eq!(reading_of(&scanner(), &[], large.as_bytes()).verdict.code(), "data_too_large");
}
