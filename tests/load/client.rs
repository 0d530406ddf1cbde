//! A sender of signed GitHub pushes that costs little: raw HTTP/1.1 over kept connections.
//!
//! It runs on one thread of its own. What it costs is stated beside what it measures.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use uuid::Uuid;

use crate::figures::{Latency, round};

/// Stands where a commit's id will.
const MARK: &str = "cccccccccccccccccccccccccccccccccccccccc";
/// The least body: GitHub's own are larger.
const BODY_BYTES: usize = 1_024;

/// Whom to send to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) address: String,
    /// What is signed with.
    pub(crate) secret: String,
}

/// How the next request of a connection follows the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// At once: as many in flight as there are connections.
    Closed,
    /// By the clock, so many a second over all connections, whether or not they were answered;
    /// the time a request had to wait for its turn counts as its own.
    Open(f64),
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// 2xx answers a second.
    pub(crate) per_second: f64,
    /// Of 2xx answers.
    pub(crate) latency: Latency,
    /// Other answers.
    pub(crate) refused: usize,
}

/// Sends for a while over so many connections.
pub(crate) async fn send(
    target: &Target,
    connections: usize,
    pace: Pace,
    window: Duration,
) -> anyhow::Result<Sent> {
    let target = target.clone();
    let sending = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(send_all(target, connections, pace, window))
    });
    sending.await?
}

async fn send_all(
    target: Target,
    connections: usize,
    pace: Pace,
    window: Duration,
) -> anyhow::Result<Sent> {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream =
            TcpStream::connect(&target.address).await.context("the server is not there")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let forge = Forge::new(&target);
    let senders: Vec<_> = streams.into_iter().map(|stream| (stream, forge.another())).collect();
    // Only now: what it takes to get ready is not the server's time.
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for (number, (stream, forge)) in senders.into_iter().enumerate() {
        let period = match pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(Duration::from_secs_f64(connections as f64 / rate)),
        };
        let offset = period.unwrap_or_default().mul_f64(number as f64 / connections as f64);
        let turns = period.map(|period| Turns { next: began + offset, period });
        sending.spawn(connection(stream, forge, turns, began + window));
    }
    let (mut times, mut refused) = (Vec::new(), 0);
    while let Some(ended) = sending.join_next().await {
        let (taken, others) = ended??;
        times.extend(taken);
        refused += others;
    }
    let per_second = round(times.len() as f64 / began.elapsed().as_secs_f64());
    Ok(Sent { per_second, latency: Latency::of(times), refused })
}

/// When the next request is to go.
struct Turns {
    next: Instant,
    period: Duration,
}

impl Turns {
    /// Waits for the next turn; gives when it was.
    async fn wait(&mut self) -> Instant {
        let turn = self.next;
        self.next += self.period;
        if turn > Instant::now() {
            tokio::time::interval_at(turn.into(), self.period).tick().await;
        }
        turn
    }
}

async fn connection(
    mut stream: TcpStream,
    mut forge: Forge,
    mut turns: Option<Turns>,
    until: Instant,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let mut times = Vec::new();
    let mut refused = 0;
    let mut answer = Vec::with_capacity(4096);
    loop {
        let due = match &mut turns {
            Some(turns) => Some(turns.wait().await),
            None => None,
        };
        let request = forge.next();
        let began = due.unwrap_or_else(Instant::now);
        if began >= until || Instant::now() >= until + Duration::from_secs(5) {
            return Ok((times, refused));
        }
        stream.write_all(request).await?;
        match status(&mut stream, &mut answer).await? {
            200..300 => times.push(began.elapsed()),
            _ => refused += 1,
        }
    }
}

/// Reads one answer to its end.
pub(crate) async fn status(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        ensure!(stream.read_buf(buffer).await? > 0, "the server hung up");
        let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let length: usize = lines
            .find_map(|line| line.strip_prefix("content-length:"))
            .context("an answer without a length")?
            .trim()
            .parse()?;
        if buffer.len() >= head + 4 + length {
            let Some(status) = status else { bail!("no HTTP") };
            return Ok(status.parse()?);
        }
    }
}

/// Makes requests that differ in what makes a push a push of its own, and signs them.
#[derive(Clone)]
struct Forge {
    key: Hmac<Sha256>,
    /// Head and body with their holes.
    request: Vec<u8>,
    body_at: usize,
    delivery_at: usize,
    signature_at: usize,
    commits_at: Vec<usize>,
    /// Differs between connections; the rest of an id counts.
    number: u128,
}

impl Forge {
    fn new(target: &Target) -> Self {
        let body = body();
        let (delivery, signature) = ("d".repeat(36), "5".repeat(64));
        let head = format!(
            "POST /webhooks/github HTTP/1.1\r\nhost: {}\r\nuser-agent: GitHub-Hookshot/044aadd\r\n\
             accept: */*\r\ncontent-type: application/json\r\nx-github-event: push\r\n\
             x-github-delivery: {delivery}\r\nx-github-hook-id: 292430182\r\n\
             x-github-hook-installation-target-id: 79929171\r\n\
             x-github-hook-installation-target-type: repository\r\n\
             x-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n",
            target.address,
            body.len()
        );
        let place = |text: &str| head.find(text).expect("it was written a line above");
        let body_at = head.len();
        Self {
            key: Hmac::new_from_slice(target.secret.as_bytes()).expect("any length will do"),
            delivery_at: place(&delivery),
            signature_at: place(&signature),
            commits_at: body.match_indices(MARK).map(|(at, _)| body_at + at).collect(),
            body_at,
            request: [head.into_bytes(), body.into_bytes()].concat(),
            number: Uuid::new_v4().as_u128(),
        }
    }

    /// One for another connection.
    fn another(&self) -> Self {
        Self { number: Uuid::new_v4().as_u128(), ..self.clone() }
    }

    fn next(&mut self) -> &[u8] {
        // Far apart, as commit ids are.
        self.number = self.number.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645) | 1;
        self.number = self.number.wrapping_add(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f);
        let id = Uuid::from_u128(self.number);
        let mut commit = [b'c'; 40];
        hex::encode_to_slice(id.as_bytes(), &mut commit[..32]).expect("32 digits");
        for &at in &self.commits_at {
            self.request[at..at + 40].copy_from_slice(&commit);
        }
        let delivery = &mut self.request[self.delivery_at..self.delivery_at + 36];
        id.hyphenated().encode_lower(delivery);
        let signed = self.key.clone().chain_update(&self.request[self.body_at..]);
        let signature = signed.finalize().into_bytes();
        let place = &mut self.request[self.signature_at..self.signature_at + 64];
        hex::encode_to_slice(signature, place).expect("64 digits");
        &self.request
    }
}

/// A push of one commit, at least as long as was measured for the floor's own floor.
fn body() -> String {
    let mut payload = harness::github::push(MARK, &["stacks/a/main.tf"]);
    let short = BODY_BYTES.saturating_sub(payload.to_string().len() + r#","pad":"""#.len());
    payload["pad"] = json!("x".repeat(short));
    payload.to_string()
}
