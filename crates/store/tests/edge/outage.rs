//! A database or a broker that goes away in the middle.

use std::time::Duration;

use bus::Failure;
use embedded::{Nats, NatsOptions, Postgres, PostgresOptions};
use futures::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use crate::bench::{Place, Service, added, event, eventually};

#[tokio::test]
async fn a_database_that_goes_away_costs_no_message_an_attempt() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
    postgres.create_database("counting").await.unwrap();
    let nats = embedded::shared_nats().await;
    let place = Place::at(&nats.url(), &postgres.url("counting"));
    let service = Service::whole(&place).await;
    let counter = Uuid::new_v4();
    let publish = async |events: usize| {
        let events: Vec<_> = (0..events).map(|_| event(&added(counter, 1))).collect();
        let sent = service.bus.send(&events).await;
        service.bus.stored(sent).await.unwrap();
    };
    publish(300).await;
    postgres.kill().await;
    publish(300).await;
    let asked = service.submit(added(Uuid::new_v4(), 1)).await;
    assert!(matches!(asked, Err(Failure::Wait { .. })), "{asked:?}");
    postgres.restart().await.unwrap();
    let back = Instant::now();
    eventually("all of them", async || {
        let counted = sqlx::query_scalar("select total from counters where id = $1")
            .bind(counter)
            .fetch_optional(service.store.pool())
            .await;
        matches!(counted, Ok(Some(600_i64)))
    })
    .await;
    assert!(back.elapsed() < Duration::from_secs(30), "it took {:?}", back.elapsed());
    assert_eq!(service.counter(counter).await.decisions, 600);
    assert!(service.bus.dead_letters(10).await.unwrap().is_empty());
    service.stop().await;
}

#[tokio::test]
async fn while_the_broker_is_away_decisions_go_on_and_are_published_after() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let service = Service::whole(&Place::on(&nats).await).await;
    let counter = Uuid::new_v4();
    let mut answers: Vec<Uuid> = Vec::new();
    answers.push(service.submit(added(counter, 1)).await.unwrap()[0].id);
    nats.kill().await;
    let started = Instant::now();
    for _ in 0..20 {
        let asks = (0..50).map(|_| service.submit(added(counter, 1)));
        for asked in join_all(asks).await {
            answers.push(asked.unwrap()[0].id);
        }
    }
    // Of a time-out for each answer, or each batch, it would be minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    nats.restart().await.unwrap();
    let back = Instant::now();
    eventually("the answers to be published", async || service.unpublished().await == 0).await;
    assert!(back.elapsed() < Duration::from_secs(30), "it took {:?}", back.elapsed());
    assert!(service.is_all_there(&answers).await);
    let first_sequence = service.stream().await;
    assert_eq!(first_sequence, answers, "in the order in which they were decided");
    service.stop().await;
}
