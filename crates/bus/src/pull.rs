//! Taking messages from the server: never more than there is room for.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    Message,
    consumer::{Consumer, pull},
};
use contracts::phrase::with_causes;
use futures::StreamExt;
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    Bus, BusError, durable,
    held::{Held, Hold},
    metrics::Metrics,
};

/// How long one request for messages stays open.
const EXPIRES: Duration = Duration::from_secs(5);
/// How long to wait before asking again for a consumer that could not be had.
const PAUSE: Duration = Duration::from_millis(200);

/// One message, alive on the server for as long as this is held.
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// Counts from one.
    pub(crate) attempt: usize,
    _hold: Hold,
}

/// Takes the messages of one consumer.
pub(crate) struct Puller {
    pub(crate) bus: Bus,
    pub(crate) consumer: &'static str,
    pub(crate) takes: &'static [&'static str],
    pub(crate) held: Arc<Held>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Puller {
    /// Runs until `shutdown`. Whatever is missing (connection, stream, consumer) is waited for or
    /// made again.
    pub(crate) async fn run(self, to: mpsc::Sender<Delivery>, shutdown: CancellationToken) {
        let work = async {
            let mut pace = tokio::time::interval(PAUSE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                match self.pull(&to).await {
                    Ok(()) => return,
                    Err(error) => {
                        let consumer = self.consumer;
                        warn!(consumer, error = with_causes(&error), "cannot take messages");
                    }
                }
                // Whatever made the server forget us may have made it forget messages.
                self.bus.disturb();
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    /// Takes messages for as long as the server gives any; ends well only if nobody wants them.
    async fn pull(&self, to: &mpsc::Sender<Delivery>) -> Result<(), BusError> {
        self.bus.connected().await;
        self.bus.ensure_streams().await?;
        let consumer = durable::consumer(&self.bus, self.consumer, self.takes).await?;
        let mut connections = self.bus.connections();
        loop {
            let room = to.reserve_many(self.bus.options.batch_max).await;
            let Ok(mut room) = room else { return Ok(()) };
            // What is asked for while the connection is down is asked for in vain.
            self.bus.connected().await;
            connections.mark_unchanged();
            let mut messages = self.ask(&consumer).await?;
            let mut is_idle = true;
            loop {
                let message = tokio::select! {
                    biased;
                    message = messages.next() => message,
                    // The server forgot the request together with the connection.
                    _ = connections.changed() => break,
                };
                let Some(message) = message else { break };
                let message = message.map_err(|error| {
                    let what = format!("messages for {}", self.consumer);
                    BusError::request(what, anyhow::Error::from_boxed(error))
                })?;
                is_idle = false;
                let Some(place) = room.next() else { break };
                place.send(self.delivery(message));
            }
            if is_idle {
                self.metrics.pending(0);
            }
        }
    }

    async fn ask(&self, consumer: &Consumer<pull::Config>) -> Result<pull::Batch, BusError> {
        consumer
            .batch()
            .max_messages(self.bus.options.batch_max)
            .expires(EXPIRES)
            .messages()
            .await
            .map_err(|error| BusError::request(format!("ask for {}", self.consumer), error))
    }

    fn delivery(&self, message: Message) -> Delivery {
        let attempt = message.info().map_or(1, |info| usize::try_from(info.delivered).unwrap_or(1));
        let hold = self.held.hold(message.reply.clone());
        Delivery { message, attempt, _hold: hold }
    }
}
