//! When a message comes again, and when it does not.

use std::{sync::Arc, time::Duration};

use anyhow::anyhow;
use bus::{Answers, BACKOFF, Bus, Failure};
use contracts::Code;

use crate::bench::{Script, bus, bus_with, event, eventually, publish};

#[tokio::test]
async fn what_may_work_later_comes_back_at_the_pace_of_the_table() {
    let bus = bus().await;
    let (script, ..) = Script::new(|_, times| match times {
        1 | 2 => Err(Failure::retry(anyhow!("not yet"))),
        _ => Ok(Answers::default()),
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the third delivery", async || script.times(id) == 3).await;
    let seen = script.seen();
    for (index, wait) in BACKOFF.iter().take(2).enumerate() {
        let gap = seen[index + 1] - seen[index];
        assert!(gap >= *wait && gap < *wait + Duration::from_secs(3), "{index}: {gap:?}");
    }
}

#[tokio::test]
async fn who_failed_says_when_to_try_again() {
    let bus = bus().await;
    let wait = Duration::from_millis(700);
    let (script, ..) = Script::new(move |_, times| match times {
        1 => Err(Failure::Retry { after: Some(wait), source: anyhow!("busy until then") }),
        _ => Ok(Answers::default()),
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the second delivery", async || script.times(id) == 2).await;
    let seen = script.seen();
    let gap = seen[1] - seen[0];
    assert!(gap >= wait && gap < wait + Duration::from_secs(3), "{gap:?}");
}

#[tokio::test]
async fn what_waits_for_the_database_is_kept_and_costs_no_attempt() {
    let bus = bus().await;
    // More often than there are attempts, in less time than one back-off.
    let often = 3;
    let (script, ..) = Script::new(move |_, times| match times {
        times if times <= often => Err(Failure::wait(anyhow!("Postgres is away"))),
        times if times == often + 1 => Err(Failure::retry(anyhow!("not yet"))),
        _ => Ok(Answers::default()),
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the delivery after all", async || script.times(id) == often + 2).await;
    let seen = script.seen();
    let gap = seen[often + 1] - seen[often];
    // The pace of a first attempt: the deliveries before did not count.
    assert!(gap >= BACKOFF[0] && gap < BACKOFF[3], "{gap:?}");
    assert!(bus.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_handler_slower_than_the_ack_wait_gets_each_message_once() {
    let ack_wait = Duration::from_secs(3);
    let bus = bus_with(|options| {
        options.ack_wait = ack_wait;
        options.batch_max = 1;
    })
    .await;
    let mut script = Script::silent();
    script.takes = ack_wait * 2;
    // The last of them waits for its turn for four times the ack wait.
    let ids = publish(&bus, &["a", "b", "c"]).await;
    let (script, stop, consuming) = script.consume(&bus);
    eventually("the last message", async || script.times(ids[2]) == 1).await;
    stop.cancel();
    consuming.await.unwrap();
    assert_eq!(ids.iter().map(|id| script.times(*id)).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn a_panic_brings_the_message_back() {
    let bus = bus().await;
    let (script, ..) = Script::new(|_, times| {
        assert!(times > 1, "the first time it panics, as the test wants");
        Ok(Answers::default())
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the second delivery", async || script.times(id) == 2).await;
    assert!(bus.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn answers_are_stored_in_order_and_their_places_told() {
    let bus = bus().await;
    store_era(&bus).await;
    let (script, ..) = Script::new(|_, _| {
        let answers = ["x", "y"].map(|key| {
            let mut answer = event(key);
            answer.kind = "chain.planned".to_owned();
            answer
        });
        Ok(Arc::new(answers.to_vec()))
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the receipt", async || !script.receipts().is_empty()).await;
    let receipt = &script.receipts()[0];
    assert_eq!((receipt.cause, &receipt.sequences[..]), (id, &[2, 3][..]));
    assert_eq!(receipt.era, bus.era());
    assert!(receipt.era.is_some());
}

async fn store_era(bus: &bus::Bus) {
    let sight = bus.sight().await.unwrap();
    bus.enter_era(sight.era).await;
}

#[tokio::test]
async fn what_was_not_looked_at_goes_to_somebody_else_at_once() {
    // So long that a message which is missed only would fail the test.
    let bus = bus_with(|options| {
        options.ack_wait = Duration::from_secs(60);
        options.batch_max = 1;
    })
    .await;
    let mut slow = Script::silent();
    slow.takes = Duration::from_millis(500);
    let ids = publish(&bus, &["a", "b", "c"]).await;
    let (slow, stop, consuming) = slow.consume(&bus);
    eventually("the first message", async || !slow.seen().is_empty()).await;
    stop.cancel();
    consuming.await.unwrap();
    let left: Vec<_> = ids.iter().filter(|id| slow.times(**id) == 0).collect();
    assert!(!left.is_empty(), "the slow one handled everything before it could be stopped");
    let (other, ..) = Script::silent().consume(&bus);
    eventually("the rest", async || left.iter().all(|id| other.times(**id) == 1)).await;
}

#[tokio::test]
async fn a_message_that_fails_at_every_attempt_is_a_dead_letter() {
    let bus = bus().await;
    let now = Some(Duration::from_millis(1));
    let (script, ..) = Script::new(move |_, _| {
        Err(Failure::Retry { after: now, source: anyhow!("it never works") })
    })
    .consume(&bus);
    let id = publish(&bus, &["a"]).await[0];
    eventually("the dead letter", async || bus.dead_letters(10).await.unwrap().len() == 1).await;
    assert_eq!(script.times(id), BACKOFF.len() + 1);
    let letter = &bus.dead_letters(10).await.unwrap()[0];
    assert_eq!(letter.reason, "attempts_exhausted: it never works");
}

/// Waits until the consumer has taken everything and acknowledged it.
async fn settled(bus: &Bus) {
    eventually("everything to be settled", async || {
        let mut consumers = bus.streams().await.unwrap().into_iter().flat_map(|it| it.consumers);
        consumers.all(|(_, waiting, unsettled)| waiting + unsettled == 0)
    })
    .await;
}

#[tokio::test]
async fn one_refusal_does_not_touch_its_neighbours() {
    let bus = bus().await;
    let ids = publish(&bus, &["a", "bad", "c"]).await;
    let (script, ..) = Script::new(|event, _| match event.key.as_str() {
        "bad" => Err(Failure::reject(Code::Cycle, anyhow!("a needs a"))),
        _ => Ok(Answers::default()),
    })
    .consume(&bus);
    eventually("the dead letter", async || bus.dead_letters(10).await.unwrap().len() == 1).await;
    settled(&bus).await;
    assert_eq!(ids.iter().map(|id| script.times(*id)).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn however_many_messages_wait_for_a_newer_build_the_others_are_delivered() {
    let bus = bus().await;
    let (script, ..) = Script::new(|event, _| match event.key.as_str() {
        "newer" => Err(Failure::Newer { source: anyhow!("this build knows no such type") }),
        _ => Ok(Answers::default()),
    })
    .consume(&bus);
    // More than a consumer was once allowed to leave unanswered.
    for _ in 0..9 {
        publish(&bus, &["newer"; 1_000]).await;
    }
    let id = publish(&bus, &["known"]).await[0];
    eventually("the one behind them", async || script.times(id) == 1).await;
}
