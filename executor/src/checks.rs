//! Health checks: what is asked after a wave, and what must be answered.

use std::{collections::BTreeMap, time::Duration};

use contracts::ChainId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The kind of effect.
pub(crate) const KIND: &str = "health.check";

/// The health checks there are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// How long one answer may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How often a check that does not hold is made before it counts.
    pub attempts: u32,
    /// How long to wait in between.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// The checks by name.
    pub named: BTreeMap<String, Check>,
}

/// One health check: an address that must answer, a query whose value must be within bounds, or
/// somebody outside who says so.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// The address that is asked.
    pub http: Option<String>,
    /// What it must answer with; any 2xx unless said otherwise.
    pub status: Option<u16>,
    /// The address of a Prometheus, or of what speaks its API.
    pub prometheus: Option<String>,
    /// What it is asked.
    pub query: Option<String>,
    /// The least that every value may be.
    pub min: Option<f64>,
    /// The most that every value may be.
    pub max: Option<f64>,
    /// A bearer token that goes with it.
    pub token: Option<SecretString>,
    /// Who is asked by the event `check.asked`, and answers with the command `check.answer`.
    pub hook: Option<String>,
    /// How long such an answer may take.
    #[serde(with = "humantime_serde::option")]
    pub within: Option<Duration>,
}

/// Somebody outside who is asked, and how long an answer may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Who is asked.
    pub name: String,
    /// How long an answer may take.
    pub within: Duration,
}

/// How long an answer may take where nothing is said.
const WITHIN: Duration = Duration::from_secs(60);

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Asks<'a> {
    Http { url: &'a str, status: Option<u16> },
    Prometheus { url: &'a str, query: &'a str, min: Option<f64>, max: Option<f64> },
    Hook { name: &'a str, within: Duration },
}

impl Check {
    /// What it asks, or why that cannot be told.
    pub(crate) fn asks(&self) -> Result<Asks<'_>, String> {
        let Self { http, status, prometheus, query, min, max, token, hook, within } = self;
        let of_prometheus = query.is_some() || min.is_some() || max.is_some();
        if let Some(name) = hook {
            if http.is_some() || status.is_some() || prometheus.is_some() || token.is_some() {
                return Err("must have nothing beside `hook` but `within`".to_owned());
            }
            return asks_outside(name, within.unwrap_or(WITHIN), of_prometheus);
        }
        if within.is_some() {
            return Err("has `within`, which only a `hook` has".to_owned());
        }
        match (http, prometheus) {
            (Some(url), None) if !of_prometheus => {
                address(url)?;
                Ok(Asks::Http { url, status: *status })
            }
            (None, Some(url)) if status.is_none() => {
                address(url)?;
                let query = query.as_deref().ok_or("has no `query`")?;
                if min.is_none() && max.is_none() {
                    return Err("has neither `min` nor `max`, so that anything would do".to_owned());
                }
                Ok(Asks::Prometheus { url, query, min: *min, max: *max })
            }
            _ => {
                Err("must have either `http`, and perhaps `status`; or `prometheus`, `query`, and \
                      `min` or `max`; or `hook`, and perhaps `within`"
                    .to_owned())
            }
        }
    }
}

fn asks_outside(name: &str, within: Duration, more: bool) -> Result<Asks<'_>, String> {
    let is_word = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    let is_sound = !name.is_empty() && name.chars().all(is_word) && !within.is_zero() && !more;
    is_sound.then_some(Asks::Hook { name, within }).ok_or_else(|| {
        "must have a `hook` of letters, digits, `-` and `_`, a `within` of more than zero, and \
         nothing else"
            .to_owned()
    })
}

fn address(text: &str) -> Result<(), String> {
    let sound = reqwest::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if sound { Ok(()) } else { Err(format!("`{text}` is not an address of http or https")) }
}

impl Checks {
    /// The checks that somebody outside answers, by name.
    pub(crate) fn hooks(&self) -> BTreeMap<String, Hook> {
        let hook = |(name, check): (&String, &Check)| match check.asks() {
            Ok(Asks::Hook { name: hook, within }) => {
                Some((name.clone(), Hook { name: hook.to_owned(), within }))
            }
            _ => None,
        };
        self.named.iter().filter_map(hook).collect()
    }

    /// What is wrong with them.
    pub(crate) fn faults(&self, lease: Duration) -> Vec<String> {
        let mut faults = Vec::new();
        if self.named.is_empty() {
            return faults;
        }
        if self.timeout.is_zero() || self.timeout > lease / 2 {
            faults.push(format!(
                "checks.timeout is {:?} and must be more than zero and at most half of store.lease, \
                 {:?}",
                self.timeout,
                lease / 2
            ));
        }
        if self.attempts == 0 {
            faults.push("checks.attempts must be more than zero".to_owned());
        }
        for (name, check) in &self.named {
            if let Err(fault) = check.asks() {
                faults.push(format!("checks.named.\"{name}\" {fault}"));
            }
        }
        faults
    }
}

/// The intent of a check. What it asks is looked up when it is made, so that no secret is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCall {
    /// The chain that asks.
    pub chain: ChainId,
    /// The name of the check.
    pub check: String,
    /// The look it belongs to.
    pub look: u32,
}

#[cfg(test)]
mod tests;
