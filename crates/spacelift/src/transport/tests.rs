use std::time::Duration;

use chrono::{TimeZone, Utc};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};

use super::{retry_after, turned_away};

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = Utc.with_ymd_and_hms(2026, 9, 1, 12, 0, 0).unwrap();
    for (text, expected) in [
        ("7", Some(7)),
        ("Tue, 01 Sep 2026 12:01:30 GMT", Some(90)),
        ("Tue, 01 Sep 2026 11:00:00 GMT", Some(0)),
        ("18446744073709551615", Some(86_400)),
        ("01 Sep 9999 12:00:00 GMT", Some(86_400)),
        ("soon", None),
        ("-3", None),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[test]
fn a_missing_endpoint_does_not_pass_for_a_missing_run() {
    assert_eq!(turned_away(StatusCode::NOT_FOUND, b"<html>").code(), "unavailable");
    assert_eq!(turned_away(StatusCode::BAD_REQUEST, b"").code(), "refused");
    assert_eq!(turned_away(StatusCode::MOVED_PERMANENTLY, b"").code(), "refused");
    let error = turned_away(
        StatusCode::UNPROCESSABLE_ENTITY,
        br#"{"errors":[{"message":"Cannot query field"}]}"#,
    );
    assert_eq!(error.to_string(), "spacelift refused: Cannot query field");
}
