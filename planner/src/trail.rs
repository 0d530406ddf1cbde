//! The audit trail of the account, read now and then: what it says was changed is read again, and the
//! account as a whole only seldom.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::StackId;
use serde::{Deserialize, Serialize};
use spacelift::{Client, Error, TrailEntry};

/// An entry may come into the trail so late, behind others that are newer.
const LATE: TimeDelta = TimeDelta::seconds(30);
/// If more pages are new, the account is read.
const PAGES_MAX: usize = 4;
/// What says nothing about stacks, by the entity in the action.
const HARMLESS: [&str; 14] = [
    "run",
    "task",
    "module",
    "policy",
    "context",
    "login",
    "session",
    "user",
    "api_key",
    "notification",
    "audit_trail",
    "worker",
    "webhook",
    "webhooks",
];

/// Up to where the trail was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the newest entry was made; nothing of an empty trail.
    at: Option<DateTime<Utc>>,
    /// The entries among which a late one may come.
    seen: BTreeSet<String>,
}

/// What is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// These stacks; perhaps none.
    Stacks(BTreeSet<StackId>),
    /// The account.
    Account,
}

/// What an action on an entity touches. Of what an entry about a dependency names, nobody says which
/// end it is.
pub(crate) fn touched(action: &str, entity: Option<&str>) -> Touched {
    let kind = action.split('.').next().unwrap_or_default();
    let stack = entity.filter(|entity| !entity.is_empty());
    let is_harmless = kind.split('_').any(|word| word == "webhook" || word == "webhooks")
        || HARMLESS.contains(&kind);
    match (kind, stack) {
        ("stack", Some(stack)) => Touched::Stacks([StackId::from(stack)].into()),
        _ if is_harmless => Touched::Stacks(BTreeSet::new()),
        _ => Touched::Account,
    }
}

impl Touched {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stacks(mut stacks), Self::Stacks(more)) => {
                stacks.extend(more);
                Self::Stacks(stacks)
            }
            _ => Self::Account,
        }
    }
}

impl Mark {
    /// The trail as it is now; none if it cannot be read.
    pub(crate) async fn newest(client: &Client) -> Option<Self> {
        match client.trail(None).await {
            Ok(page) => Some(Self::default().then(&page.entries)),
            Err(error) => {
                tracing::debug!(%error, "the audit trail cannot be read");
                None
            }
        }
    }

    /// What was changed since, and up to where the trail is seen now.
    pub(crate) async fn look(&self, client: &Client) -> Result<(Self, Touched), Error> {
        let (mut entries, mut before) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = client.trail(before.take()).await?;
            let is_past = page.entries.iter().any(|entry| self.is_past(entry));
            entries.extend(page.entries);
            match page.older {
                Some(older) if !is_past => before = Some(older),
                _ => return Ok((self.then(&entries), self.touched(&entries))),
            }
        }
        Ok((self.then(&entries), Touched::Account))
    }

    /// Whether an entry, and all that are older, were there already.
    fn is_past(&self, entry: &TrailEntry) -> bool {
        self.at.is_some_and(|at| entry.at < at - LATE)
    }

    fn touched(&self, entries: &[TrailEntry]) -> Touched {
        let new = entries.iter().filter(|it| !self.is_past(it) && !self.seen.contains(&it.id));
        new.map(|entry| touched(&entry.action, entry.entity.as_deref()))
            .fold(Touched::Stacks(BTreeSet::new()), Touched::and)
    }

    /// The mark once these were seen, too.
    fn then(&self, entries: &[TrailEntry]) -> Self {
        let at = entries.iter().map(|entry| entry.at).max().max(self.at);
        let may_be_met = |entry: &&TrailEntry| at.is_some_and(|at| entry.at >= at - LATE);
        let seen = entries.iter().filter(may_be_met).map(|entry| entry.id.clone()).collect();
        Self { at, seen }
    }
}

#[cfg(test)]
mod tests;
