//! A broker that dies, comes back, and may have lost everything.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, BusError};
use embedded::{Nats, NatsOptions};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::bench::{Script, event, eventually, options, publish, publish_somehow};

async fn own() -> (Nats, Bus) {
    let nats = Nats::start(NatsOptions::default()).await.unwrap();
    let bus = Bus::connect(&options(&nats.url()), "test").await.unwrap();
    bus.ensure_streams().await.unwrap();
    (nats, bus)
}

#[tokio::test]
async fn a_broker_killed_in_the_middle_costs_nothing_but_time() {
    let (mut nats, bus) = own().await;
    let (script, ..) = Script::silent().consume(&bus);
    let events: Vec<_> = (0..300).map(|number| event(&format!("e{number}"))).collect();
    for (number, event) in events.iter().enumerate() {
        if number == 100 {
            nats.restart().await.unwrap();
        }
        publish_somehow(&bus, event).await;
    }
    eventually("all events", async || events.iter().all(|event| script.times(event.id) > 0)).await;
}

#[tokio::test]
async fn while_the_broker_is_away_nothing_piles_up_and_work_goes_on_at_once_after() {
    let (mut nats, bus) = own().await;
    let (script, ..) = Script::silent().consume(&bus);
    let first = publish(&bus, &["before"]).await[0];
    eventually("the first event", async || script.times(first) == 1).await;
    nats.kill().await;
    eventually("the loss to be noticed", async || !bus.is_connected()).await;

    // Far more than the client would queue: nobody waits behind it.
    let many: Vec<_> = (0..20_000).map(|_| event("meanwhile")).collect();
    let started = Instant::now();
    let sent = bus.send(&many).await;
    let error = bus.stored(sent).await.unwrap_err();
    assert!(matches!(error, BusError::NotStored { .. }), "{error}");
    for event in many.chunks(100) {
        let sent = bus.send(event).await;
        assert!(bus.stored(sent).await.is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());

    nats.restart().await.unwrap();
    let after = event("after");
    publish_somehow(&bus, &after).await;
    eventually("work to go on", async || script.times(after.id) == 1).await;
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_asked_once_the_broker_is_back() {
    let (mut nats, bus) = own().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (answering, hears) = (bus.clone(), heard.clone());
    tokio::spawn(async move {
        let answer = move |body: serde_json::Value| {
            hears.lock().unwrap().push(body.clone());
            async move { Ok(body) }
        };
        answering.respond("stackly.cmd.echo", answer, CancellationToken::new()).await
    });
    let ask = async |what: &str| bus.request("stackly.cmd.echo", &json!(what)).await.is_ok();
    eventually("somebody to answer", async || ask("before").await).await;

    nats.kill().await;
    eventually("the loss to be noticed", async || !bus.is_connected()).await;
    let given_up = timeout(Duration::from_millis(200), ask("meanwhile")).await;
    assert!(given_up.is_err(), "it waits for the broker");
    let (answered, back) = tokio::join!(ask("patient"), nats.restart());
    back.unwrap();
    assert!(answered, "who still waits is answered");
    assert_eq!(heard.lock().unwrap()[..], [json!("before"), json!("patient")]);
}

#[tokio::test]
async fn a_broker_that_comes_back_empty_is_prepared_again() {
    let (mut nats, bus) = own().await;
    let (script, ..) = Script::silent().consume(&bus);
    let first = publish(&bus, &["before"]).await[0];
    eventually("the first event", async || script.times(first) == 1).await;
    let before = bus.sight().await.unwrap();

    nats.kill().await;
    nats.delete_store().await.unwrap();
    nats.restart().await.unwrap();
    let after = event("after");
    publish_somehow(&bus, &after).await;
    eventually("the event after", async || script.times(after.id) == 1).await;

    let now = bus.sight().await.unwrap();
    assert_ne!(now.era.life, before.era.life, "it is another stream");
}

#[tokio::test]
async fn a_stream_deleted_under_a_consumer_is_made_again() {
    let (nats, bus) = own().await;
    let (script, ..) = Script::silent().consume(&bus);
    let first = publish(&bus, &["before"]).await[0];
    eventually("the first event", async || script.times(first) == 1).await;
    let before = bus.sight().await.unwrap();

    let stranger = async_nats::connect(nats.url()).await.unwrap();
    let name = bus.streams().await.unwrap()[0].name.clone();
    async_nats::jetstream::new(stranger).delete_stream(name).await.unwrap();
    let after = event("after");
    publish_somehow(&bus, &after).await;
    eventually("the event after", async || script.times(after.id) == 1).await;
    let now = bus.sight().await.unwrap();
    assert_ne!(now.era.life, before.era.life, "it is another stream");
}

#[tokio::test]
async fn an_era_ends_with_the_server_and_what_was_sent_in_it_is_not_taken_for_the_next() {
    let (mut nats, bus) = own().await;
    let before = bus.sight().await.unwrap();
    assert_eq!(bus.era(), None, "nobody entered it");
    bus.enter_era(before.era.clone()).await;
    assert_eq!(bus.era(), Some(before.era.id));
    let sent = bus.send(&[event("in it")]).await;
    let receipt = bus.receipt(event("x").id, sent, bus.deadline()).await.unwrap();
    assert_eq!(receipt.era, Some(before.era.id));

    nats.restart().await.unwrap();
    eventually("the connection", async || bus.sight().await.is_ok()).await;
    assert_eq!(bus.era(), None, "it ended with the server");
    let sent = bus.send(&[event("after it")]).await;
    let receipt = bus.receipt(event("x").id, sent, bus.deadline()).await.unwrap();
    assert_eq!(receipt.era, None);
    let now = bus.sight().await.unwrap();
    assert_eq!(now.era.life, before.era.life, "the stream is the same");
    assert_ne!(now.era.id, before.era.id);
}
