//! Waiting is a row.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    bench::{Place, Service, added, also, eventually},
    counter::Also,
};

#[tokio::test]
async fn a_state_is_woken_once_and_not_before_its_time() {
    let service = Service::engine(&Place::shared().await).await;
    service.wake();
    let counter = Uuid::new_v4();
    let started = Instant::now();
    service.submit(also(counter, Also::WakeIn(3_000))).await.unwrap();
    assert_eq!(service.count("wakeups").await, 1);
    eventually("the wake-up", async || service.counter(counter).await.woken == 1).await;
    assert!(started.elapsed() >= Duration::from_secs(3));
    assert_eq!(service.count("wakeups").await, 0, "it is used up");
    service.stop().await;
}

#[tokio::test]
async fn a_wish_that_moves_or_ends_moves_or_ends_the_wake_up() {
    let service = Service::engine(&Place::shared().await).await;
    service.wake();
    let (moved, ended, early) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    for counter in [moved, ended] {
        service.submit(also(counter, Also::WakeIn(3_000))).await.unwrap();
    }
    service.submit(also(moved, Also::WakeIn(3_600_000))).await.unwrap();
    service.submit(also(ended, Also::WakeNever)).await.unwrap();
    // Woken after the time the two would have been.
    service.submit(also(early, Also::WakeIn(3_300))).await.unwrap();
    eventually("the one that still wants it", async || service.counter(early).await.woken == 1)
        .await;
    assert_eq!(service.counter(moved).await.woken, 0);
    assert_eq!(service.counter(ended).await.woken, 0);
    assert_eq!(service.count("wakeups").await, 1, "that of the one that moved");
    service.stop().await;
}

#[tokio::test]
async fn a_state_that_wants_to_be_woken_in_the_past_does_not_spin() {
    let service = Service::engine(&Place::shared().await).await;
    service.wake();
    let counter = Uuid::new_v4();
    let started = Instant::now();
    service.submit(also(counter, Also::WakeIn(-1))).await.unwrap();
    eventually("some wake-ups", async || service.counter(counter).await.woken >= 5).await;
    // At once, and then at most once in a quarter of a second.
    let woken = service.counter(counter).await.woken as u32;
    assert!(started.elapsed() >= Duration::from_millis(240) * (woken - 1), "{woken}");
    service.stop().await;
}

#[tokio::test]
async fn wake_ups_that_are_refused_do_not_stand_before_the_others() {
    let service = Service::engine(&Place::shared().await).await;
    let debtors: Vec<_> = (0..300).map(|_| service.submit(added(Uuid::new_v4(), -1))).collect();
    for debtor in futures::future::join_all(debtors).await {
        debtor.unwrap();
    }
    service
        .execute(
            "insert into wakeups (consumer, key, due_at)
             select 'counting-sums', id, 'epoch' from counters",
        )
        .await;
    // One whose input nobody knows.
    service
        .execute(
            "insert into nudges (consumer, key)
             values ('counting-sums', '00000000-0000-0000-0000-000000000000')",
        )
        .await;
    let counter = Uuid::new_v4();
    service.submit(also(counter, Also::WakeIn(1))).await.unwrap();
    service.wake();
    eventually("the one that can be woken", async || service.counter(counter).await.woken == 1)
        .await;
    eventually("the others to be put off", async || {
        service.count("wakeups where due_at < now()").await == 0
    })
    .await;
    assert_eq!(service.count("wakeups").await, 300, "they are tried again later");
    assert_eq!(service.count("nudges").await, 0, "what concerns nobody is gone");
    service.stop().await;
}

#[tokio::test]
async fn who_is_nudged_is_woken_now_and_still_at_its_own_time() {
    let service = Service::engine(&Place::shared().await).await;
    service.wake();
    let counter = Uuid::new_v4();
    service.submit(also(counter, Also::WakeIn(-1))).await.unwrap();
    service.submit(also(counter, Also::WakeNever)).await.unwrap();
    let before = service.counter(counter).await.woken;
    service.engine.nudge(&[counter, counter]).await.unwrap();
    eventually("the nudge", async || service.counter(counter).await.woken > before).await;
    eventually("its row to be gone", async || service.count("nudges").await == 0).await;
    assert_eq!(service.count("wakeups").await, 0);
    service.stop().await;
}
