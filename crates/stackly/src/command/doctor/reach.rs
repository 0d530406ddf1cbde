//! Whether the addresses that senders were given lead here: ingest has something sent through each,
//! and it is waited for.

use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
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

/// What is known of one address.
#[derive(Deserialize)]
struct Told {
    name: String,
    sound: Option<bool>,
    text: String,
    #[serde(default)]
    sent: Value,
}

impl Told {
    /// What did not come in time is broken.
    fn link(self) -> Link {
        match self.sound {
            Some(true) => Link::sound(self.name, self.text),
            _ => Link::broken(self.name, self.text),
        }
    }
}

/// A link for each address that is known.
pub(super) async fn links(desk: &Desk) -> Vec<Link> {
    let told: Result<Vec<Told>, Failure> = async {
        let answer = desk.ask("ingest", "reach", Value::Null).await?;
        read("ingest", answer)
    }
    .await;
    match told {
        Ok(told) => join_all(told.into_iter().map(|told| settled(desk, told))).await,
        Err(failure) => vec![Link::broken("addresses of webhooks", failure.text())],
    }
}

async fn settled(desk: &Desk, mut told: Told) -> Link {
    let mut ticks = interval(PERIOD);
    let until = Instant::now() + PATIENCE;
    while told.sound.is_none() && timeout_at(until, ticks.tick()).await.is_ok() {
        let answer = desk.ask("ingest", "reached", told.sent.clone()).await;
        match answer.and_then(|answer| read("ingest", answer)) {
            Ok(answer) => told = answer,
            Err(failure) => return Link::broken(told.name, failure.text()),
        }
    }
    told.link()
}
