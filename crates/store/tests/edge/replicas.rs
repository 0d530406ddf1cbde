//! Two engines on one schema.

use futures::future::join_all;
use uuid::Uuid;

use crate::{
    bench::{Place, Service, added, also, event, eventually},
    counter::Also,
};

#[tokio::test]
async fn two_replicas_decide_every_event_once_between_them() {
    let place = Place::shared().await;
    let replicas = [Service::engine(&place).await, Service::engine(&place).await];
    let counters: Vec<_> = (0..5).map(|_| Uuid::new_v4()).collect();
    // Every event is given to both, and some concern nobody, so that no lock helps.
    let events: Vec<_> = (0..300)
        .map(|number| {
            let counter = counters[number % 5];
            let ask = if number % 7 == 0 { also(counter, Also::Nobody) } else { added(counter, 1) };
            (Uuid::new_v4(), ask)
        })
        .collect();
    let [first, second] = [&replicas[0], &replicas[1]].map(|replica| {
        let asks = events.iter().map(|(id, ask)| replica.submit_as(*id, ask.clone()));
        join_all(asks.collect::<Vec<_>>())
    });
    let (first, second) = tokio::join!(first, second);
    for ((id, _), (one, other)) in events.iter().zip(first.iter().zip(&second)) {
        assert_eq!(one.as_ref().unwrap(), other.as_ref().unwrap(), "{id}");
    }
    let mut decided = 0;
    for counter in &counters {
        let counter = replicas[0].counter(*counter).await;
        assert_eq!(counter.total, counter.decisions);
        decided += counter.total;
    }
    assert_eq!(decided, events.iter().filter(|(_, ask)| ask.also != Also::Nobody).count() as i64);
    assert_eq!(replicas[0].count("remembered").await, decided);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn two_replicas_share_a_consumer_and_survive_the_end_of_one() {
    let place = Place::shared().await;
    let (one, two) = (Service::whole(&place).await, Service::whole(&place).await);
    let counter = Uuid::new_v4();
    let publish = async |service: &Service| {
        for _ in 0..20 {
            let events: Vec<_> = (0..10).map(|_| event(&added(counter, 1))).collect();
            let sent = service.bus.send(&events).await;
            service.bus.stored(sent).await.unwrap();
        }
    };
    publish(&two).await;
    one.stop().await;
    publish(&two).await;
    eventually("all of them", async || two.counter(counter).await.total == 400).await;
    assert_eq!(two.counter(counter).await.decisions, 400);
    two.stop().await;
}

#[tokio::test]
async fn states_that_wake_each_other_do_not_wait_for_each_other() {
    let place = Place::shared().await;
    let replicas = [Service::whole(&place).await, Service::whole(&place).await];
    let pair = [Uuid::new_v4(), Uuid::new_v4()];
    let rounds = replicas.iter().enumerate().map(|(place, replica)| async move {
        for _ in 0..100 {
            let wake = also(pair[place], Also::Nudge(pair[1 - place]));
            replica.submit(wake).await.unwrap();
        }
    });
    join_all(rounds).await;
    let reader = &replicas[0];
    eventually("the last wake-up", async || reader.count("nudges").await == 0).await;
    for key in pair {
        assert!(reader.counter(key).await.woken > 0);
    }
    let deadlocks = "(select from pg_stat_database where datname = current_database()
        and deadlocks > 0) found";
    assert_eq!(reader.count(deadlocks).await, 0);
    for replica in replicas {
        replica.stop().await;
    }
}
