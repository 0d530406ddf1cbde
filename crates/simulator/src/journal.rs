//! The ground truth: every mutation that was received and every step a run made, in order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::states::{RunState, RunType};

/// One line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Rises by one; never used twice, not even after a reset.
    pub number: u64,
    /// The simulator's time in unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: JournalEvent,
}

/// What the journal tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JournalEvent {
    /// A mutation arrived.
    Mutation(MutationRecord),
    /// A run was created (`from` is missing) or entered another state.
    Transition(TransitionRecord),
}

/// A mutation and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MutationRecord {
    /// `runTrigger` and its like.
    pub name: String,
    /// The arguments as sent, secrets removed.
    pub args: Value,
    /// `api::<key id>`, or nothing before there is a token.
    pub actor: Option<Arc<str>>,
    /// The header `Spacelift-User-Provided-Run-Metadata`.
    pub metadata: Option<Arc<str>>,
    /// Whether it took effect.
    pub accepted: bool,
    /// Why it did not.
    pub error: Option<String>,
    /// The run it made or touched.
    pub run: Option<String>,
    /// Whether the caller was answered; unknown while the answer is being written.
    pub answered: Option<bool>,
}

/// One step of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransitionRecord {
    /// The run.
    pub run: String,
    /// Its stack.
    pub stack: Arc<str>,
    /// Its type.
    pub run_type: RunType,
    /// Where it was; nothing when it was created.
    pub from: Option<RunState>,
    /// Where it is.
    pub to: RunState,
    /// Rises with every step of one run.
    pub state_version: i32,
    /// Who started the run; nobody means a push.
    pub triggered_by: Option<Arc<str>>,
    /// The commit's hash.
    pub commit: Arc<str>,
    /// The metadata the caller gave when it started the run.
    pub metadata: Option<Arc<str>>,
    /// Why, where there is something to say.
    pub note: Option<Arc<str>>,
}

/// Append-only; a reset forgets the past and keeps counting.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<JournalEntry>,
    forgotten: u64,
}

impl Journal {
    pub(crate) fn last(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    pub(crate) fn push(&mut self, at_ms: i64, event: JournalEvent) -> u64 {
        let number = self.last() + 1;
        self.entries.push(JournalEntry { number, at_ms, event });
        number
    }

    fn position(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.forgotten + 1)?).ok()
    }

    /// The mutation with this number, unless it has been forgotten.
    pub(crate) fn mutation_mut(&mut self, number: u64) -> Option<&mut MutationRecord> {
        let position = self.position(number)?;
        match &mut self.entries.get_mut(position)?.event {
            JournalEvent::Mutation(record) => Some(record),
            JournalEvent::Transition(_) => None,
        }
    }

    /// What came after `number`, oldest first.
    pub(crate) fn after(&self, number: u64) -> &[JournalEntry] {
        let skip = usize::try_from(number.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        self.entries.get(skip..).unwrap_or_default()
    }

    /// Newest first.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = &JournalEntry> {
        self.entries.iter().rev()
    }

    pub(crate) fn reset(&mut self) {
        self.forgotten = self.last();
        self.entries.clear();
    }
}
