//! What changed since a chain was read: so that only that is written, and every transition is
//! kept.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::{Reason, StackId};
use uuid::Uuid;

/// What changed since a chain was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The chain was not there.
    pub is_new: bool,
    /// The chain itself.
    pub chain: bool,
    /// Steps, by their place.
    pub steps: BTreeSet<usize>,
    /// Transitions, in order.
    pub operations: Vec<Operation>,
    /// Stacks that were let go of, or about which a call is over: whoever queues for one, or for
    /// the place of its run, may go.
    pub freed: BTreeSet<StackId>,
}

impl Changes {
    /// Nothing changed.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// These, and what changed before them.
    pub(crate) fn after(self, before: Self) -> Self {
        let mut operations = before.operations;
        operations.extend(self.operations);
        Self {
            is_new: self.is_new || before.is_new,
            chain: self.chain || before.chain,
            steps: &self.steps | &before.steps,
            operations,
            freed: &self.freed | &before.freed,
        }
    }
}

/// One transition.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Absent for the chain itself.
    pub stack: Option<StackId>,
    /// The state left.
    pub from: &'static str,
    /// The state entered.
    pub to: &'static str,
    /// What happened, in the word of the table of transitions.
    pub event: &'static str,
    /// Why.
    pub reason: Reason,
    /// The event that caused it.
    pub cause: Uuid,
    /// Who set it off.
    pub actor: Actor,
    /// When.
    pub at: DateTime<Utc>,
}

/// Who sets transitions off. Which person stands behind a policy's or Spacelift's word is in the
/// reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The planner made the chain.
    Planner,
    /// A gate was answered.
    Policy,
    /// A run moved, or a call was answered.
    Spacelift,
    /// The executor itself: a stack became free.
    Stackly,
    /// A person gave an order: `person:<name>`.
    Person(String),
}

impl Actor {
    /// A person, by the name they go by.
    pub(crate) fn person(by: &str) -> Self {
        Self::Person(format!("person:{by}"))
    }

    /// As written in the history.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Planner => "planner",
            Self::Policy => "policy",
            Self::Spacelift => "spacelift",
            Self::Stackly => "stackly",
            Self::Person(person) => person,
        }
    }
}
