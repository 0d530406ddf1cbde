use std::net::SocketAddr;

use axum::{http::Request, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::timeout,
};

use crate::testing::{GITHUB_SECRET, Settings, door, sha256};

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A server with a door that nothing gets through: it only refuses.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

async fn start(router: Router, max: usize, head_patience: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let connections =
        Connections { max, per_address_max: 0, proxies: Proxies::default(), head_patience };
    let served = tokio::spawn(serve(listener, router, connections, shutdown.clone()));
    Running { address, shutdown, served }
}

async fn start_door(settings: &Settings) -> Running {
    let (router, queue) = door(settings);
    drop(queue);
    start(router, 100, Duration::from_secs(5)).await
}

/// Sends raw bytes and reads all that comes until the server hangs up.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may hang up before it has everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server should hang up");
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(lines: &[&str]) -> String {
    let lines = lines.join("\r\n");
    format!("POST /webhooks/github HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n\r\n")
}

#[tokio::test]
async fn a_sender_of_half_a_head_is_hung_up_on() {
    let (router, _queue) = door(&Settings::default());
    let server = start(router, 100, Duration::from_millis(100)).await;
    let answer = exchange(server.address, b"POST /webhooks/github HTT").await;
    assert!(!answer.contains("200"), "{answer}");
    // Nor may a connection stay idle for longer.
    assert_eq!(exchange(server.address, b"").await, "");
}

#[tokio::test]
async fn a_sender_of_half_a_body_is_told_so() {
    let mut settings = Settings::default();
    settings.http.body_patience = Duration::from_millis(100);
    let server = start_door(&settings).await;
    let request = head(&["content-length: 100", "x-hub-signature-256: sha256=00"]) + "{";
    let answer = exchange(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"too_slow\""), "{answer}");
}

#[tokio::test]
async fn a_body_without_a_length_is_counted_as_it_comes() {
    let mut settings = Settings::default();
    settings.senders.github.body_bytes_max = 1000;
    let server = start_door(&settings).await;
    let mut request = head(&["transfer-encoding: chunked", "x-hub-signature-256: sha256=00"]);
    for _ in 0..3 {
        request += &format!("190\r\n{}\r\n", "x".repeat(400));
    }
    let answer = exchange(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_declared_size_is_refused_before_the_body_comes() {
    let server = start_door(&Settings::default()).await;
    let request = head(&["content-length: 99999999999", "x-hub-signature-256: sha256=00"]);
    let answer = exchange(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let request = head(&["content-length: 99999999999"]);
    let answer = exchange(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn who_only_announces_large_bodies_takes_the_room_of_nobody() {
    let server = start_door(&Settings::default()).await;
    let announced = head(&[
        "content-length: 26214400",
        "x-hub-signature-256: sha256=00",
        "expect: 100-continue",
    ]);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(announced.as_bytes()).await.unwrap();
        let mut answer = [0; 21];
        timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 100 Continue");
        waiting.push(stream);
    }
    let honest = head(&["content-length: 2", "x-hub-signature-256: sha256=00"]) + "{}";
    let answer = exchange(server.address, honest.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn heads_that_two_servers_could_read_in_two_ways_are_refused() {
    let server = start_door(&Settings::default()).await;
    let signature = format!("x-hub-signature-256: {}", sha256(GITHUB_SECRET, b"{}"));
    let cases: [(&str, &[&str]); 5] = [
        ("two signatures", &["content-length: 2", &signature, "X-Hub-Signature-256: sha256=00"]),
        ("folded", &["content-length: 2", "x-hub-signature-256: sha256=00", " 11"]),
        ("two lengths", &["content-length: 2", "content-length: 3", &signature]),
        ("not chunked at last", &["transfer-encoding: chunked, gzip", &signature]),
        ("blank before the colon", &["content-length: 2", "x-hub-signature-256 : sha256=00"]),
    ];
    for (what, lines) in cases {
        let answer = exchange(server.address, (head(lines) + "{}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let server = start_door(&Settings::default()).await;
    let smuggled = "POST /webhooks/spacelift HTTP/1.1\r\nhost: x\r\n\r\n";
    // A proxy that goes by the length sends on what was smuggled as the end of the body.
    let length = format!("content-length: {}", 5 + smuggled.len());
    let chunked = "transfer-encoding: chunked";
    for [first, second] in [[&*length, chunked], [chunked, &length]] {
        let lines = [first, second, "x-hub-signature-256: sha256=00"];
        // Nobody has asked for the connection to be closed.
        let head = head(&lines).replace("connection: close\r\n", "");
        let request = head + "0\r\n\r\n" + smuggled;
        let answer = exchange(server.address, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

/// Streams that are reset as fast as they are opened and heads without end are faults of HTTP/2.
#[tokio::test]
async fn cve_2023_44487_and_2024_27316_http_2_is_not_spoken() {
    let server = start_door(&Settings::default()).await;
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), settings].concat();
    let answer = exchange(server.address, &preface).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    let upgrade = ["upgrade: h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA"];
    let answer = exchange(server.address, head(&upgrade).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn endless_heads_are_refused() {
    let server = start_door(&Settings::default()).await;
    let many: Vec<_> = (0..200).map(|number| format!("x-{number}: y")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let answer = exchange(server.address, head(&many).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = format!("x-long: {}", "y".repeat(100_000));
    let answer = exchange(server.address, head(&[&long]).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let (router, _queue) = door(&Settings::default());
    let server = start(router, 1, Duration::from_secs(60)).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 12];
    timeout(SOON, first.read_exact(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 404");

    let request = head(&[]);
    let second = exchange(server.address, request.as_bytes());
    tokio::pin!(second);
    timeout(Duration::from_millis(200), second.as_mut()).await.expect_err("no place is free");
    drop(first);
    assert!(second.await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn a_shutdown_answers_what_is_in_flight_and_takes_nothing_more() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = {
        let (arrived, go_on) = (arrived.clone(), go_on.clone());
        Router::new().route(
            "/webhooks/github",
            post(async move |_: Request<axum::body::Body>| {
                arrived.notify_one();
                go_on.notified().await;
                "done"
            }),
        )
    };
    let server = start(router, 10, Duration::from_secs(60)).await;
    let address = server.address;
    let in_flight = tokio::spawn(async move { exchange(address, head(&[]).as_bytes()).await });
    timeout(SOON, arrived.notified()).await.unwrap();
    server.shutdown.cancel();
    timeout(Duration::from_millis(200), async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nobody listens any more");
    assert!(!server.served.is_finished());
    go_on.notify_one();
    assert!(in_flight.await.unwrap().ends_with("done"));
    timeout(SOON, server.served).await.unwrap().unwrap();
}
