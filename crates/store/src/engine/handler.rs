//! The engine as the loop of the bus sees it: messages in, answers out.

use std::collections::HashSet;

use anyhow::{Context, anyhow};
use bus::{Answers, Bus, Failure, Handler, Incoming, Letter, LetterPlace, Receipt, Sent};
use contracts::Inbound;
use tokio::time::{Instant, interval_at};
use tracing::warn;
use uuid::Uuid;

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
        if let Err(error) = self.take_back(&batch).await {
            let away = || Err(Failure::wait(anyhow!("a dead letter is not taken back: {error}")));
            return batch.iter().map(|_| away()).collect();
        }
        let mut unreadable: Vec<Option<(Uuid, Failure)>> = Vec::with_capacity(batch.len());
        let mut arrivals = Vec::with_capacity(batch.len());
        for Incoming { envelope, span, .. } in batch {
            let id = envelope.id;
            match envelope.read() {
                Ok(envelope) => {
                    arrivals.push(Arrival { envelope, span, origin: Origin::Message });
                    unreadable.push(None);
                }
                Err(error) => unreadable.push(Some((id, arrival::unread(error)))),
            }
        }
        let given_up = self.given_up(&unreadable).await;
        let decided = match arrivals.is_empty() {
            true => Vec::new(),
            false => self.ask(arrivals, is_awaited).await.unwrap_or_default(),
        };
        let mut decided = decided.into_iter();
        let stopping = || Err(Failure::wait(anyhow!("the service is stopping")));
        unreadable
            .into_iter()
            .map(|unreadable| match unreadable {
                Some((id, _)) if given_up.contains(&id) => {
                    Ok(Handed { answers: Answers::default(), sent: None })
                }
                Some((_, failure)) => Err(failure),
                None => decided.next().unwrap_or_else(stopping),
            })
            .collect()
    }

    /// What people gave back was not answered by giving it up.
    async fn take_back(&self, batch: &[Incoming]) -> Result<(), sqlx::Error> {
        let returned = batch.iter().filter(|incoming| incoming.is_requeued);
        let returned: Vec<Uuid> = returned.map(|incoming| incoming.envelope.id).collect();
        match returned.is_empty() {
            true => Ok(()),
            false => buried::take_back(self.pool(), self.0.consumer, &returned).await,
        }
    }

    /// Which of those that nobody can read were given up before.
    async fn given_up(&self, unreadable: &[Option<(Uuid, Failure)>]) -> HashSet<Uuid> {
        let rejected = unreadable.iter().flatten();
        let rejected = rejected.filter(|(_, failure)| matches!(failure, Failure::Reject { .. }));
        let rejected: Vec<Uuid> = rejected.map(|(id, _)| *id).collect();
        if rejected.is_empty() {
            return HashSet::new();
        }
        let found = buried::among(self.pool(), self.0.consumer, &rejected).await;
        found.unwrap_or_else(|error| {
            warn!(%error, "cannot look for dead letters; there may be a second one");
            HashSet::new()
        })
    }
}
