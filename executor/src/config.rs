//! The executor's configuration; every key is explained in `config.default.toml`.

use std::{ops::RangeInclusive, time::Duration};

use chrono::TimeDelta;
use serde::Deserialize;

use crate::{checks::Checks, limits::Limits, retry::Retries, roles::Roles, waves::Rules};

/// The executor's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub bus: bus::Options,
    /// The database.
    pub store: store::Options,
    /// The health pages.
    pub health: service::health::Options,
    /// The Spacelift account.
    pub spacelift: spacelift::Options,
    /// How runs are triggered and followed.
    pub runs: Runs,
    /// How often what failed is tried again.
    pub retries: Retries,
    /// How many runs may be at once.
    pub limits: Limits,
    /// What must be so between waves.
    pub waves: Rules,
    /// The health checks there are.
    pub checks: Checks,
    /// Who may give which order.
    pub roles: Roles,
    /// After how long people are reminded of what waits.
    pub reminders: Reminders,
    /// What is kept for how long.
    pub retention: Retention,
}

/// What is kept for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Chains that have ended, with their steps and their history.
    #[serde(with = "humantime_serde")]
    pub chains: Duration,
}

/// A month and a hundred years: beyond that, times cannot be reckoned with.
const RETENTION: RangeInclusive<TimeDelta> = TimeDelta::days(31)..=TimeDelta::days(36_525);

impl Retention {
    /// The same as a difference of times.
    pub fn span(&self) -> TimeDelta {
        TimeDelta::from_std(self.chains).unwrap_or(TimeDelta::MAX)
    }
}

/// How long something may wait before people are reminded of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminders {
    /// How often to look for what waits for too long.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// A question to the policies without an answer.
    #[serde(with = "humantime_serde")]
    pub gate_silent: Duration,
    /// Something that people have to approve.
    #[serde(with = "humantime_serde")]
    pub approval: Duration,
    /// A call that somebody has to make possible, such as by unlocking a stack.
    #[serde(with = "humantime_serde")]
    pub call: Duration,
    /// A run that is queued in Spacelift.
    #[serde(with = "humantime_serde")]
    pub queued: Duration,
    /// A run that waits for a worker.
    #[serde(with = "humantime_serde")]
    pub worker: Duration,
    /// A run that is at work.
    #[serde(with = "humantime_serde")]
    pub run: Duration,
}

/// How runs are triggered and followed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// The most calls to Spacelift at once.
    pub calls_at_once: usize,
    /// How often to look for runs nothing was heard of.
    #[serde(with = "humantime_serde")]
    pub poll_every: Duration,
    /// For how long nothing may be heard of a run before Spacelift is asked.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// How long after a call its effect must be visible in Spacelift's lists.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// How often a call is tried again that a person must make possible, and a lock of ours looked at.
    #[serde(with = "humantime_serde")]
    pub held_retry: Duration,
}

impl Config {
    /// Why these times do not go together, all of it. A call gets three quarters of the lease; in
    /// the last quarter its effect must become visible, because whoever takes the call over looks
    /// for it then.
    pub fn faults(&self) -> Vec<String> {
        let (lease, runs) = (self.store.lease, &self.runs);
        let mut faults = Vec::new();
        if self.spacelift.timeout > lease / 2 {
            faults.push(format!(
                "spacelift.timeout is {:?} and must be at most half of store.lease, {:?}",
                self.spacelift.timeout,
                lease / 2
            ));
        }
        if runs.settle > lease / 4 {
            faults.push(format!(
                "runs.settle is {:?} and must be at most a quarter of store.lease, {:?}",
                runs.settle,
                lease / 4
            ));
        }
        if runs.calls_at_once == 0 {
            faults.push("runs.calls_at_once must be more than zero".to_owned());
        }
        if runs.poll_every.is_zero() {
            faults.push("runs.poll_every must be more than zero".to_owned());
        }
        if self.reminders.every.is_zero() {
            faults.push("reminders.every must be more than zero".to_owned());
        }
        if !RETENTION.contains(&self.retention.span()) {
            faults.push("retention.chains must be between 31 days and 100 years".to_owned());
        }
        faults.extend(self.checks.faults(lease));
        faults.extend(self.roles.faults());
        faults.extend(self.retries.faults());
        for (place, name) in self.waves.named() {
            if !self.checks.named.contains_key(name) {
                faults.push(format!("{place} names `{name}`, which is not in checks.named"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests;
