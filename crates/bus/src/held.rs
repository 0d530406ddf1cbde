//! Signs of life for every message this process holds.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Subject, jetstream::AckKind};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use crate::Bus;

/// The messages this process holds, from their arrival until they are settled: those that wait for
/// their turn, too, or the server would send them to somebody else behind a slow batch.
#[derive(Debug, Default)]
pub(crate) struct Held {
    entries: Mutex<HashMap<u64, (Subject, Instant)>>,
    next: AtomicU64,
}

/// Holds one message until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Arc<Held>,
    number: u64,
}

impl Held {
    /// Holds the message that is acknowledged to `reply`.
    pub(crate) fn hold(self: &Arc<Self>, reply: Option<Subject>) -> Hold {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(reply) = reply {
            let mut entries = self.entries.lock().expect("no holder panics");
            entries.insert(number, (reply, Instant::now()));
        }
        Hold { held: self.clone(), number }
    }

    /// Those held for at least this long.
    fn older_than(&self, age: Duration) -> Vec<Subject> {
        let entries = self.entries.lock().expect("no holder panics");
        let old = entries.values().filter(|(_, since)| since.elapsed() >= age);
        old.map(|(reply, _)| reply.clone()).collect()
    }

    /// Tells the server, for as long as it is polled, that the messages are still worked on.
    pub(crate) async fn keep_alive(&self, bus: &Bus) {
        let period = bus.options.ack_wait / 3;
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Without a connection, signs of life would only queue up behind each other.
            if !bus.is_connected() {
                continue;
            }
            for reply in self.older_than(period) {
                if let Err(error) = bus.client.publish(reply, AckKind::Progress.into()).await {
                    warn!(%error, "no sign of life sent");
                }
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.entries.lock().expect("no holder panics").remove(&self.number);
    }
}
