//! The notifier's rig.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::Envelope;
use notifier::{decider::Notifier, routes::Routes, story::Story};
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use super::{Rig, States};

/// The notifier, and its column that tells which story is about a chain of which commit.
pub struct NotifierRig {
    decider: Notifier,
    pub places: BTreeMap<Uuid, Option<Uuid>>,
}

impl NotifierRig {
    pub fn new(routes: Routes) -> Self {
        Self { decider: Notifier::new(routes), places: BTreeMap::new() }
    }

    /// Whether a chain has a status where this notice would stand.
    pub fn chain_exists(&self, notice: Uuid) -> bool {
        self.places.values().any(|known| *known == Some(notice))
    }
}

impl Rig for NotifierRig {
    type Input = notifier::input::Input;
    type State = Story;

    const CONSUMER: &'static str = notifier::CARD.consumer;

    fn key(&self, _: &States<Story>, input: &Self::Input) -> Option<Uuid> {
        Some(self.decider.key(input))
    }

    fn load(&self, stories: &States<Story>, key: Uuid, _: &dyn Fn(&str) -> Option<Uuid>) -> Story {
        let mut story = stories.get(&key).cloned().unwrap_or_default();
        story.chain_exists = self.chain_exists(key);
        story
    }

    fn decide(
        &self,
        state: &mut Story,
        input: &Envelope<Self::Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        self.decider.decide(state, input, now)
    }

    fn saved(&mut self, _: &States<Story>, changed: &States<Story>) -> Vec<Uuid> {
        let place = |(key, story): (&Uuid, &Story)| (*key, self.decider.place(story));
        self.places.extend(changed.iter().map(place));
        Vec::new()
    }

    fn wake_at(&self, state: &Story) -> Option<DateTime<Utc>> {
        self.decider.wake_at(state)
    }

    fn wake(&self, key: Uuid) -> Option<Self::Input> {
        self.decider.wake(key)
    }
}
