//! The engine as the loop of the bus sees it: messages in, answers out.

use anyhow::{Context, anyhow};
use bus::{Answers, Bus, Failure, Handler, Incoming, Letter, LetterPlace, Receipt, Sent};
use contracts::Inbound;
use tokio::time::{Instant, interval_at};
use tracing::warn;

use super::{
    Engine, Inner, LINGER,
    arrival::{self, Arrival, Handed, Origin},
};
use crate::{Decider, buried, published};

impl<D: Decider> Handler for Engine<D> {
    fn consumer(&self) -> &'static str {
        self.0.consumer
    }

    fn takes(&self) -> &'static [&'static str] {
        D::Input::TAKES
    }

    /// Decides, and publishes the answers beside it.
    async fn handle(&self, batch: Vec<Incoming>) -> Vec<Result<Answers, Failure>> {
        let handed = self.read_and_ask(batch, false).await;
        handed.into_iter().map(|result| result.map(|_| Answers::default())).collect()
    }

    async fn answer(&self, _: &Bus, batch: Vec<Incoming>) -> Vec<Result<Option<Sent>, Failure>> {
        let handed = self.read_and_ask(batch, true).await;
        handed.into_iter().map(|result| result.map(|handed| handed.sent)).collect()
    }

    async fn bury(&self, letter: &Letter) -> anyhow::Result<()> {
        buried::keep(self.pool(), letter).await.context("a dead letter cannot be kept")
    }

    async fn buried(&self, letter: &Letter, place: LetterPlace) {
        if let Err(error) = buried::note(self.pool(), letter, place).await {
            warn!(%error, "where a dead letter stands is not noted; it may be put there twice");
        }
    }

    /// Marks receipts; those of several batches together, by whoever came first.
    async fn published(&self, receipts: Vec<Receipt>) {
        self.receipts().extend(receipts);
        while !self.receipts().is_empty() {
            let Ok(_turn) = self.0.marking.try_lock() else { return };
            interval_at(Instant::now() + LINGER, LINGER).tick().await;
            let receipts = std::mem::take(&mut *self.receipts());
            bus::failpoint("engine.before_mark");
            let positions = self.take_positions(&receipts);
            let Inner { bus, consumer, .. } = &*self.0;
            let marked = published::mark(self.pool(), bus, consumer, &receipts, &positions).await;
            if let Err(error) = marked {
                warn!(%error, "published, but not noted; the relay will publish it again");
            }
        }
    }
}

impl<D: Decider> Engine<D> {
    /// One result for each message, in order.
    async fn read_and_ask(
        &self,
        batch: Vec<Incoming>,
        is_awaited: bool,
    ) -> Vec<Result<Handed, Failure>> {
        let mut unreadable: Vec<Option<Failure>> = Vec::with_capacity(batch.len());
        let mut arrivals = Vec::with_capacity(batch.len());
        for Incoming { envelope, span } in batch {
            match envelope.read() {
                Ok(envelope) => {
                    arrivals.push(Arrival { envelope, span, origin: Origin::Message });
                    unreadable.push(None);
                }
                Err(error) => unreadable.push(Some(arrival::unread(error))),
            }
        }
        let decided = match arrivals.is_empty() {
            true => Vec::new(),
            false => self.ask(arrivals, is_awaited).await.unwrap_or_default(),
        };
        let mut decided = decided.into_iter();
        let stopping = || Err(Failure::wait(anyhow!("the service is stopping")));
        unreadable
            .into_iter()
            .map(|unreadable| match unreadable {
                Some(failure) => Err(failure),
                None => decided.next().unwrap_or_else(stopping),
            })
            .collect()
    }
}
