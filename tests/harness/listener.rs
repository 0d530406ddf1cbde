//! Somebody who listens to every event from a moment on.

use bus::Bus;
use contracts::{Envelope, Message, subject};
use futures::{Stream, StreamExt};

use crate::patience::PATIENCE;

/// Hears everything since it was made.
pub struct Listener {
    events: Box<dyn Stream<Item = Envelope> + Unpin + Send>,
    /// The types heard so far.
    heard: Vec<String>,
}

impl Listener {
    /// Starts to listen; hears what is sent after this returns.
    pub async fn start(bus: &Bus) -> Self {
        let events = bus.tail(subject::EVENTS).await.expect("the broker is there");
        bus.flush().await.expect("the broker is there");
        Self { events: Box::new(events), heard: Vec::new() }
    }

    /// The next event of a type; panics with what was heard instead.
    pub async fn expect<M: Message>(&mut self) -> M {
        let next = async {
            loop {
                let event = self.events.next().await.expect("the connection stays");
                self.heard.push(event.kind.clone());
                if event.kind == M::TYPE {
                    return M::upgrade(event.version, event.body).expect("it is of this build");
                }
            }
        };
        match tokio::time::timeout(PATIENCE, next).await {
            Ok(message) => message,
            Err(_) => panic!("no {} in {PATIENCE:?}; heard {:?}", M::TYPE, self.heard),
        }
    }
}
