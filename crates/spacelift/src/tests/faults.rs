//! What each kind of failure is to a question and to a change.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    SECOND, client,
    listener::{Listener, Reply, Request, run, token},
    options, trigger,
};
use crate::{Client, Error};

/// Answers the exchange well, and everything else by `answer`.
async fn with_token(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Listener {
    Listener::start(move |request, before| match request.operation.as_str() {
        "ExchangeApiKey" => token("jwt"),
        _ => answer(request, before),
    })
    .await
}

async fn code_of_spaces(client: &Client) -> &'static str {
    client.spaces().await.map_or_else(|error| error.code(), |_| "ok")
}

async fn code_of_trigger(client: &Client) -> &'static str {
    client.trigger(&trigger()).await.map_or_else(|error| error.code(), |_| "ok")
}

#[tokio::test]
async fn nothing_was_sent_where_nobody_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(code_of_trigger(&client(&address)).await, "unreachable");
    assert_eq!(code_of_spaces(&client(&address)).await, "unreachable");
    assert_eq!(code_of_trigger(&client("http://no-such-host.invalid")).await, "unreachable");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_uncertain_and_was_sent_once() {
    for reply in [
        Reply::Dropped,
        Reply::Cut,
        Reply::Status(500, ""),
        Reply::Status(503, "Retry-After: 1\r\n"),
        Reply::Text("<html>"),
        Reply::Data(json!({"run": null})),
        Reply::Data(json!({"run": {"id": "r"}})),
        Reply::Error("internal error"),
    ] {
        let answer = reply.clone();
        let listener = with_token(move |_, _| answer.clone()).await;
        assert_eq!(code_of_trigger(&client(&listener.address)).await, "uncertain", "{reply:?}");
        assert_eq!(listener.count("TriggerRun"), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_change_that_is_not_answered_in_time_is_uncertain_and_was_sent_once() {
    let listener = with_token(|_, _| Reply::Silence).await;
    let options = crate::Options { timeout: SECOND / 2, ..options(&listener.address) };
    let started = Instant::now();
    assert_eq!(code_of_trigger(&Client::new(&options).unwrap()).await, "uncertain");
    assert!(started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
    assert_eq!(listener.count("TriggerRun"), 1);
}

#[tokio::test]
async fn a_question_is_repeated_until_spacelift_is_well_again() {
    for reply in
        [Reply::Status(502, ""), Reply::Dropped, Reply::Cut, Reply::Error("internal error")]
    {
        let answer = reply.clone();
        let listener = with_token(move |_, before| match before {
            0 | 1 => answer.clone(),
            _ => Reply::Data(json!({"spaces": []})),
        })
        .await;
        assert_eq!(code_of_spaces(&client(&listener.address)).await, "ok", "{reply:?}");
        assert_eq!(listener.count("ListSpaces"), 3, "{reply:?}");
    }
}

#[tokio::test]
async fn a_question_is_given_up_after_a_few_attempts() {
    let listener = with_token(|_, _| Reply::Status(500, "")).await;
    assert_eq!(code_of_spaces(&client(&listener.address)).await, "unavailable");
    assert_eq!(listener.count("ListSpaces"), 4);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_not_asked_for_again() {
    let listener = with_token(|_, _| Reply::Text("<html>")).await;
    assert_eq!(code_of_spaces(&client(&listener.address)).await, "garbled");
    assert_eq!(listener.count("ListSpaces"), 1);
}

#[tokio::test]
async fn a_change_is_not_sent_while_no_token_can_be_had() {
    for reply in [Reply::Status(500, ""), Reply::Dropped, Reply::Silence] {
        let answer = reply.clone();
        let listener = Listener::start(move |_, _| answer.clone()).await;
        let options = crate::Options { timeout: SECOND / 2, ..options(&listener.address) };
        let client = Client::new(&options).unwrap();
        assert_eq!(code_of_trigger(&client).await, "unavailable", "{reply:?}");
        assert_eq!(listener.count("TriggerRun"), 0, "{reply:?}");
    }
}

#[tokio::test]
async fn a_change_that_our_own_rate_leaves_no_time_for_is_not_sent() {
    let listener = with_token(|_, _| Reply::Data(json!({"run": run("r", "QUEUED")}))).await;
    let options = crate::Options {
        timeout: SECOND,
        requests_per_second: 1,
        requests_burst: 1,
        ..options(&listener.address)
    };
    let client = Client::new(&options).unwrap();
    // The exchange takes the first place, and the next is as far away as the call may last.
    let started = Instant::now();
    assert_eq!(code_of_trigger(&client).await, "rate_limited");
    assert!(started.elapsed() < SECOND);
    assert_eq!(listener.count("TriggerRun"), 0);
    assert_eq!(listener.count("ExchangeApiKey"), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_because_it_would_lose_the_question() {
    let listener = with_token(|_, _| Reply::Status(302, "Location: /graphql\r\n")).await;
    assert_eq!(code_of_trigger(&client(&listener.address)).await, "refused");
    assert_eq!(listener.requests().len(), 2);
}

#[tokio::test]
async fn too_many_requests_hold_everybody_back_for_as_long_as_asked() {
    let listener = with_token(|request, before| match (request.operation.as_str(), before) {
        ("TriggerRun", _) => Reply::Status(429, "Retry-After: 1\r\n"),
        _ => Reply::Data(json!({"spaces": []})),
    })
    .await;
    let client = client(&listener.address);
    let started = Instant::now();
    let error = client.trigger(&trigger()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { retry_after: Some(SECOND) }), "{error:?}");
    assert_eq!(listener.count("TriggerRun"), 1);
    assert!(started.elapsed() < SECOND);
    assert_eq!(code_of_spaces(&client).await, "ok");
    assert!(started.elapsed() >= SECOND, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_question_that_is_too_much_is_asked_again_when_it_is_not() {
    let listener = with_token(|_, before| match before {
        0 => Reply::Status(429, "Retry-After: 1\r\n"),
        1 => Reply::Status(429, ""),
        _ => Reply::Data(json!({"spaces": []})),
    })
    .await;
    let started = Instant::now();
    assert_eq!(code_of_spaces(&client(&listener.address)).await, "ok");
    assert_eq!(listener.count("ListSpaces"), 3);
    assert!(started.elapsed() >= 2 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_waits_an_hour_for_spacelift() {
    let listener = with_token(|_, _| Reply::Status(429, "Retry-After: 3600\r\n")).await;
    let client = client(&listener.address);
    let error = client.spaces().await.unwrap_err();
    let hour = Duration::from_secs(3600);
    assert!(matches!(error, Error::RateLimited { retry_after: Some(after) } if after == hour));
    // The next one is not even sent, and is told for how long that will be so.
    let error = client.spaces().await.unwrap_err();
    assert!(matches!(error, Error::RateLimited { retry_after: Some(after) } if after > 9 * SECOND));
    assert_eq!(listener.count("ListSpaces"), 1);
}
