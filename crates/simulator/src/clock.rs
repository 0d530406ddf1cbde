//! The simulator's time: it follows the machine's, and can be stopped and pushed on.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Unix milliseconds that can be paused.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    offset_ms: i64,
    paused_at: Option<i64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), offset_ms: wall_ms(), paused_at: None }
    }

    fn running(&self) -> i64 {
        self.offset_ms + elapsed_ms(self.started)
    }

    pub(crate) fn now(&self) -> i64 {
        self.paused_at.unwrap_or_else(|| self.running())
    }

    pub(crate) fn paused(&self) -> bool {
        self.paused_at.is_some()
    }

    pub(crate) fn pause(&mut self) {
        let now = self.running();
        self.paused_at.get_or_insert(now);
    }

    pub(crate) fn resume(&mut self) {
        if let Some(at) = self.paused_at.take() {
            self.offset_ms += at - self.running();
        }
    }

    pub(crate) fn advance(&mut self, milliseconds: u64) {
        let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX / 4);
        match &mut self.paused_at {
            Some(at) => *at += milliseconds,
            None => self.offset_ms += milliseconds,
        }
    }
}

fn elapsed_ms(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
}

/// The machine's own time, which tokens are judged by.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2)
}
