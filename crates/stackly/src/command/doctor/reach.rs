//! Whether the addresses that senders were given lead here: ingest has something sent through each,
//! and it is waited for.

use std::time::Duration;

use contracts::plain;
use futures::future::join_all;
use ingest::page::Reached;
use serde_json::Value;
use tokio::time::{Instant, interval, timeout_at};

use crate::{
    command::desk::{Desk, read},
    failure::Failure,
    output::doctor::Link,
};

/// GitHub gives a receiver ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const PERIOD: Duration = Duration::from_secs(1);

/// What did not come in time is broken.
fn link(told: Reached) -> Link {
    match told.sound {
        Some(true) => Link::sound(told.name, told.text),
        _ => Link::broken(told.name, told.text),
    }
}

/// A link for each address that is known.
pub(super) async fn links(desk: &Desk) -> Vec<Link> {
    let told: Result<Vec<Reached>, Failure> = async {
        let answer = desk.ask("ingest", "reach", Value::Null).await?;
        read("ingest", answer)
    }
    .await;
    match told {
        Ok(told) => join_all(told.into_iter().map(|told| settled(desk, told))).await,
        Err(failure) => vec![Link::broken("addresses of webhooks", failure.text())],
    }
}

async fn settled(desk: &Desk, mut told: Reached) -> Link {
    let mut ticks = interval(PERIOD);
    let until = Instant::now() + PATIENCE;
    while told.sound.is_none() && timeout_at(until, ticks.tick()).await.is_ok() {
        let answer = desk.ask("ingest", "reached", plain(&told.sent)).await;
        match answer.and_then(|answer| read("ingest", answer)) {
            Ok(answer) => told = answer,
            Err(failure) => return Link::broken(told.name, failure.text()),
        }
    }
    link(told)
}
