use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{LIMITED, judge, mark, marked, posted};
use crate::http::Trouble;

fn not_now(status: u16, error: &str) -> (Option<Duration>, bool) {
    match judge(status, None, json!({ "ok": false, "error": error })) {
        Err(Trouble::NotNow { after, uncertain, .. }) => (after, uncertain),
        other => panic!("{status} {error}: {other:?}"),
    }
}

#[test]
fn ok_is_ok() {
    let body = json!({ "ok": true, "channel": "C1", "ts": "1.2" });
    let answer = judge(200, None, body.clone()).unwrap();
    assert_eq!(answer, body);
    assert_eq!(posted(&answer).unwrap().ts, "1.2");
    assert!(matches!(posted(&json!({ "ok": true })), Err(Trouble::NotNow { uncertain: true, .. })));
}

#[test]
fn limits_and_faults_of_slack_are_tried_again() {
    assert_eq!(not_now(200, "ratelimited"), (Some(LIMITED), false));
    assert_eq!(not_now(429, "ratelimited"), (Some(LIMITED), false));
    assert_eq!(not_now(200, "internal_error"), (None, true));
    assert_eq!(not_now(200, "fatal_error"), (None, true));
    assert_eq!(not_now(503, ""), (None, true));
    let asked = Some(Duration::from_secs(7));
    let limited = judge(429, asked, Value::Null);
    assert!(matches!(limited, Err(Trouble::NotNow { after, .. }) if after == asked));
}

#[test]
fn what_a_person_must_mend_is_barred_and_not_given_up() {
    for (status, error, of_the_token) in [
        (200, "invalid_auth", true),
        (200, "token_revoked", true),
        (401, "", true),
        (200, "channel_not_found", false),
        (200, "not_in_channel", false),
        (200, "is_archived", false),
        (200, "missing_scope", false),
        (403, "", false),
    ] {
        let judged = judge(status, None, json!({ "ok": false, "error": error }));
        assert!(
            matches!(&judged, Err(Trouble::Barred { text, credential, .. })
                if text.contains(error) && *credential == of_the_token),
            "{error}: {judged:?}"
        );
    }
}

#[test]
fn what_slack_does_not_take_is_given_up_with_its_name() {
    for error in ["invalid_blocks", "msg_too_long", "an_error_of_tomorrow"] {
        let Err(Trouble::Never { text, .. }) =
            judge(200, None, json!({ "ok": false, "error": error }))
        else {
            panic!("{error} must be given up")
        };
        assert_eq!(text, format!("Slack says {error} (HTTP 200)"));
    }
    assert!(matches!(judge(404, None, Value::Null), Err(Trouble::Never { .. })));
    assert!(matches!(judge(200, None, Value::Null), Err(Trouble::Never { .. })));
}

#[test]
fn a_message_that_cannot_be_updated_is_told_apart() {
    let judged = |error: &str| judge(200, None, json!({ "ok": false, "error": error }));
    assert!(matches!(judged("message_not_found"), Err(Trouble::Gone { .. })));
    assert!(matches!(judged("edit_window_closed"), Err(Trouble::Sealed { .. })));
    assert!(matches!(judged("cant_update_message"), Err(Trouble::Sealed { .. })));
}

#[test]
fn our_mark_is_found_and_no_other() {
    let (ours, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let page = json!({ "messages": [
        { "ts": "9.0", "text": "hello" },
        { "ts": "8.0", "metadata": mark(other) },
        { "ts": "7.0", "metadata": { "event_type": "theirs", "event_payload": { "story": ours } } },
        { "ts": "6.0", "metadata": mark(ours) },
    ]});
    assert_eq!(marked(&page, ours), Some("6.0".to_owned()));
    assert_eq!(marked(&page, Uuid::from_u128(3)), None);
    assert_eq!(marked(&Value::Null, ours), None);
}
