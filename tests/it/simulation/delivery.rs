//! What the loop does: deliver, publish, acknowledge, ask again, bury; and what the broker loses.

use bus::{Answers, BACKOFF};
use chrono::TimeDelta;
use contracts::{CommitSha, Envelope, Message, gate::GateRequested};
use uuid::Uuid;

use super::{
    broker::Pending,
    checker::DeadLetter,
    node::Failure,
    world::{CONSUMERS, World},
};

/// Where a service dies while it handles a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Never,
    BeforeCommit,
    BeforePublish,
    BeforeMark,
    BeforeAck,
}

impl World {
    pub(super) fn takes(&self) -> [&'static [&'static str]; CONSUMERS] {
        self.services().map(|service| service.takes())
    }

    pub(super) fn deliver(&mut self) {
        let most = 1 + self.dice.below(4);
        let batch = self.broker.take(most, &mut self.dice, self.now);
        let Some(consumer) = batch.first().map(|it| it.consumer) else { return };
        let death = match self.chaos(12) {
            true => *self.dice.pick(&[
                Death::BeforeCommit,
                Death::BeforePublish,
                Death::BeforeMark,
                Death::BeforeAck,
            ]),
            false => Death::Never,
        };
        let mut settled = Vec::new();
        if death != Death::BeforeCommit {
            let envelopes: Vec<_> = batch.iter().map(|it| it.envelope.clone()).collect();
            let now = self.now;
            settled = self.service(consumer).handle(&envelopes, now);
        }
        for (place, pending) in batch.into_iter().enumerate() {
            let result = settled.get(place).cloned();
            self.settle(pending, result, death);
        }
        if death != Death::Never {
            self.service(consumer).crash();
        }
    }

    /// What the loop does with one result: publish and acknowledge, ask again, or bury.
    fn settle(&mut self, pending: Pending, result: Option<Result<Answers, Failure>>, death: Death) {
        let (consumer, cause) = (pending.consumer, pending.envelope.id);
        let again = Pending { attempt: pending.attempt + 1, ..pending };
        match result {
            Some(Ok(answers)) => {
                match death {
                    Death::Never | Death::BeforeAck => self.publish(consumer, cause, &answers),
                    Death::BeforeMark => self.store(&answers),
                    Death::BeforeCommit | Death::BeforePublish => {}
                }
                // An acknowledgement may be lost as well.
                if death != Death::Never || self.chaos(3) {
                    self.broker.pending.push(again);
                }
            }
            Some(Err(Failure::Retry)) if again.attempt <= BACKOFF.len() => {
                let pause = TimeDelta::from_std(BACKOFF[again.attempt - 1]).expect("short");
                self.broker.pending.push(Pending { not_before: self.now + pause, ..again });
            }
            Some(Err(failure)) => {
                let consumer = self.services()[consumer].consumer();
                self.checker.dead_letters.push(DeadLetter { consumer, event: cause, failure });
                if self.chaos(20) {
                    self.broker.pending.push(again);
                }
            }
            None => self.broker.pending.push(again),
        }
    }

    pub(super) fn publish(&mut self, consumer: usize, cause: Uuid, answers: &Answers) {
        if self.chaos(4) {
            // The connection breaks half way.
            let half: Vec<_> = answers.iter().take(answers.len() / 2).cloned().collect();
            return self.store(&Answers::new(half));
        }
        self.store(answers);
        self.service(consumer).published(cause);
    }

    fn store(&mut self, answers: &Answers) {
        self.checker.published(answers);
        let consumers = self.takes();
        for envelope in answers.iter() {
            self.broker.store(envelope, &consumers, &mut self.dice, self.now);
        }
    }

    pub(super) fn lose_broker(&mut self) {
        self.broker.lose();
        if self.switches.no_refill {
            return;
        }
        for consumer in 0..CONSUMERS {
            self.service(consumer).forget_published();
        }
        for (_, published) in &mut self.ingest.rows {
            *published = false;
        }
    }

    /// A message no reader can handle: written by a newer build, or a question that was bent.
    pub(super) fn poison(&mut self) {
        let kept: Vec<_> = self.policy.states.values().flatten().collect();
        let id = Uuid::from_u64_pair(self.dice.throw(), self.dice.throw());
        let (kind, version, body) = match kept.is_empty() || self.dice.chance(50) {
            true => ("chain.planned", 99, serde_json::json!({ "from": "the future" })),
            false => {
                let mut request = self.dice.pick(&kept).gate.request.clone();
                request.change.commit = CommitSha::from("another");
                (GateRequested::TYPE, 1, serde_json::to_value(request).expect("plain data"))
            }
        };
        let readers = self.takes().iter().filter(|takes| takes.contains(&kind)).count();
        self.checker.poison.insert(id, readers);
        self.accept(Envelope {
            id,
            kind: kind.to_owned(),
            version,
            key: "poison".to_owned(),
            source: "/stackly/future".to_owned(),
            time: self.now,
            correlation: id,
            causation: None,
            trace: None,
            body,
        });
    }
}
