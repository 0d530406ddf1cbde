//! The way in: ingest keeps each fact once, for ever; the broker gets it now or later.

use contracts::{Envelope, Outgoing, Trace};
use uuid::Uuid;

use super::{scenario::Arrival, world::World};

impl World {
    pub(super) fn arrive(&mut self) {
        let place = self.dice.below(self.to_come.len());
        let arrival = self.arrivals[self.to_come.swap_remove(place)].clone();
        let Arrival { id, kind, change, body, .. } = arrival;
        let event = Envelope::first("ingest", id, (kind, change.repository), self.now, body);
        self.accept(event.within(id, Some(Trace(format!("trace of {id}")))));
    }

    /// Ingest keeps a fact once, for ever, and publishes it now or a little later.
    pub(super) fn accept(&mut self, envelope: Envelope) {
        if self.ingest.rows.iter().any(|(known, _)| known.id == envelope.id) {
            return;
        }
        self.ingest.rows.push((envelope, false));
        if !self.chaos(30) {
            self.relay_ingest();
        }
    }

    pub(super) fn relay_ingest(&mut self) {
        let consumers = self.takes();
        for (envelope, published) in &mut self.ingest.rows {
            if !*published {
                *published = true;
                self.broker.store(envelope, &consumers, &mut self.dice, self.now);
            }
        }
    }

    pub(super) fn webhook(&mut self) {
        let place = self.dice.below(self.spacelift.outbox.len());
        let twice = self.chaos(10);
        let report = match twice {
            true => self.spacelift.outbox[place].clone(),
            false => self.spacelift.outbox.swap_remove(place),
        };
        // Webhooks are hints: any of them may be lost, also when all else is well.
        if self.dice.chance(15) {
            return;
        }
        let name = format!("{}/{}", report.run, report.state_version);
        let id = Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes());
        let event = Outgoing::new(&report).within(id, Some(Trace(format!("trace of {id}"))));
        self.accept(event.first("ingest", id, self.now));
    }
}
