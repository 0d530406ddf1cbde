//! One place where a story is told and told again: a Slack message, a commit status.
//!
//! What should be seen is compared with what was last said, by fingerprint. At most one call is
//! under way; whatever changes meanwhile becomes one call when it has concluded. So a burst of
//! events makes few calls, the last state is always delivered, and an older one never overtakes it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// What was said, what is being said, and when it may be said anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outlet {
    /// When what it tells of began; kept since calls were named by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_at: Option<DateTime<Utc>>,
    calls: u32,
    said: Option<Uuid>,
    /// What the other side would not take. It is not offered again, but something new is.
    refused: Option<Uuid>,
    under_way: Option<Call>,
    rests_until: Option<DateTime<Utc>>,
    due: Option<DateTime<Utc>>,
}

/// A call that has not concluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Call {
    effect: Uuid,
    says: Uuid,
}

impl Outlet {
    /// What it tells of began at this time: that makes its calls others than those of a story of the
    /// same key that was forgotten, which are remembered for longer.
    pub(crate) fn begin(&mut self, at: DateTime<Utc>) {
        self.began_at = Some(at);
    }

    /// When what it tells of began, if that was kept.
    pub(crate) fn began_at(&self) -> Option<DateTime<Utc>> {
        self.began_at
    }

    /// Offers what should be seen now. `Some` is the id of the call to make for it.
    pub(crate) fn offer(&mut self, lane: &str, says: Uuid, now: DateTime<Utc>) -> Option<Uuid> {
        self.due = None;
        if self.under_way.is_some() || [self.said, self.refused].contains(&Some(says)) {
            return None;
        }
        if let Some(until) = self.rests_until.filter(|until| *until > now) {
            self.due = Some(until);
            return None;
        }
        self.calls += 1;
        let began = self.began_at.map(|at| format!("/{}", at.timestamp_micros()));
        let name = format!("{lane}{}/{}", began.unwrap_or_default(), self.calls);
        let effect = Uuid::new_v5(&contracts::id::NAMESPACE, name.as_bytes());
        self.under_way = Some(Call { effect, says });
        Some(effect)
    }

    /// A call has concluded, well or not. False if it is not the one under way: a late answer to
    /// a call that was given up changes nothing.
    pub(crate) fn conclude(
        &mut self,
        effect: Uuid,
        well: bool,
        rests_until: DateTime<Utc>,
    ) -> bool {
        let Some(call) = self.under_way.take_if(|call| call.effect == effect) else {
            return false;
        };
        if well {
            self.said = Some(call.says);
            self.refused = None;
        } else {
            self.refused = Some(call.says);
        }
        self.rests_until = Some(rests_until);
        true
    }

    /// Forgets what was said, so that it is said again.
    pub(crate) fn say_again(&mut self) {
        self.said = None;
        self.refused = None;
    }

    /// Whether something can be said now, so that it is worth a look what: not while the outcome of
    /// a call is not known, nor before the end of a pause after which there is a look anyway.
    pub(crate) fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.under_way.is_none() && self.due.is_none_or(|due| due <= now)
    }

    /// There is nothing to be seen, so nothing is waited for.
    pub(crate) fn pass(&mut self) {
        self.due = None;
    }

    /// When there is something to say that had to wait.
    pub(crate) fn due(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

/// The end of the pause between two calls.
pub(crate) fn rest(now: DateTime<Utc>, pause: std::time::Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX)
}
