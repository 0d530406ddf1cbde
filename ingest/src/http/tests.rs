use axum::{Router, body::Body, http::Request};
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::testing::{
    GITHUB_SECRET, PUSH, RUN, Reply, SPACELIFT_SECRET, Settings, door, github, send, sha1, sha256,
    spacelift,
};

/// Signs whatever it is given, as whoever has the secret would.
fn signed(body: &'static [u8]) -> axum::http::request::Builder {
    Request::post("/webhooks/github")
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", "d")
        .header("x-hub-signature-256", sha256(GITHUB_SECRET, body))
}

async fn refused(request: Request<Body>) -> (u16, Value) {
    let (router, mut queue) = door(&Settings::default());
    let reply = send(&router, request).await;
    assert!(queue.queue.try_recv().is_err(), "nothing refused may be queued");
    (reply.status.as_u16(), reply.body)
}

#[tokio::test]
async fn every_refusal_has_its_status_and_says_why() {
    let body: &[u8] = b"{}";
    let post = || Request::post("/webhooks/github");
    let no_signature =
        json!({"code": "no_signature", "message": "the request carries no signature"});
    let bad_signature = json!({"code": "bad_signature",
        "message": "the signature does not fit the body and the secret"});
    let ambiguous = json!({"code": "ambiguous_signature",
        "message": "the request carries more than one signature"});
    let encoded = json!({"code": "encoding_unsupported",
        "message": "bodies are not decompressed here; send them without Content-Encoding"});
    let signature = sha256(GITHUB_SECRET, body);
    let cases = [
        ("none", post(), 401, &no_signature),
        (
            "only sha1",
            post().header("x-hub-signature", sha1(GITHUB_SECRET, body)),
            401,
            &no_signature,
        ),
        ("of Spacelift", post().header("x-signature-256", &signature), 401, &no_signature),
        (
            "not hexadecimal",
            post().header("x-hub-signature-256", "sha256=xyz"),
            401,
            &bad_signature,
        ),
        ("empty", post().header("x-hub-signature-256", ""), 401, &bad_signature),
        (
            "of another body",
            post().header("x-hub-signature-256", sha256(GITHUB_SECRET, b"{ }")),
            401,
            &bad_signature,
        ),
        (
            "with another secret",
            post().header("x-hub-signature-256", sha256("other", body)),
            401,
            &bad_signature,
        ),
        (
            "sha1 in the place of sha256",
            post().header("x-hub-signature-256", sha1(GITHUB_SECRET, body)),
            401,
            &bad_signature,
        ),
        ("twice", signed(body).header("x-hub-signature-256", &signature), 400, &ambiguous),
        (
            "right and wrong",
            signed(body).header("x-hub-signature-256", "sha256=00"),
            400,
            &ambiguous,
        ),
        ("compressed", signed(body).header("content-encoding", "gzip"), 415, &encoded),
        (
            "compressed twice",
            signed(body).header("content-encoding", "identity").header("content-encoding", "br"),
            415,
            &encoded,
        ),
    ];
    for (what, request, status, expected) in cases {
        let answer = refused(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer, (status, expected.clone()), "{what}");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_json_too() {
    let elsewhere = Request::post("/webhooks/sourceforge").body(Body::empty()).unwrap();
    let (status, body) = refused(elsewhere).await;
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    let read = Request::get("/webhooks/github").body(Body::empty()).unwrap();
    let (status, body) = refused(read).await;
    assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")));
}

#[tokio::test]
async fn a_source_without_a_secret_answers_as_if_the_signature_were_bad() {
    let mut settings = Settings::default();
    settings.senders.github.secrets.clear();
    let (router, _queue) = door(&settings);
    let request = || github("push", "d", PUSH);
    let without = send(&router, request()).await;
    settings.senders.github.secrets.push(SecretString::from("another secret"));
    let (router, _queue) = door(&settings);
    assert_eq!(send(&router, request()).await, without);
    assert_eq!((without.status.as_u16(), without.code()), (401, "bad_signature"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_and_while_it_comes() {
    let mut settings = Settings::default();
    settings.senders.github.body_bytes_max = 1000;
    let too_large = json!({"code": "too_large",
        "message": "the body is larger than the 1000 bytes that are taken here"});
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 600]));
    let endless = Body::from_stream(futures::stream::repeat_with(chunk));
    for (what, body) in [("declared", Body::from(vec![b' '; 1001])), ("endless", endless)] {
        let (router, _queue) = door(&settings);
        let reply = send(&router, signed(b"").body(body).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.body), (413, too_large.clone()), "{what}");
    }
}

/// Sends a request that gets through and waits in the queue for a writer that never comes.
fn queued(router: &Router, request: Request<Body>) -> tokio::task::JoinHandle<Reply> {
    let router = router.clone();
    tokio::spawn(async move { send(&router, request).await })
}

async fn until(queue: &crate::intake::Queued, length: usize) {
    let filled = async {
        while queue.queue.len() < length {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), filled).await.unwrap();
}

#[tokio::test]
async fn when_the_queue_is_full_senders_are_asked_to_come_back() {
    let mut settings = Settings::default();
    settings.http.queue_max = 1;
    let (router, queue) = door(&settings);
    let first = queued(&router, github("push", "d-1", PUSH));
    until(&queue, 1).await;

    let second = send(&router, github("push", "d-2", PUSH)).await;
    assert_eq!((second.status.as_u16(), second.code()), (503, "overloaded"));
    assert_eq!(second.retry_after.as_deref(), Some("2"));

    drop(queue);
    let first = first.await.unwrap();
    assert_eq!((first.status.as_u16(), first.code()), (503, "unavailable"));
    assert_eq!(first.retry_after.as_deref(), Some("10"));
}

#[tokio::test]
async fn when_the_queue_is_slow_senders_are_asked_to_come_back_before_anything_is_read() {
    let (router, queue) = door(&Settings::default());
    let first = queued(&router, github("push", "d-1", PUSH));
    until(&queue, 1).await;
    let unproven = || Request::post("/webhooks/github").body(Body::from(PUSH)).unwrap();
    let second = send(&router, unproven()).await;
    assert_eq!(second.status.as_u16(), 401);

    let took = std::time::Duration::from_secs(600);
    queue.speed.note(1_000, took, took, tokio::time::Instant::now());

    let third = send(&router, unproven()).await;
    assert_eq!((third.status.as_u16(), third.code()), (503, "overloaded"));
    first.abort();
}

#[tokio::test]
async fn when_too_much_is_held_senders_are_asked_to_come_back_and_it_is_given_back() {
    let mut settings = Settings::default();
    settings.http.in_flight_bytes_max = PUSH.len() + 3 * 1024;
    let (router, mut queue) = door(&settings);
    let first = queued(&router, github("push", "d-1", PUSH));
    until(&queue, 1).await;
    // The sender going away gives nothing back: the body is still held.
    first.abort();
    first.await.unwrap_err();
    let second = send(&router, github("push", "d-2", PUSH)).await;
    assert_eq!((second.status.as_u16(), second.code()), (503, "overloaded"));

    drop(queue.queue.recv().await.unwrap());
    let third = queued(&router, github("push", "d-3", PUSH));
    until(&queue, 1).await;
    third.abort();
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_given_up() {
    let mut settings = Settings::default();
    settings.http.body_patience = std::time::Duration::from_millis(50);
    let (router, _queue) = door(&settings);
    let begun = futures::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
    let stuck = Body::from_stream(futures::StreamExt::chain(begun, futures::stream::pending()));
    let reply = send(&router, signed(b"").body(stuck).unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (408, "too_slow"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("connection reset")),
    ]);
    let (status, body) = refused(signed(b"{").body(Body::from_stream(broken)).unwrap()).await;
    assert_eq!(
        (status, body),
        (400, json!({"code": "malformed", "message": "the body broke off"}))
    );
}

#[tokio::test]
async fn sha1_counts_for_spacelift_only_if_configured_and_only_alone() {
    let only_sha1 = |signature: String| {
        Request::post("/webhooks/spacelift")
            .header("x-signature", signature)
            .body(Body::from(RUN))
            .unwrap()
    };
    let right = || sha1(SPACELIFT_SECRET, RUN.as_bytes());
    let (router, _queue) = door(&Settings::default());
    assert_eq!(send(&router, only_sha1(right())).await.code(), "no_signature");

    let mut settings = Settings::default();
    settings.senders.spacelift.sha1_fallback = true;
    let (router, queue) = door(&settings);
    assert_eq!(send(&router, only_sha1(sha1("other", b"{}"))).await.code(), "bad_signature");
    let accepted = queued(&router, only_sha1(right()));
    until(&queue, 1).await;
    accepted.abort();
    // A wrong SHA-256 is not mended by a right SHA-1.
    let mut both = spacelift(RUN);
    both.headers_mut().insert("x-signature-256", sha256("other", b"{}").parse().unwrap());
    assert_eq!(send(&router, both).await.code(), "bad_signature");
}
