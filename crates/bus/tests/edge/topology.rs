//! Streams: made when missing, refused when different, changed only when asked.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use bus::{Bus, BusError};

use crate::bench::{Script, eventually, options, publish};

async fn unprepared() -> (Bus, async_nats::jetstream::Context, String) {
    let url = embedded::shared_nats().await.url();
    let options = options(&url);
    let bus = Bus::connect(&options, "test").await.unwrap();
    let stranger = async_nats::jetstream::new(async_nats::connect(&url).await.unwrap());
    (bus, stranger, options.prefix)
}

#[tokio::test]
async fn missing_streams_are_made_and_shown_with_their_consumers() {
    let (bus, ..) = unprepared().await;
    assert!(bus.streams().await.unwrap().iter().all(|stream| !stream.exists));
    bus.ensure_streams().await.unwrap();
    let (_, stop, consuming) = Script::silent().consume(&bus);
    publish(&bus, &["a"]).await;
    eventually("the consumer to have acknowledged", async || {
        let events = &bus.streams().await.unwrap()[0];
        events.messages == 1 && events.consumers == [("test-changes".to_owned(), 0, 0)]
    })
    .await;
    stop.cancel();
    consuming.await.unwrap();
    let streams = bus.streams().await.unwrap();
    assert!(streams.iter().all(|stream| stream.exists && stream.differences.is_empty()));
}

#[tokio::test]
async fn a_stream_that_differs_is_refused_until_it_is_changed_on_purpose() {
    let (bus, stranger, prefix) = unprepared().await;
    let config = Config {
        name: format!("{prefix}_STACKLY_EVENTS"),
        subjects: vec![format!("{prefix}.stackly.evt.>")],
        max_age: Duration::from_secs(60),
        allow_direct: true,
        ..Config::default()
    };
    stranger.create_stream(config).await.unwrap();
    let error = bus.ensure_streams().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, BusError::Topology { .. }), "{text}");
    assert!(text.contains("max_age is 60s, wanted 604800s"), "{text}");
    assert!(text.contains("stackly topology apply"), "{text}");

    let before = bus.apply_streams().await.unwrap();
    assert_eq!(before[0].differences[0].setting, "max_age");
    bus.ensure_streams().await.unwrap();
}
