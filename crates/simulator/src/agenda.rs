//! What is to be done and when: one heap instead of a timer per run.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use ulid::Ulid;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// The run's phase is over, unless it has moved on since.
    PhaseOver { run: Ulid, version: i32 },
    /// Something a waiting run waits for may have come.
    Start { stack: Arc<str> },
    /// A parent of the run has ended.
    Judge { run: Ulid },
    /// What a stack managed has been destroyed, and the stack goes too.
    Remove { stack: Arc<str> },
}

/// Jobs by due time; those of one moment in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(i64, u64, Job)>>,
    added: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at_ms: i64, job: Job) {
        self.added += 1;
        self.heap.push(Reverse((at_ms, self.added, job)));
    }

    pub(crate) fn next_due(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at_ms, ..))| *at_ms)
    }

    /// The earliest job, if its time has come.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<(i64, Job)> {
        if self.next_due()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((at_ms, _, job))| (at_ms, job))
    }
}
