use chrono::Utc;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    source::Kind,
    testing::{PUSH, source},
};

fn delivery(verdict: &str, code: &str) -> Listed {
    serde_json::from_value(json!({
        "id": Uuid::nil(), "source": "github", "sender_id": "d-1", "kind": "push",
        "received_at": Utc::now(), "verdict": verdict, "code": code, "message": "", "secret": 0,
        "bytes": 2, "event": null,
    }))
    .unwrap()
}

fn again(body: &str) -> Again {
    let headers = r#"{"x-github-event":"push","x-github-delivery":"d-1"}"#.to_owned();
    let content = Content { headers, body: body.as_bytes().to_vec() };
    read(&source(Kind::Github), &delivery("accepted", "accepted"), &content)
}

fn recorded(again: &Again) -> Vec<Envelope> {
    crate::record::events(Uuid::nil(), again.events.clone(), Utc::now(), None).to_vec()
}

#[test]
fn the_same_bytes_read_by_the_same_build_say_the_same() {
    let again = again(PUSH);
    assert_eq!((again.verdict, again.events.len()), ("accepted", 1));
    let before = recorded(&again);
    assert_eq!(difference(&delivery("accepted", "accepted"), Some(&before), &again), [""; 0]);
}

#[test]
fn a_secret_that_counted_for_some_repositories_counts_for_no_others_when_it_is_read_again() {
    let headers = r#"{"x-github-event":"push","x-github-delivery":"d-1"}"#.to_owned();
    let content = Content { headers, body: PUSH.as_bytes().to_vec() };
    // No build could read it then, so its scope was not judged.
    let mut unread = delivery("malformed", "malformed");
    unread.scopes = Some("acme-labs/* acme/shop".to_owned());
    let again = read(&source(Kind::Github), &unread, &content);
    assert_eq!((again.code, again.events.len()), ("secret_out_of_scope", 0));
    unread.scopes = Some("acme-labs/* acme/infra".to_owned());
    assert_eq!(read(&source(Kind::Github), &unread, &content).events.len(), 1);
}

#[test]
fn what_is_read_differently_is_said_field_by_field() {
    let mut now = again(PUSH);
    let before = recorded(&now);
    now.events[0].body["change"]["branch"] = json!("next");
    let lines = difference(&delivery("accepted", "accepted"), Some(&before), &now);
    assert_eq!(lines, ["change.branch: \"main\" became \"next\""]);

    let lines = difference(&delivery("malformed", "malformed"), Some(&[]), &again(PUSH));
    assert_eq!(lines[0], "malformed (malformed) became accepted (accepted)");
    assert_eq!(lines[1], "change.pushed is said now");
    let broken = again("{}");
    let lines = difference(&delivery("accepted", "accepted"), Some(&before), &broken);
    assert_eq!(lines[1], "change.pushed is not said any more");
}

#[test]
fn of_what_is_remembered_no_more_the_verdict_alone_is_compared() {
    assert_eq!(difference(&delivery("accepted", "accepted"), None, &again(PUSH)), [""; 0]);
    let lines = difference(&delivery("malformed", "malformed"), None, &again(PUSH));
    assert_eq!(lines, ["malformed (malformed) became accepted (accepted)"]);
}
