//! The stream and its consumers: everything is delivered at least once, in any order.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::Envelope;
use uuid::Uuid;

use super::dice::Dice;

/// A message that one consumer has not acknowledged.
#[derive(Clone)]
pub struct Pending {
    /// The consumer, by its place.
    pub consumer: usize,
    pub envelope: Arc<Envelope>,
    /// How often it was delivered.
    pub attempt: usize,
    pub not_before: DateTime<Utc>,
}

/// The stream.
#[derive(Default)]
pub struct Broker {
    pub pending: Vec<Pending>,
    /// What the server itself would recognise as a duplicate.
    window: BTreeSet<Uuid>,
}

impl Broker {
    /// Stores a message for those who take it, unless it is recognised as a duplicate.
    pub fn store(
        &mut self,
        envelope: &Envelope,
        consumers: &[&'static [&'static str]],
        dice: &mut Dice,
        now: DateTime<Utc>,
    ) {
        // The window is short: what comes again later is stored again.
        if !self.window.insert(envelope.id) && dice.chance(60) {
            return;
        }
        let envelope = Arc::new(envelope.clone());
        for (consumer, takes) in consumers.iter().enumerate() {
            if takes.contains(&envelope.kind.as_str()) {
                let envelope = envelope.clone();
                self.pending.push(Pending { consumer, envelope, attempt: 0, not_before: now });
            }
        }
    }

    /// Loses everything it has.
    pub fn lose(&mut self) {
        self.pending.clear();
        self.window.clear();
    }

    /// Takes up to `most` messages of the consumer of a random one that is ready.
    pub fn take(&mut self, most: usize, dice: &mut Dice, now: DateTime<Utc>) -> Vec<Pending> {
        let mut batch: Vec<Pending> = Vec::new();
        while batch.len() < most {
            let fits = |it: &Pending| {
                it.not_before <= now && batch.first().is_none_or(|one| one.consumer == it.consumer)
            };
            let ready: Vec<_> =
                (0..self.pending.len()).filter(|&place| fits(&self.pending[place])).collect();
            if ready.is_empty() {
                break;
            }
            batch.push(self.pending.swap_remove(*dice.pick(&ready)));
        }
        batch
    }
}
