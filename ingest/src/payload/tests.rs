use axum::http::HeaderValue;
use serde::de::IgnoredAny;

use super::*;

#[derive(Debug, Deserialize)]
struct Sample<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    others: Vec<Text<'a>>,
}

fn refusal(body: &[u8]) -> String {
    json::<Sample<'_>>(body).expect_err("should be refused").0
}

fn unwrapped(content_type: &'static str, body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert("content-type", HeaderValue::from_static(content_type));
    }
    unwrap_form(&headers, body).map(Cow::into_owned)
}

#[test]
fn times_are_read_as_hosts_write_them() {
    let at = |text: &str| moment(Some(&Text(text.into()))).map(|at| at.to_rfc3339());
    let nine = Some("2026-11-20T09:00:00+00:00".to_owned());
    for text in ["2026-11-20T09:00:00Z", "2026-11-20T10:00:00+01:00", "2026-11-20 09:00:00 UTC"] {
        assert_eq!(at(text), nine, "{text}");
    }
    assert_eq!((at("yesterday"), moment(None)), (None, None));
}

#[test]
fn strings_are_borrowed_from_the_body_wherever_they_can_be() {
    let sample: Sample<'_> = json(br#"{"name":"plain","others":["a","b\n"]}"#).unwrap();
    assert!(matches!(sample.name.0, Cow::Borrowed("plain")));
    assert!(matches!(sample.others[0].0, Cow::Borrowed("a")));
    assert!(matches!(sample.others[1].0, Cow::Owned(_)));
}

#[test]
fn what_is_not_strict_json_is_refused_with_words_that_quote_nothing() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "ends too early"),
        (b"{\"name\":\"se", "ends too early"),
        (b"not json", "not JSON"),
        (b"\xef\xbb\xbf{\"name\":\"a\"}", "not JSON"),
        (b"{\"name\":\"\xff\"}", "not UTF-8"),
        (b"{\"name\":\"a\"} {\"name\":\"b\"}", "not JSON"),
        (b"{\"name\":\"a\",\"name\":\"b\"}", "duplicate field `name`"),
        (b"{\"other\":1}", "missing field `name`"),
        (b"{\"name\":{\"secret\":1}}", "unexpected type"),
    ];
    for (body, expected) in cases {
        let text = refusal(body);
        assert!(text.contains(expected), "{text:?} should contain {expected:?}");
        assert!(!text.contains("secret"), "{text:?}");
    }
}

#[test]
fn depth_does_no_harm_read_or_unread() {
    let deep = "[".repeat(100_000);
    assert!(json::<IgnoredAny>(deep.as_bytes()).is_err());
    let read = format!("{{\"name\":{deep}");
    assert!(json::<Sample<'_>>(read.as_bytes()).is_err());
    let closed = format!("{{\"name\":\"a\",\"x\":{deep}{}}}", "]".repeat(100_000));
    assert!(object::<Sample<'_>>(closed.as_bytes()).unwrap_err().0.contains("64 levels"));
    let nested = format!("{{\"name\":\"a\",\"x\":{}{}}}", "[".repeat(63), "]".repeat(63));
    assert_eq!(object::<Sample<'_>>(nested.as_bytes()).unwrap().name.as_str(), "a");
    // Brackets and quotes in texts nest nothing.
    let quoted = format!("{{\"name\":\"a\",\"x\":\"\\\"{deep}\"}}");
    assert_eq!(object::<Sample<'_>>(quoted.as_bytes()).unwrap().name.as_str(), "a");
}

#[test]
fn a_form_is_decoded_strictly() {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(unwrapped(form, b"payload=%7B%22a%22%3A+1%7D").unwrap(), b"{\"a\": 1}");
    assert_eq!(unwrapped(form, b"x=1&payload=%7B%7D&y").unwrap(), b"{}");
    for body in [&b"x=1"[..], b"payload=1&payload=2", b"payload=%7", b"payload=%zz", b""] {
        unwrapped(form, body).unwrap_err();
    }
}

#[test]
fn the_content_type_says_how_to_read() {
    assert_eq!(unwrapped("", b"{}").unwrap(), b"{}");
    assert_eq!(unwrapped("Application/JSON; charset=utf-8", b"{}").unwrap(), b"{}");
    unwrapped("text/plain", b"{}").unwrap_err();
    unwrapped("multipart/form-data; boundary=x", b"{}").unwrap_err();
}

#[test]
fn text_is_cut_and_names_are_not() {
    assert_eq!(plain("a\0b"), "a\u{fffd}b");
    assert_eq!(plain(&"ä".repeat(5_000)).chars().count(), TEXT_CHARS_MAX);
    assert_eq!(name("acme/infra", "repository").unwrap(), "acme/infra");
    for bad in ["", "a\0b", "a\nb", &"a".repeat(TEXT_CHARS_MAX + 1)] {
        name(bad, "repository").unwrap_err();
    }
}

#[test]
fn a_number_without_end_is_refused_before_it_is_read() {
    let long = format!("{{\"name\":\"a\",\"x\":{}}}", "9".repeat(100_000));
    assert!(object::<Sample<'_>>(long.as_bytes()).unwrap_err().0.contains("40 digits"));
    let in_a_text = format!("{{\"name\":\"{}\"}}", "9".repeat(900));
    assert_eq!(object::<Sample<'_>>(in_a_text.as_bytes()).unwrap().name.as_str().len(), 900);
}

#[test]
fn what_is_handed_on_has_no_key_twice_and_no_number_rounded() {
    let value = strict(br#"{"a":[1,-2,0.5,true,null,"x"],"b":18446744073709551615}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"a":[1,-2,0.5,true,null,"x"],"b":18446744073709551615}"#);
    for (body, expected) in [
        (&br#"{"a":1,"a":2}"#[..], "duplicate field"),
        (br#"{"x":{"a":1,"b":2,"a":1}}"#, "duplicate field"),
        (br#"{"id":184467440737095516150}"#, "unexpected type"),
        (br#"[1]"#, "not a JSON object"),
        (br#"{"a":1e999}"#, "not JSON"),
    ] {
        let text = strict(body).unwrap_err().0;
        assert!(text.contains(expected), "{text:?} should contain {expected:?}");
    }
}
