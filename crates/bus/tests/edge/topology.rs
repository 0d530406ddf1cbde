//! Streams: made when missing, refused when different, changed only when asked.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use bus::{Bus, BusError, Failure};

use crate::bench::{KIND, Script, event_of, eventually, options, publish, publish_somehow};

/// What a newer build takes, and a type that only it knows.
const NEWER: (&[&str], &str) = (&[KIND, "change.rained"], "change.rained");

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

/// A build that takes this type alone, and gives back what it does not know.
fn older() -> Script {
    Script::new(|event, _| match event.kind == KIND {
        true => Ok(bus::Answers::default()),
        false => Err(Failure::Full {
            after: Duration::from_millis(50),
            source: anyhow::anyhow!("of a newer build"),
        }),
    })
}

fn newer() -> Script {
    Script::silent().taking(NEWER.0)
}

#[tokio::test]
async fn what_was_written_before_a_reader_was_upgraded_is_read_and_no_more_than_that_again() {
    let (bus, ..) = unprepared().await;
    bus.ensure_streams().await.unwrap();
    let (script, stop, consuming) = older().consume(&bus);
    let before = publish(&bus, &["a"]).await[0];
    let passed_by = event_of(NEWER.1, "b");
    publish_somehow(&bus, &passed_by).await;
    let after = publish(&bus, &["c"]).await[0];
    eventually("the older build to be done", async || script.times(after) == 1).await;
    stop.cancel();
    consuming.await.unwrap();

    let (script, stop, consuming) = newer().consume(&bus);
    eventually("the newer build to go back for it", async || {
        script.times(passed_by.id) == 1 && script.times(after) == 1
    })
    .await;
    let next = event_of(NEWER.1, "d");
    publish_somehow(&bus, &next).await;
    eventually("the newer build to go on", async || script.times(next.id) == 1).await;
    assert_eq!(script.times(before), 0, "it was acknowledged before anything new was written");
    stop.cancel();
    consuming.await.unwrap();
}

#[tokio::test]
async fn a_type_that_a_newer_build_takes_reaches_it_however_often_an_older_one_connects() {
    let (bus, stranger, prefix) = unprepared().await;
    bus.ensure_streams().await.unwrap();
    let filter = async || {
        let stream = stranger.get_stream(format!("{prefix}_STACKLY_EVENTS")).await.unwrap();
        stream.consumer_info("test-changes").await.map_or(0, |it| it.config.filter_subjects.len())
    };
    let (_, stop_new, consuming_new) = newer().consume(&bus);
    eventually("the newer build to make the consumer", async || filter().await == 2).await;
    stop_new.cancel();
    consuming_new.await.unwrap();

    let (old, stop_old, consuming_old) = older().consume(&bus);
    let known = publish(&bus, &["a"]).await[0];
    eventually("the older build to take what it knows", async || old.times(known) == 1).await;
    assert_eq!(filter().await, 2, "what it does not know is not taken from the others");
    let unknown = event_of(NEWER.1, "b");
    publish_somehow(&bus, &unknown).await;
    eventually("the older build to give it back", async || old.times(unknown.id) > 1).await;
    let (new, stop_new, consuming_new) = newer().consume(&bus);
    eventually("the newer build to take it", async || new.times(unknown.id) == 1).await;
    for (stop, consuming) in [(stop_new, consuming_new), (stop_old, consuming_old)] {
        stop.cancel();
        consuming.await.unwrap();
    }
}
