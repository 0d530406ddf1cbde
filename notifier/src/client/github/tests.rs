use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{LIMITED, judge};
use crate::{
    http::{Answer, Trouble},
    sample::at,
};

fn answer(status: u16, headers: &[(&'static str, String)]) -> Answer {
    answer_of(status, headers, "Not so")
}

fn answer_of(status: u16, headers: &[(&'static str, String)], message: &str) -> Answer {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    Answer { status, headers, body: json!({ "message": message }).to_string().into_bytes() }
}

fn after(status: u16, headers: &[(&'static str, String)]) -> Option<Duration> {
    match judge(&answer(status, headers), at(0)) {
        Err(Trouble::NotNow { after, .. }) => after,
        other => panic!("{status}: {other:?}"),
    }
}

#[test]
fn a_limit_is_waited_out_for_as_long_as_github_says() {
    let reset = (at(0).timestamp() + 90).to_string();
    let spent = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
    let asked = [("retry-after", "7".to_owned())];
    assert_eq!(after(403, &spent), Some(Duration::from_secs(90)));
    assert_eq!(after(429, &spent), Some(Duration::from_secs(90)));
    assert_eq!(after(403, &asked), Some(Duration::from_secs(7)));
    assert_eq!(after(429, &[]), Some(LIMITED));
    let never = i64::MAX.to_string();
    let never = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", never)];
    assert_eq!(after(403, &never), Some(Duration::from_secs(86_400)));
    assert_eq!(after(502, &[]), None);
}

#[test]
fn a_secondary_limit_that_is_told_by_its_words_alone_is_no_missing_right() {
    let said = "You have exceeded a secondary rate limit. Please wait a few minutes.";
    let left = [("x-ratelimit-remaining", "17".to_owned())];
    for headers in [&left[..], &[]] {
        let judged = judge(&answer_of(403, headers, said), at(0));
        assert!(
            matches!(judged, Err(Trouble::NotNow { after: Some(LIMITED), uncertain: false, .. })),
            "{judged:?}"
        );
    }
}

#[test]
fn what_github_does_not_take_is_given_up_and_what_a_person_must_mend_is_not() {
    let left = [("x-ratelimit-remaining", "17".to_owned())];
    for judged in [judge(&answer(404, &[]), at(0)), judge(&answer(422, &[]), at(0))] {
        assert!(matches!(&judged, Err(Trouble::Never { text, .. }) if text.contains("Not so")));
    }
    for (judged, of_the_token) in
        [(judge(&answer(401, &[]), at(0)), true), (judge(&answer(403, &left), at(0)), false)]
    {
        assert!(matches!(&judged, Err(Trouble::Barred { text, credential, .. })
            if text.contains("Not so") && *credential == of_the_token));
    }
    assert_eq!(judge(&answer(201, &[]), at(0)), Ok(()));
}
