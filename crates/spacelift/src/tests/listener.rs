//! A server that answers as badly as it is told to, and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) headers: HashMap<String, String>,
    pub(super) operation: String,
    pub(super) document: String,
    pub(super) variables: Value,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Data(Value),
    Error(&'static str),
    Status(u16, &'static str),
    Text(&'static str),
    /// The connection is closed without a word.
    Dropped,
    /// The connection is closed in the middle of the answer.
    Cut,
    /// Nothing ever comes.
    Silence,
}

pub(super) struct Listener {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Listener {
    /// `answer` is given the request and how many of the same operation came before it.
    pub(super) async fn start(
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), kept.clone()));
            }
        });
        Self { address, requests }
    }

    /// How often an operation was asked for.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.requests().iter().filter(|it| it.operation == operation).count()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A token that lasts an hour.
pub(super) fn token(jwt: &str) -> Reply {
    let valid_until = chrono::Utc::now().timestamp() + 3600;
    Reply::Data(json!({"apiKeyUser": {"id": "k", "jwt": jwt, "validUntil": valid_until}}))
}

/// A run in a state.
pub(super) fn run(id: &str, state: &str) -> Value {
    json!({
        "id": id, "type": "TRACKED", "state": state, "finished": false,
        "createdAt": 1_760_000_000, "updatedAt": 1_760_000_005, "triggeredBy": "api::01K7KEY",
        "commit": {"hash": "c1"}, "delta": null,
        "history": [
            {"state": state, "stateVersion": 3, "note": "why", "timestamp": 1_760_000_009},
            {"state": "QUEUED", "stateVersion": 1, "note": null, "timestamp": 1_760_000_000},
        ],
    })
}

async fn serve(
    stream: TcpStream,
    answer: Arc<impl Fn(&Request, usize) -> Reply>,
    kept: Arc<Mutex<Vec<Request>>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let before = {
            let mut kept = kept.lock().unwrap();
            kept.push(request.clone());
            kept.iter().filter(|it| it.operation == request.operation).count() - 1
        };
        let (status, headers, body) = match answer(&request, before) {
            Reply::Data(data) => (200, "", json!({"data": data}).to_string()),
            Reply::Error(message) => {
                (200, "", json!({"data": null, "errors": [{"message": message}]}).to_string())
            }
            Reply::Status(status, headers) => (status, headers, String::new()),
            Reply::Text(text) => (200, "", text.to_owned()),
            Reply::Dropped => return,
            Reply::Cut => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":";
                stream.write_all(half).await.unwrap();
                return;
            }
            Reply::Silence => std::future::pending().await,
        };
        let answer = format!(
            "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None if line.trim().is_empty() => break,
            None => None,
        };
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    Some(Request {
        headers,
        operation: body["operationName"].as_str()?.to_owned(),
        document: body["query"].as_str()?.to_owned(),
        variables: body["variables"].clone(),
    })
}
