//! When it is a chain's turn, where policies let only so many be under way at once.

use contracts::gate::Outcome;

use super::Gate;
use crate::evaluate::{Crowd, Place};

impl Gate {
    /// Whether it will not be decided again.
    pub fn is_over(&self) -> bool {
        self.outcome.is_final() || self.ended
    }

    /// Whether nothing else holds it, and nobody has looked yet who comes before it. It is looked at
    /// once, and not told until then.
    pub fn is_unseen(&self) -> bool {
        self.place == Some(Place::Unseen)
    }

    /// Whether who comes before it is to be looked at, when it is decided next.
    pub fn seeks(&self) -> bool {
        !self.is_over() && self.place.is_some_and(Place::is_sought)
    }

    /// Whether its chain was counted, or waited, and does not any more.
    pub fn is_gone(&self) -> bool {
        self.place.is_none() && self.crowds.is_some()
    }

    /// Somebody looked.
    pub fn sees(&mut self, crowds: Vec<Crowd>) {
        self.crowds = Some(crowds);
    }

    /// Its chain has ended, or its step asks another gate: it waits for nothing any more, and nobody
    /// waits for it.
    pub fn end(&mut self) {
        self.ended = !self.outcome.is_final();
        self.place = None;
        self.crowds.get_or_insert_default();
    }

    /// Somebody asks again, so somebody waits for it after all. Returns whether it was closed.
    pub fn reopen(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    pub(super) fn stands(&mut self, place: Option<Place>, outcome: &Outcome) {
        self.place = place;
        // Who waits for something else loses its turn.
        if self.place.is_none() && !outcome.is_final() {
            self.crowds = None;
        }
    }
}
