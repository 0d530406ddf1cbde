//! What the audit trail of the account says is to be read again.

use chrono::{DateTime, Utc};
use contracts::catalogue::AccountAudited;

use super::Planner;
use crate::trail::{Touched, touched};

impl Planner {
    /// Has what an entry is about read again.
    pub(super) fn heard(&self, audited: &AccountAudited, now: DateTime<Utc>) {
        match touched(&audited.action, audited.entity.as_deref()) {
            Touched::Stacks(stacks) => self.shelf.want_stacks(stacks, now),
            Touched::Account => self.shelf.want(now),
        }
    }
}
