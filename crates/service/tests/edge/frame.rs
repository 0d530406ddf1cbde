//! The order of the start and of the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::anyhow;
use service::Frame;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bench::{PATIENCE, Parrot, Place, Telephone, eventually, say};

async fn end(frame: Frame) -> Result<(), String> {
    let ended = timeout(PATIENCE, frame.finish()).await.expect("it ends in time");
    ended.map_err(|error| format!("{error:#}"))
}

#[tokio::test]
async fn what_is_in_flight_at_the_end_is_finished_with_all_it_needs() {
    let place = Place::shared().await;
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let (parrot, telephone) = (Parrot::default(), Telephone::new());
    let engine = frame.engine(parrot.clone());
    frame.run(&engine);
    frame.perform(&engine, telephone.clone(), 1);
    let (bus, pool) = (frame.bus.clone(), frame.store.pool().clone());
    say(&bus, "call").await;
    eventually("the call", async || telephone.rings.load(Ordering::SeqCst) == 1).await;

    shutdown.cancel();
    let finishing = tokio::spawn(end(frame));
    // The call is not over, so neither is the service, nor what the call will need.
    say(&bus, "too late for this one").await;
    assert!(!finishing.is_finished() && !pool.is_closed());
    telephone.let_go.add_permits(1);
    finishing.await.unwrap().unwrap();
    assert_eq!(parrot.called.load(Ordering::SeqCst), 1, "its result was decided upon");
    assert_eq!(parrot.heard.load(Ordering::SeqCst), 1, "and nothing new was taken");
    assert!(pool.is_closed());

    // The next one takes what was left.
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let parrot = Parrot::default();
    frame.run(&frame.engine(parrot.clone()));
    eventually("the rest", async || parrot.heard.load(Ordering::SeqCst) == 1).await;
    shutdown.cancel();
    end(frame).await.unwrap();
}

#[tokio::test]
async fn a_service_that_loses_one_of_its_tasks_ends_and_says_why() {
    let place = Place::shared().await;
    let frame = place.frame(&CancellationToken::new()).await;
    frame.spawn("reading the tea leaves", async { Err(anyhow!("there are none")) });
    assert_eq!(end(frame).await, Err("reading the tea leaves: there are none".to_owned()));

    let frame = place.frame(&CancellationToken::new()).await;
    frame.spawn("reading the tea leaves", async { panic!("as the test wants") });
    assert_eq!(end(frame).await, Err("reading the tea leaves: it panicked".to_owned()));
}

#[tokio::test]
async fn a_reconciler_goes_on_after_a_failure_and_after_a_panic() {
    let place = Place::shared().await;
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = rounds.clone();
    frame.every(Duration::from_millis(5), "counting", move || {
        let round = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match round {
                0 => Err(anyhow!("the first fails")),
                1 => panic!("the second panics, as the test wants"),
                _ => Ok(()),
            }
        }
    });
    eventually("more rounds", async || rounds.load(Ordering::SeqCst) > 3).await;
    shutdown.cancel();
    end(frame).await.unwrap();
}

#[tokio::test]
async fn every_service_tells_its_part_of_a_story() {
    let place = Place::shared().await;
    let shutdown = CancellationToken::new();
    let frame = place.frame(&shutdown).await;
    frame.run(&frame.engine(Parrot::default()));
    say(&frame.bus, "hello").await;
    let told = async || {
        sqlx::query_scalar::<_, uuid::Uuid>("select correlation from remembered")
            .fetch_optional(frame.store.pool())
            .await
            .unwrap()
    };
    eventually("the word", async || told().await.is_some()).await;
    let correlation = told().await.unwrap();
    let ask = serde_json::json!({ "correlation": correlation });
    let story = frame.bus.request("stackly.ask.parrot.trace", &ask).await.unwrap().unwrap();
    assert_eq!(story[0]["what"], "word.said");
    assert_eq!(story[0]["who"], "parrot-words");
    shutdown.cancel();
    end(frame).await.unwrap();
}
