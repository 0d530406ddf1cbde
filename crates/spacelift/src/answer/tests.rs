use super::{Nature, is_closed_to_machines, judge};
use crate::Error;

/// What an answer is to a query and to a mutation.
#[track_caller]
fn check(body: &str, query: &str, mutation: &str) {
    let outcome = |nature| match judge(body.as_bytes(), nature) {
        Ok(data) => format!("ok {}", data.get()),
        Err(error) => error.code().to_owned(),
    };
    assert_eq!(
        (outcome(Nature::Question).as_str(), outcome(Nature::Change).as_str()),
        (query, mutation)
    );
}

#[test]
fn data_alone_is_an_answer() {
    check(r#"{"data":{"run":{"id":"r"}}}"#, r#"ok {"run":{"id":"r"}}"#, r#"ok {"run":{"id":"r"}}"#);
    check(r#"{"data":{},"errors":[]}"#, "ok {}", "ok {}");
}

#[test]
fn what_cannot_be_read_is_uncertain_for_a_mutation() {
    for body in ["", "<html>", "{}", r#"{"data":null}"#, r#"{"data":{"run":{"id":"#] {
        check(body, "garbled", "uncertain");
    }
}

#[test]
fn known_words_are_told_apart() {
    for (message, code) in [
        ("unauthorized", "unauthorized"),
        ("Unauthorized: no", "unauthorized"),
        ("not found", "not_found"),
        ("stack net not found", "not_found"),
        ("rate limit exceeded", "rate_limited"),
        ("run is not unconfirmed", "refused"),
        ("not available for machine sessions", "refused"),
        (r#"Cannot query field \"x\" on type \"Y\""#, "refused"),
    ] {
        let body =
            format!(r#"{{"data":null,"errors":[{{"message":"{message}","path":["run"]}}]}}"#);
        check(&body, code, code);
    }
}

#[test]
fn trouble_within_spacelift_leaves_a_mutation_uncertain() {
    for message in ["internal error", "context deadline exceeded", "query timed out"] {
        let body =
            format!(r#"{{"data":null,"errors":[{{"message":"{message}","path":["run"]}}]}}"#);
        check(&body, "unavailable", "uncertain");
    }
}

#[test]
fn a_mutation_whose_outcome_could_not_be_shown_is_uncertain() {
    for message in ["unauthorized", "not found", "boom"] {
        let body = format!(
            r#"{{"data":null,"errors":[{{"message":"{message}","path":["run","commit"]}}]}}"#
        );
        let Err(error) = judge(body.as_bytes(), Nature::Change) else { panic!("no error") };
        assert!(error.may_have_taken_effect(), "{error}");
    }
}

#[test]
fn a_mutation_with_data_and_errors_took_effect_and_such_a_query_is_an_error() {
    let body =
        r#"{"data":{"run":{"id":"r"}},"errors":[{"message":"boom","path":["run","delta"]}]}"#;
    check(body, "refused", r#"ok {"run":{"id":"r"}}"#);
    let body = r#"{"data":{"run":null},"errors":[{"message":"boom","path":["run"]}]}"#;
    check(body, "refused", "refused");
}

#[test]
fn several_questions_lose_only_what_is_not_found() {
    let lost = r#"{"data":{"f0":null,"f1":{}},"errors":[{"message":"not found","path":["f0"]}]}"#;
    assert!(judge(lost.as_bytes(), Nature::Questions).is_ok());
    assert!(matches!(judge(lost.as_bytes(), Nature::Question), Err(Error::NotFound)));
    let hidden = r#"{"data":{"f0":null},"errors":[{"message":"boom","path":["f0"]}]}"#;
    assert!(matches!(judge(hidden.as_bytes(), Nature::Questions), Err(Error::Refused { .. })));
}

#[test]
fn a_field_that_machines_may_not_see_is_recognised() {
    let body =
        r#"{"data":null,"errors":[{"message":"state is not available for machine sessions"}]}"#;
    let error = judge(body.as_bytes(), Nature::Question).map(|_| ()).unwrap_err();
    assert!(is_closed_to_machines(&error));
    assert!(!is_closed_to_machines(&Error::NotFound));
}
