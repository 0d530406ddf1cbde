//! The circuit breaker: after many failures in a row no calls are made for a while, then one, whose
//! fate decides.
//!
//! What counts is what says that the account as a whole cannot be used: no connection, no answer in
//! time, answers of the 5xx family, a key that is not accepted. That Spacelift refuses a single
//! request, or asks for fewer of them, says the opposite: it answers. A short run of failures does
//! not count either, because repeating takes care of it.
//!
//! What one process has found need not be found by others: they are told, and make no calls either.

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::phrase::with_causes;
use opentelemetry::metrics::Gauge;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Error;

/// Failures must go on for at least so long: a server that is replaced is back by then.
const SPAN: Duration = Duration::from_secs(2);

/// So much longer others wait than the process that has found that calls fail: it tries first, and what
/// it finds is told until then.
const OTHERS_LATER: TimeDelta = TimeDelta::seconds(3);

/// Each probe in vain doubles the wait, up to so many times the first one.
const WAITS_MAX: u32 = 16;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    /// So many failures in a row open it.
    pub(crate) failures: u32,
    /// So long nothing is called at first.
    pub(crate) wait: Duration,
    /// After so long a call that does not end has failed.
    pub(crate) call_max: Duration,
}

/// What a call says about the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Good,
    /// It cannot be used.
    Bad,
    /// Nothing.
    Unknown,
}

impl Health {
    pub(crate) fn of(error: Option<&Error>) -> Self {
        match error {
            None | Some(Error::NotFound | Error::Refused { .. } | Error::Garbled { .. }) => {
                Self::Good
            }
            Some(
                Error::Unauthorized
                | Error::Unreachable { .. }
                | Error::Uncertain { .. }
                | Error::Unavailable { .. },
            ) => Self::Bad,
            Some(
                Error::RateLimited { .. } | Error::Resting { .. } | Error::Misconfigured { .. },
            ) => Self::Unknown,
        }
    }
}

/// Leave to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Like any other.
    Usual,
    /// To find out whether the account can be used again.
    Probe,
}

/// The breaker itself: plain values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Circuit {
    failures: u32,
    first_failure: Option<Instant>,
    open: Option<Open>,
    /// What another process has found, and until when this one makes no calls because of it.
    others: Option<(Instant, Rest)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Open {
    since: Instant,
    until: Instant,
    /// The wait that ends then.
    wait: Duration,
    probed_at: Option<Instant>,
    why: String,
}

impl Circuit {
    pub(crate) fn closed() -> Self {
        Self { failures: 0, first_failure: None, open: None, others: None }
    }

    /// Another process has found that calls fail, or none has.
    pub(crate) fn others_rest(&mut self, rest: Option<Rest>, now: Instant, clock: DateTime<Utc>) {
        self.others = rest.map(|rest| {
            let left = rest.until - clock + OTHERS_LATER;
            (now + left.to_std().unwrap_or_default(), rest)
        });
    }

    /// Whether a call may be made; if not, for how long not.
    pub(crate) fn admit(&mut self, now: Instant, of: &Tolerance) -> Result<Leave, Duration> {
        let Some(open) = &mut self.open else {
            let others = self.others.as_ref().map(|(until, _)| *until);
            return match others.filter(|until| now < *until) {
                Some(until) => Err(until - now),
                None => Ok(Leave::Usual),
            };
        };
        if now < open.until {
            return Err(open.until - now);
        }
        match open.probed_at {
            // One at a time; whoever asked and was never heard of again must not keep it open.
            Some(at) if now < at + of.call_max => Err((at + of.call_max) - now),
            _ => {
                open.probed_at = Some(now);
                Ok(Leave::Probe)
            }
        }
    }

    /// Takes down what a call has shown. Returns whether it opened or closed by it.
    pub(crate) fn heard(
        &mut self,
        (leave, health): (Leave, Health),
        why: &str,
        now: Instant,
        of: &Tolerance,
    ) -> bool {
        match (&mut self.open, leave, health) {
            (None, _, Health::Good) => {
                (self.failures, self.first_failure) = (0, None);
                false
            }
            (None, _, Health::Bad) => {
                self.failures = self.failures.saturating_add(1);
                let first = *self.first_failure.get_or_insert(now);
                let opens = self.failures >= of.failures && now >= first + SPAN;
                if opens {
                    let (until, why) = (now + of.wait, why.to_owned());
                    self.open =
                        Some(Open { since: now, until, wait: of.wait, probed_at: None, why });
                }
                opens
            }
            (Some(_), Leave::Probe, Health::Good) => {
                *self = Self::closed();
                true
            }
            (Some(open), Leave::Probe, Health::Bad) => {
                open.wait = (open.wait * 2).min(of.wait * WAITS_MAX);
                (open.until, open.probed_at, open.why) = (now + open.wait, None, why.to_owned());
                false
            }
            (Some(open), Leave::Probe, Health::Unknown) => {
                open.probed_at = None;
                false
            }
            // It was under way when the breaker opened; the probe decides.
            (Some(_), Leave::Usual, _) | (None, _, Health::Unknown) => false,
        }
    }
}

/// Calls rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the next call is tried.
    pub until: DateTime<Utc>,
    /// What the last call in vain met.
    pub why: String,
}

/// The breaker of a client, shared by all of its calls.
#[derive(Debug)]
pub(crate) struct Breaker {
    tolerance: Tolerance,
    circuit: Mutex<Circuit>,
    /// Whether it is open, for dashboards.
    gauge: Gauge<u64>,
}

impl Breaker {
    pub(crate) fn new(tolerance: Tolerance) -> Self {
        let gauge = opentelemetry::global::meter("spacelift")
            .u64_gauge("stackly_spacelift_circuit_open")
            .with_description("Whether calls to Spacelift rest because many failed")
            .build();
        gauge.record(0, &[]);
        Self { tolerance, circuit: Mutex::new(Circuit::closed()), gauge }
    }

    /// Makes a call if calls may be made, and learns from it.
    pub(crate) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let admitted = self.circuit().admit(Instant::now(), &self.tolerance);
        let leave = admitted.map_err(|wait| Error::Resting { retry_after: wait })?;
        let done = work.await;
        let error = done.as_ref().err();
        let why = error.map(|error| with_causes(error)).unwrap_or_default();
        let health = Health::of(error);
        let turned = self.circuit().heard((leave, health), &why, Instant::now(), &self.tolerance);
        if turned {
            let is_open = health == Health::Bad;
            self.gauge.record(u64::from(is_open), &[]);
            match is_open {
                true => tracing::error!(error = why, "calls to Spacelift rest: too many failed"),
                false => tracing::info!("calls to Spacelift go on: one has succeeded"),
            }
        }
        done
    }

    /// Since when, until when and why no calls are made, if so, whoever has found it.
    pub(crate) fn rest(&self, now: Instant, clock: DateTime<Utc>) -> Option<Rest> {
        let of_others = || {
            let (until, rest) = self.circuit().others.clone()?;
            (now < until).then_some(rest)
        };
        self.own_rest(now, clock).or_else(of_others)
    }

    /// What another process has found.
    pub(crate) fn others_rest(&self, rest: Option<Rest>, now: Instant, clock: DateTime<Utc>) {
        self.circuit().others_rest(rest, now, clock);
    }

    /// The same, if this process has found it.
    pub(crate) fn own_rest(&self, now: Instant, clock: DateTime<Utc>) -> Option<Rest> {
        let circuit = self.circuit();
        let open = circuit.open.as_ref()?;
        let span = |span: Duration| TimeDelta::from_std(span).unwrap_or_default();
        Some(Rest {
            since: clock - span(now.saturating_duration_since(open.since)),
            until: clock + span(open.until.saturating_duration_since(now)),
            why: open.why.clone(),
        })
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Its fields are written together at the end of each decision.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
