use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// One request in NATS's own protocol: this crate knows no client library.
async fn request(nats: &Nats, subject: &str, body: &str) -> Value {
    let exchange = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, nats.port())).await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        let text = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{body}\r\n",
            body.len()
        );
        write.write_all(text.as_bytes()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with("MSG ") {
            line.clear();
            assert!(lines.read_line(&mut line).await.unwrap() > 0, "the server hung up");
        }
        let length = line.split_whitespace().next_back().unwrap().parse().unwrap();
        let mut answer = vec![0; length];
        lines.read_exact(&mut answer).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    };
    timeout(Duration::from_secs(20), exchange).await.unwrap()
}

async fn create_stream(nats: &Nats) {
    let config = json!({ "name": "THINGS", "subjects": ["things.>"] }).to_string();
    let answer = request(nats, "$JS.API.STREAM.CREATE.THINGS", &config).await;
    assert_eq!(answer["config"]["name"], "THINGS", "{answer}");
}

/// The number of messages in the stream, if there is such a stream.
async fn kept(nats: &Nats) -> Option<u64> {
    request(nats, "$JS.API.STREAM.INFO.THINGS", "").await["state"]["messages"].as_u64()
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_what_it_acknowledged() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    create_stream(&nats).await;
    let answer = request(&nats, "things.one", "hello").await;
    assert_eq!(answer["seq"], 1, "{answer}");
    let (port, pid, url) = (nats.port(), nats.pid(), nats.url());

    nats.kill().await;
    assert!(!nats.is_up());
    assert!(ports::is_free(port));
    nats.restart().await.unwrap();
    assert!(nats.is_up());
    assert_eq!((nats.port(), nats.url()), (port, url));
    assert_ne!(nats.pid(), pid);
    assert_eq!(kept(&nats).await, Some(1));

    nats.shut_down().await;
    assert!(!nats.is_up());
    nats.restart().await.unwrap();
    assert_eq!(kept(&nats).await, Some(1));
}

#[tokio::test]
async fn a_deleted_store_takes_every_stream_with_it() {
    // Spawned, so that it stays possible to start it beside other things.
    let starting = tokio::spawn(Nats::start(NatsOptions::default()));
    let mut nats = starting.await.unwrap().unwrap();
    create_stream(&nats).await;
    nats.kill().await;
    nats.delete_store().await.unwrap();
    assert!(!nats.store_folder().exists());
    nats.restart().await.unwrap();
    assert_eq!(kept(&nats).await, None);

    create_stream(&nats).await;
    nats.delete_store().await.unwrap();
    assert!(nats.is_up());
    nats.restart().await.unwrap();
    assert_eq!(kept(&nats).await, None);
}

#[tokio::test]
async fn a_given_folder_and_port_are_kept_and_taken_by_one_server_only() {
    let folder = TempDir::new().unwrap();
    let options = NatsOptions {
        store: StoreFolder::Given(folder.path().join("deep \"down\"")),
        port: Some(ports::free_port().unwrap()),
        sync_always: true,
        ..NatsOptions::default()
    };
    let nats = Nats::start(options.clone()).await.unwrap();
    assert_eq!(Some(nats.port()), options.port);
    create_stream(&nats).await;
    request(&nats, "things.one", "hello").await;

    let Err(error) = Nats::start(options.clone()).await else {
        panic!("two servers in one folder")
    };
    assert!(matches!(error, Error::FolderInUse { .. }), "{error}");
    nats.stop().await;

    let nats = Nats::start(options).await.unwrap();
    assert_eq!(kept(&nats).await, Some(1));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free_port().unwrap())).unwrap();
    let port = holder.local_addr().unwrap().port();
    let options = NatsOptions { port: Some(port), ..NatsOptions::default() };
    let Err(error) = Nats::start(options).await else { panic!("two listeners on one port") };
    assert!(error.to_string().contains(&format!("port {port}")), "{error}");
    assert!(matches!(error, Error::PortTaken { .. }));
}

#[tokio::test]
async fn another_server_on_the_port_does_not_pass_for_ours() {
    let nats = Nats::start(NatsOptions::default()).await.unwrap();
    assert!(greets(nats.port(), &nats.plan.name).await);
    assert!(!greets(nats.port(), "stackly-of-another").await);
}

#[tokio::test]
async fn dropping_ends_the_server_and_removes_its_folder() {
    let nats = Nats::start(NatsOptions::default()).await.unwrap();
    let (port, folder) = (nats.port(), nats.store_folder().to_owned());
    assert!(folder.exists());
    drop(nats);
    assert!(ports::is_free(port));
    assert!(!folder.parent().unwrap().exists());
}

/// Written by another process: a program that any thread of ours holds open cannot be run.
fn fake_server(folder: &TempDir, name: &str, version: &str) -> PathBuf {
    let program = folder.path().join(name);
    let script =
        "printf '#!/bin/sh\\necho nats-server: v%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(&program).arg(version).status();
    assert!(made.unwrap().success());
    program
}

#[tokio::test]
async fn servers_too_old_or_broken_are_passed_over_aloud() {
    let folder = TempDir::new().unwrap();
    let old = fake_server(&folder, "old", "2.9.10");
    let nonsense = fake_server(&folder, "nonsense", "ery-old");
    let good = fake_server(&folder, "good", "2.12.0");
    let missing = folder.path().join("missing");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let say: Say = Arc::new(move |said| ear.lock().unwrap().push(said.to_owned()));

    let bad = vec![old, nonsense, missing];
    let reasons = find::first_usable(bad.clone(), &say).await.unwrap_err();
    assert!(reasons.contains("it is version 2.9.10, and 2.12.0 or newer is needed"), "{reasons}");
    assert_eq!(heard.lock().unwrap().len(), 3);

    let all = bad.into_iter().chain([good.clone()]).collect();
    assert_eq!(find::first_usable(all, &say).await.unwrap(), good);
}
