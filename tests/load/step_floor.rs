//! The floor under a step: the least that anything must do which lets no step be lost.
//!
//! An event is published to JetStream, comes from there to a consumer, one row is committed in
//! Postgres, Spacelift is called over HTTP, and the event is acknowledged. The servers are those of
//! the measurement, and as durable; nothing is decided, looked up, asked or remembered.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use harness::raw_nats::{RawMessage, RawNats};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::{store, system::System};

/// As long as the envelope of an event.
const BODY: usize = 1_000;
/// What Spacelift is asked: the cheapest question it has.
const QUESTION: &str = r#"{"query":"{ __typename }"}"#;
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run came to.
pub(crate) struct Run {
    /// From the publishing of each event to the answer to its call.
    pub(crate) times: Vec<Duration>,
    /// How many a second.
    pub(crate) per_second: f64,
}

/// Takes so many events through, so many of them at once.
pub(crate) async fn run(system: &System, count: u64, at_once: usize) -> anyhow::Result<Run> {
    let nats_url = system.ground.nats.url();
    let pool = store::floor(&system.ground, at_once).await?;
    let name = format!("floor-{}", Uuid::new_v4().simple());
    let deliveries = consumer(&nats_url, &name).await?;
    let (done, mut ends) = mpsc::unbounded_channel();
    let (acknowledge, acknowledged) = mpsc::unbounded_channel();
    let worker = Worker {
        pool: pool.clone(),
        client: system.client.clone(),
        url: format!("{}/graphql", system.installation.spacelift_url),
        acknowledge,
        done,
    };
    let tasks = [
        tokio::spawn(work(worker, deliveries, at_once)),
        tokio::spawn(acknowledge_all(RawNats::connect(&nats_url).await?, acknowledged)),
    ];
    let mut publisher = RawNats::connect(&nats_url).await?;
    let mut under_way = HashMap::new();
    let mut times = Vec::new();
    let began = Instant::now();
    let driven = async {
        let mut next = 0;
        while next < count || !under_way.is_empty() {
            if next < count && under_way.len() < at_once {
                under_way.insert(next, Instant::now());
                let body = [&next.to_be_bytes()[..], &[b'x'; BODY]].concat();
                publisher.publish(&name, "stored", &body).await?;
                next += 1;
                continue;
            }
            let end: anyhow::Result<u64> = ends.recv().await.context("the floor has ended")?;
            let event = end?;
            times.extend(under_way.remove(&event).map(|since| since.elapsed()));
        }
        anyhow::Ok(())
    };
    let driven = tokio::time::timeout(PATIENCE, driven).await;
    let took = began.elapsed();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    pool.close().await;
    driven.context("the floor did not end in time")??;
    Ok(Run { per_second: times.len() as f64 / took.as_secs_f64(), times })
}

/// A stream of its own, and all that is published there.
async fn consumer(nats_url: &str, name: &str) -> anyhow::Result<RawNats> {
    let mut nats = RawNats::connect(nats_url).await?;
    let stream = json!({ "name": name, "subjects": [name], "storage": "file" });
    make(&mut nats, &format!("STREAM.CREATE.{name}"), &stream).await?;
    let place = format!("{name}.delivered");
    nats.subscribe(&place).await?;
    let config = json!({ "deliver_subject": place, "ack_policy": "explicit" });
    let consumer = json!({ "stream_name": name, "config": config });
    make(&mut nats, &format!("CONSUMER.CREATE.{name}"), &consumer).await?;
    Ok(nats)
}

async fn make(nats: &mut RawNats, what: &str, wanted: &Value) -> anyhow::Result<()> {
    let made = nats.request(&format!("$JS.API.{what}"), &serde_json::to_vec(wanted)?).await?;
    ensure!(made["error"].is_null(), "{what} of the floor: {made}");
    Ok(())
}

#[derive(Clone)]
struct Worker {
    pool: PgPool,
    client: reqwest::Client,
    url: String,
    acknowledge: mpsc::UnboundedSender<String>,
    done: mpsc::UnboundedSender<anyhow::Result<u64>>,
}

async fn work(worker: Worker, mut deliveries: RawNats, at_once: usize) {
    let places = Arc::new(Semaphore::new(at_once));
    loop {
        let message = match deliveries.next().await {
            Ok(message) => message,
            Err(error) => {
                let _ = worker.done.send(Err(error.into()));
                return;
            }
        };
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        let worker = worker.clone();
        tokio::spawn(async move {
            // Whoever measures may have gone.
            let _ = worker.done.send(worker.step(message).await);
            drop(place);
        });
    }
}

impl Worker {
    async fn step(&self, message: RawMessage) -> anyhow::Result<u64> {
        let number = message.body.first_chunk().context("an event of the floor")?;
        store::floor_row(&self.pool, Uuid::new_v4(), &message.body).await?;
        let call = self.client.post(&self.url).header("content-type", "application/json");
        let answer = call.body(QUESTION).send().await?;
        let status = answer.status();
        ensure!(
            status != StatusCode::NOT_FOUND && !status.is_server_error(),
            "the simulator answered the floor {status}"
        );
        answer.bytes().await?;
        let _ = self.acknowledge.send(message.reply.unwrap_or_default());
        Ok(u64::from_be_bytes(*number))
    }
}

async fn acknowledge_all(mut nats: RawNats, mut replies: mpsc::UnboundedReceiver<String>) {
    while let Some(reply) = replies.recv().await {
        if nats.publish(&reply, "acknowledged", b"+ACK").await.is_err() {
            return;
        }
    }
}
