//! Read as a stranger would: NATS' own protocol off the socket, CloudEvents by its prefix.

use std::collections::BTreeMap;

use contracts::Trace;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::bench::{PATIENCE, bus, event};

/// Headers and body of the first message on a subject; `is_listening` is told when it may come.
async fn first(
    subject: String,
    is_listening: tokio::sync::oneshot::Sender<()>,
) -> (String, Vec<u8>) {
    let port = embedded::shared_nats().await.port();
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut socket = BufReader::new(socket);
    let hello = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\n\
         SUB {subject} 1\r\nPING\r\n"
    );
    socket.get_mut().write_all(hello.as_bytes()).await.unwrap();
    let mut is_listening = Some(is_listening);
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.unwrap();
        if line.starts_with("PONG") {
            is_listening.take().unwrap().send(()).unwrap();
        }
        if let Some(sizes) = line.strip_prefix("HMSG ") {
            let sizes: Vec<&str> = sizes.split_whitespace().collect();
            let [.., head, total] = sizes[..] else { panic!("{line}") };
            let (head, total): (usize, usize) = (head.parse().unwrap(), total.parse().unwrap());
            let mut bytes = vec![0; total];
            socket.read_exact(&mut bytes).await.unwrap();
            let body = bytes.split_off(head);
            return (String::from_utf8(bytes).unwrap(), body);
        }
    }
}

#[tokio::test]
async fn any_cloudevents_reader_reads_a_message_in_binary_mode() {
    let bus = bus().await;
    let (listening, is_listening) = tokio::sync::oneshot::channel();
    let reading = tokio::spawn(first(bus.subject("stackly.evt.change.>"), listening));
    timeout(PATIENCE, is_listening).await.unwrap().unwrap();
    let mut sent = event("acme/Zürich");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sent.trace = Some(Trace(trace.to_owned()));
    bus.send(std::slice::from_ref(&sent)).await;

    let (head, body) = timeout(PATIENCE, reading).await.unwrap().unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("NATS/1.0"));
    let headers: BTreeMap<_, _> =
        lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n, v.trim())).collect();
    // What an SDK does: the content type says that the payload is the data, and every header with
    // the prefix is an attribute.
    assert_eq!(headers["content-type"], "application/json");
    let attributes: BTreeMap<_, _> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("ce-")?, *value)))
        .collect();
    for name in attributes.keys() {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
    }
    assert_eq!(attributes["specversion"], "1.0");
    assert_eq!(attributes["id"], sent.id.to_string());
    assert_eq!(attributes["type"], "stackly.change.pushed");
    assert_eq!(attributes["source"], "/stackly/test");
    assert_eq!(attributes["subject"], "acme/Z%C3%BCrich");
    assert!(chrono::DateTime::parse_from_rfc3339(attributes["time"]).is_ok());
    assert_eq!(attributes["traceparent"], trace);
    assert_eq!(headers["traceparent"], trace);
    assert_eq!(headers["Nats-Msg-Id"], attributes["id"]);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, sent.body);
}
