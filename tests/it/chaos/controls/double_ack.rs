//! A consumer that takes the broker's confirmed acknowledgement for a promise, and remembers
//! nothing itself. The broker notes acknowledgements some time after it confirms them; killed in
//! between, it delivers again what it said would never come again.

use std::{collections::BTreeMap, time::Duration};

use contracts::{ChainId, RunId};
use embedded::{Nats, NatsOptions};
use harness::{
    accounts,
    checker::{self, Violation},
    raw_nats::{RawMessage, RawNats},
};
use serde_json::json;
use simulator::Simulator;
use uuid::Uuid;

use super::naive::{Manners, Naive, page, step, trigger};

/// How many stacks the steps are of; each chain has one step.
const STACKS: usize = 40;
/// How many steps wait in the stream for each life of the broker.
const STEPS: usize = 600;
/// How many steps are taken at once.
const BATCH: usize = 20;
/// How many lives the broker has, if none of its deaths shows earlier.
const LIVES: usize = 12;
/// How long the broker may keep silent before the stream counts as empty.
const SILENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn one_that_trusts_the_double_ack_fails_the_checker_when_the_broker_is_killed() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let account = accounts::lines(STACKS, 1);
    let simulator = Simulator::start(simulator::Options::new(account)).await.unwrap();
    let mut trusting = Trusting::new(&simulator);
    make(
        &nats,
        "STREAM.CREATE.STEPS",
        &json!({
            "name": "STEPS", "subjects": ["steps"], "storage": "file", "retention": "limits",
        }),
    )
    .await;
    make(&nats, "CONSUMER.DURABLE.CREATE.STEPS.trusting", &json!({
        "stream_name": "STEPS",
        "config": { "durable_name": "trusting", "ack_policy": "explicit", "ack_wait": 3_000_000_000_u64,
            "max_ack_pending": 1000 },
    }))
    .await;

    // As long as the broker lives, it keeps its promise.
    fill(&nats).await;
    trusting.work(&nats, usize::MAX).await;
    assert_eq!(trusting.done.len(), STEPS);
    assert_eq!(trusting.violations(&simulator), []);

    let mut lives = 0;
    while trusting.violations(&simulator).is_empty() {
        assert!(lives < LIVES, "in {lives} lives, the broker never forgot an acknowledgement");
        lives += 1;
        fill(&nats).await;
        trusting.work(&nats, STEPS / 2).await;
        nats.restart().await.unwrap();
        trusting.work(&nats, usize::MAX).await;
    }

    let seen = trusting.violations(&simulator);
    let doubled = |it: &Violation| matches!(it, Violation::TriggeredTwice { .. });
    assert!(seen.iter().all(doubled), "{seen:#?}");
    said(seen.len(), lives);
    simulator.stop().await;
}

/// Triggers what the stream says, acknowledges, and trusts.
struct Trusting {
    naive: Naive,
    done: BTreeMap<Uuid, (String, RunId)>,
}

impl Trusting {
    fn new(simulator: &Simulator) -> Self {
        Self { naive: Naive::new(simulator, Manners::Looks), done: BTreeMap::new() }
    }

    /// Works until the stream is empty, or so many steps are triggered and their acknowledgements
    /// confirmed.
    async fn work(&mut self, nats: &Nats, steps: usize) {
        let mut broker = RawNats::connect(&nats.url()).await.unwrap();
        let mut worked = 0;
        while worked < steps {
            let order = json!({ "batch": BATCH, "expires": 4_500_000_000_u64 }).to_string();
            let next = "$JS.API.CONSUMER.MSG.NEXT.STEPS.trusting";
            broker.publish(next, "next", order.as_bytes()).await.unwrap();
            let batch = take(&mut broker).await;
            if batch.is_empty() {
                return;
            }
            self.trigger(&batch).await;
            confirm(&mut broker, &batch).await;
            worked += batch.len();
        }
    }

    async fn trigger(&mut self, batch: &[RawMessage]) {
        let calls = batch.iter().map(|message| async {
            let text = String::from_utf8(message.body.clone()).unwrap();
            let (chain, stack) = text.split_once(' ').unwrap();
            let chain: Uuid = chain.parse().unwrap();
            let run = trigger(&self.naive.client, ChainId(chain), stack).await.unwrap();
            (chain, (stack.to_owned(), run))
        });
        self.done.extend(futures::future::join_all(calls).await);
    }

    fn violations(&self, simulator: &Simulator) -> Vec<Violation> {
        let pages: Vec<_> = self
            .done
            .iter()
            .map(|(chain, (stack, run))| {
                page(ChainId(*chain), vec![step(stack, &[], Some(run.clone()))])
            })
            .collect();
        checker::check(&simulator.control().journal(0), &pages)
    }
}

/// What one pull brings.
async fn take(broker: &mut RawNats) -> Vec<RawMessage> {
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        let Ok(message) = tokio::time::timeout(SILENCE, broker.next()).await else { break };
        let message = message.unwrap();
        // A status ends the pull: nothing more waits.
        if message.status.as_deref().is_some_and(|status| status.starts_with("NATS/1.0 4")) {
            break;
        }
        batch.push(message);
    }
    batch
}

/// Acknowledges, and waits until the broker says that it has noted all of it.
async fn confirm(broker: &mut RawNats, batch: &[RawMessage]) {
    for (place, message) in batch.iter().enumerate() {
        let ack = message.reply.as_deref().unwrap();
        broker.publish(ack, &format!("ack{place}"), b"+ACK").await.unwrap();
    }
    for _ in batch {
        tokio::time::timeout(SILENCE, broker.next()).await.unwrap().unwrap();
    }
}

async fn make(nats: &Nats, what: &str, body: &serde_json::Value) {
    let mut broker = RawNats::connect(&nats.url()).await.unwrap();
    let subject = format!("$JS.API.{what}");
    let answer = broker.request(&subject, body.to_string().as_bytes()).await.unwrap();
    assert_eq!(answer["error"], serde_json::Value::Null, "{answer}");
}

/// Steps for one life of the broker.
async fn fill(nats: &Nats) {
    let mut broker = RawNats::connect(&nats.url()).await.unwrap();
    for number in 0..STEPS {
        let step = format!("{} s{}-0", Uuid::new_v4(), number % STACKS);
        let answer = broker.request("steps", step.as_bytes()).await.unwrap();
        assert_eq!(answer["stream"], "STEPS", "{answer}");
    }
}

#[expect(clippy::print_stdout, reason = "how much was seen belongs to what was seen")]
fn said(doubled: usize, deaths: usize) {
    println!("{doubled} steps were triggered twice after {deaths} deaths of the broker");
}
