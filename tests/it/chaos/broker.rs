//! The broker is killed, and loses all it had.

use bus::DeadLetter;
use contracts::topology::STREAMS;
use harness::{Pipeline, moments::Moments, patience::eventually, raw_nats::RawNats};
use stackly::system::SERVICES;
use tokio::sync::Mutex;

use super::{CHAINS, CHAINS_FEW, PATIENCE, load, one_more, setup};

/// How often the broker is killed while chains run.
const KILLS: usize = 8;
/// How often it loses everything.
const LOSSES: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_and_comes_back_with_what_it_had() {
    let mut pipeline = Pipeline::with(setup()).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS).start(&pipeline);

    for _ in 0..KILLS {
        moments.next(20..=100).await;
        pipeline.servers.expect_own().nats.restart().await.unwrap();
    }

    pipeline.assert_all_well(&load.await.unwrap());
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brokers_store_is_deleted_while_everything_runs() {
    let mut pipeline = Pipeline::with(setup()).await;
    let letter = give_up(&pipeline).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS_FEW).start(&pipeline);

    for _ in 0..LOSSES {
        moments.next(20..=60).await;
        let nats = &mut pipeline.servers.expect_own().nats;
        nats.delete_store().await.unwrap();
        // It goes on with what it holds in memory, for better or worse, until it ends.
        moments.next(5..=20).await;
        let nats = &mut pipeline.servers.expect_own().nats;
        nats.kill().await;
        nats.delete_store().await.unwrap();
        nats.restart().await.unwrap();
    }

    pipeline.assert_all_well(&load.await.unwrap());
    one_more(&pipeline).await;
    is_still_there(&pipeline, &letter).await;
    pipeline.stop_undone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brokers_store_is_deleted_while_everything_is_down() {
    let mut pipeline = Pipeline::with(setup()).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS_FEW).start(&pipeline);

    for _ in 0..LOSSES {
        moments.next(20..=60).await;
        for service in SERVICES {
            pipeline.fleet.kill(service).await;
        }
        let nats = &mut pipeline.servers.expect_own().nats;
        nats.kill().await;
        nats.delete_store().await.unwrap();
        nats.restart().await.unwrap();
        for service in SERVICES {
            pipeline.fleet.start(service, &[]);
        }
    }

    pipeline.assert_all_well(&load.await.unwrap());
    one_more(&pipeline).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_are_deleted_while_everything_runs() {
    let pipeline = Pipeline::with(setup()).await;
    let mut moments = Moments::of(&pipeline.spacelift);
    let load = load(CHAINS_FEW).start(&pipeline);
    let nats = Mutex::new(RawNats::connect(&pipeline.installation.nats_url).await.unwrap());

    for _ in 0..LOSSES {
        moments.next(20..=60).await;
        for stream in STREAMS {
            let name = format!("{}_{}", pipeline.installation.prefix, stream.name);
            let delete = format!("$JS.API.STREAM.DELETE.{name}");
            // One of them may not have been made again yet.
            let ask = || async { nats.lock().await.request(&delete, b"").await.unwrap() };
            eventually(&delete, PATIENCE, ask, |answer| answer["success"] == true).await;
        }
    }

    pipeline.assert_all_well(&load.await.unwrap());
    one_more(&pipeline).await;
    pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_starts_while_the_broker_is_away_and_keeps_what_comes() {
    let mut pipeline = Pipeline::with(setup()).await;
    pipeline.fleet.kill("ingest").await;
    pipeline.servers.expect_own().nats.kill().await;
    pipeline.fleet.start("ingest", &[]);
    let commit = pipeline.push(&["stacks/a0/main.tf"]).await;
    pipeline.servers.expect_own().nats.restart().await.unwrap();
    let chain = pipeline.ended(&commit).await;
    pipeline.assert_all_well(&[chain]);
    pipeline.stop().await;
}

/// Sends what no build can read, and waits until the executor gave it up.
async fn give_up(pipeline: &Pipeline) -> DeadLetter {
    pipeline.send_unreadable().await;
    let is_there = |found: &Vec<DeadLetter>| !found.is_empty();
    let letters = || pipeline.letters_of_the_executor();
    eventually("a dead letter", PATIENCE, letters, is_there).await.remove(0)
}

/// A person finds the letter as it was.
async fn is_still_there(pipeline: &Pipeline, letter: &DeadLetter) {
    let is_it = |it: &DeadLetter| {
        (&it.reason, &it.body, it.at) == (&letter.reason, &letter.body, letter.at)
    };
    let found = |found: &Vec<DeadLetter>| found.iter().any(is_it);
    let letters = || pipeline.letters_of_the_executor();
    eventually("the letter to be put back", PATIENCE, letters, found).await;
}
