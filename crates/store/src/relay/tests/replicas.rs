//! Two replicas beside a server that lost everything.

use embedded::{Nats, NatsOptions};

use super::{
    cluster::{look, publish, sorted, stream, sweep},
    *,
};

async fn marks(store: &Store) -> Vec<(Uuid, DateTime<Utc>)> {
    let query = "select era, at from published_blocks order by at, era";
    sqlx::query_as(query).fetch_all(store.pool()).await.unwrap()
}

#[tokio::test]
async fn what_one_refills_the_other_does_not_take_for_lost() {
    let mut nats = Nats::start(NatsOptions::default()).await.unwrap();
    let store = store("replicas").await;
    let bus =
        async || Bus::connect(&bus::Options::at(nats.url(), "replicas"), "test").await.unwrap();
    let mut one = Relay::new(store.clone(), bus().await);
    let mut other = Relay::new(store.clone(), bus().await);
    look(&mut one).await;
    let published = publish(&mut one, 50).await;
    for relay in [&mut one, &mut other] {
        look(relay).await;
        look(relay).await;
    }

    nats.kill().await;
    nats.delete_store().await.unwrap();
    nats.restart().await.unwrap();
    look(&mut one).await;
    sweep(&mut one).await;
    let refilled = marks(&store).await;
    assert!(!refilled.is_empty());
    look(&mut other).await;
    assert_eq!(marks(&store).await, refilled, "what is there is not forgotten");
    sweep(&mut other).await;
    assert_eq!(stream(&one.bus).await, sorted(&[&published]));
}
