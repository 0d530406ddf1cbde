//! A real event, sent around: signed, through the door of ingest, its database and JetStream.

use std::time::{Duration, Instant};

use contracts::{Message, hook::HookReceived};
use futures::StreamExt;
use ingest::page::Pinged;
use serde_json::Value;
use tokio::time::timeout_at;

use crate::{
    command::desk::{Desk, read},
    failure::Failure,
    output::doctor::Link,
};

/// For how long to wait for it to come round.
const PATIENCE: Duration = Duration::from_secs(5);
const NAME: &str = "a signed ping";

/// Sends one and waits for it.
pub(super) async fn around(desk: &Desk) -> Link {
    match sent(desk).await {
        Ok(link) => link,
        Err(failure) => Link::broken(NAME, failure.text()),
    }
}

async fn sent(desk: &Desk) -> Result<Link, Failure> {
    let filter = format!("stackly.evt.{}.>", HookReceived::TYPE);
    let mut events = desk.bus.tail(&filter).await?;
    desk.bus.flush().await?;
    let begun = Instant::now();
    let answered: Pinged = read("ingest", desk.ask("ingest", "ping", Value::Null).await?)?;
    let Pinged { status, code, message, event } = answered;
    let Some(event) = event.filter(|_| code == "accepted") else {
        let text =
            format!("ingest refuses what it signed itself (HTTP {status}, {code}): {message}");
        return Ok(Link::broken(NAME, text));
    };
    let until = tokio::time::Instant::from_std(begun + PATIENCE);
    while let Ok(Some(envelope)) = timeout_at(until, events.next()).await {
        if envelope.id == event {
            let took = begun.elapsed().as_millis();
            let text = format!("came in at ingest and out of JetStream in {took} ms");
            return Ok(Link::sound(NAME, text));
        }
    }
    let text = format!(
        "was committed as event {event} and did not come out of JetStream within {} s; see the log \
         of ingest",
        PATIENCE.as_secs()
    );
    Ok(Link::broken(NAME, text))
}
