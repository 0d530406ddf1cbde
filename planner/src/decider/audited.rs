//! What the audit trail of the account says is to be read again.

use chrono::{DateTime, Utc};
use contracts::{StackId, catalogue::AccountAudited};

use super::Planner;

impl Planner {
    /// Has what an entry is about read again: its stack, if it names one, else the account.
    pub(super) fn heard(&self, audited: &AccountAudited, now: DateTime<Utc>) {
        let kind = audited.action.split('.').next().unwrap_or_default();
        let stack = audited.entity.as_deref().filter(|entity| !entity.is_empty());
        match (kind, stack) {
            ("stack", Some(stack)) => self.shelf.want_stacks([StackId::from(stack)], now),
            ("stack", None) => self.shelf.want(now),
            // Of what an entry about a dependency names, nobody says which end it is.
            _ if kind.starts_with("stack_dependenc") => self.shelf.want(now),
            _ => {}
        }
    }
}
