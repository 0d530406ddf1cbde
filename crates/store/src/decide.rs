//! What a service writes: keys, a pure decision, and how its states are read and written.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::{Code, Envelope, Inbound, Message, Outgoing, Trace};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// One kind of state and everything that may happen to it.
pub trait Decider: Send + Sync + 'static {
    /// What happens: messages from the bus, results of effects, wake-ups.
    type Input: Inbound;
    /// What is stored under one key. The default is "nothing yet".
    type State: Default + Send + Sync;

    /// Which state each input belongs to. `None`: it is about no state and is answered by nothing;
    /// [`Decider::notice`] is told of it.
    fn keys(
        &self,
        connection: &mut PgConnection,
        inputs: &[&Self::Input],
    ) -> impl Future<Output = Result<Vec<Option<Uuid>>, sqlx::Error>> + Send;

    /// Takes note, in this process, of an input that is about no state; may be told of it twice.
    fn notice(&self, _input: &Self::Input, _now: DateTime<Utc>) {}

    /// Reads the states of these keys as they are `now`, when they are decided upon; a key without a
    /// state is left out. The engine holds an exclusive lock on every key, so no `for update` is needed.
    fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<HashMap<Uuid, Self::State>, sqlx::Error>> + Send;

    /// Decides. Pure: the same state, input and time give the same decision. When it refuses, the
    /// whole batch is decided again without this input, so a half-changed state does no harm.
    fn decide(
        &self,
        state: &mut Self::State,
        input: &Envelope<Self::Input>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal>;

    /// Writes the states that were decided upon, in the transaction that remembers the answers.
    /// Gives the keys of *other* states that should be woken because of it.
    fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Self::State)],
    ) -> impl Future<Output = Result<Vec<Uuid>, sqlx::Error>> + Send;

    /// Is given the states of a transaction once it is committed, each with whether it was written.
    /// What is kept of them must be checked in [`Decider::load`]: another process may write it too.
    fn committed(&self, _states: Vec<(Uuid, Self::State, bool)>) {}

    /// When this state wants to be woken, if at all.
    fn wake_at(&self, _state: &Self::State) -> Option<DateTime<Utc>> {
        None
    }

    /// What a wake-up of this key is as an input.
    fn wake(&self, _key: Uuid) -> Option<Self::Input> {
        None
    }
}

/// What is to be done: messages to send and calls to make. Done by others, after the commit.
#[derive(Debug, Default)]
pub struct Decision {
    /// Messages, in the order in which they are to be sent.
    pub answers: Vec<Outgoing>,
    /// Calls to the outside.
    pub effects: Vec<Effect>,
    no_news: bool,
    is_idempotent: bool,
}

impl Decision {
    /// Nothing is to be done.
    pub fn none() -> Self {
        Self::default()
    }

    /// The state stays as it was, and nothing is to be done: it is neither written nor remembered.
    /// If the same input comes again it is decided again, so whoever says this must be right then too.
    pub fn no_news() -> Self {
        Self { no_news: true, ..Self::default() }
    }

    /// To decide the same input again would be no news: the state is written, the input need not be
    /// remembered. Of a decision with answers or calls it means nothing, because these must stay.
    pub fn idempotent(self) -> Self {
        Self { is_idempotent: true, ..self }
    }

    /// Whether the input need not be remembered.
    pub fn is_idempotent(&self) -> bool {
        self.is_idempotent && self.answers.is_empty() && self.effects.is_empty()
    }

    /// Whether it says so and means it.
    pub fn is_no_news(&self) -> bool {
        self.no_news && self.answers.is_empty() && self.effects.is_empty()
    }

    /// Sends a message.
    pub fn send<M: Message>(&mut self, message: &M) {
        self.answers.push(Outgoing::new(message));
    }

    /// Makes a call to the outside.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

/// A call to the outside that must be made exactly once, or be known not to have been.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Derived from what the call is for, so that it cannot be asked for twice.
    pub id: Uuid,
    /// The state that asks for it, and that is told the result.
    pub key: Uuid,
    /// At most one effect of a lane is open at a time.
    pub lane: String,
    /// What to do, for the performer.
    pub kind: &'static str,
    /// With what.
    pub body: Value,
    /// The story it belongs to.
    pub correlation: Uuid,
    /// The trace it belongs to; that of the deciding span if absent.
    pub trace: Option<Trace>,
}

/// Why an input is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It will never be: a dead letter with this code.
    Never {
        /// The reason code.
        code: Code,
        /// What people must know.
        text: String,
    },
    /// Something it needs is not there yet: it comes back.
    Later {
        /// What is missing.
        text: String,
    },
    /// So much waits already that there is no room for it: it comes back until there is.
    Full {
        /// What is full.
        text: String,
    },
}
