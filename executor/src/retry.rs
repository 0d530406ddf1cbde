//! Which failures may pass by themselves, and how often a step is tried again because of them: one
//! table of signs, and limits that are configured.
//!
//! Another attempt is another run: it plans anew, and its apply is asked about anew. So nothing is
//! applied that nobody allowed, also when an apply failed half way.

mod log;

use std::time::Duration;

use contracts::{Code, Text, label};
use serde::Deserialize;

pub use log::Finding;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The provider limits the rate of requests.
    Throttling,
    /// A quota or a limit is used up.
    Quota,
    /// Somebody else holds the lock on the state.
    Lock,
    /// The network failed.
    Network,
    /// A policy in Spacelift said no.
    Policy,
    /// The code, or what is not known to be anything else.
    Code,
}

/// How a class of failure is known: any of these, in lower case. The first class whose signs are
/// found counts: a request limit is no quota.
const SIGNS: &[(Class, &[&str])] = &[
    (
        Class::Throttling,
        &[
            "throttl",
            "rate exceeded",
            "rate limit",
            "rate_limit_exceeded",
            "ratelimitexceeded",
            "too many requests",
            "toomanyrequests",
            "requestlimitexceeded",
            "provisionedthroughputexceeded",
            "status code: 429",
            "statuscode: 429",
            "status 429",
            "error 429",
            "429 too many",
            "slow down",
            "slowdown",
        ],
    ),
    (
        Class::Quota,
        &[
            "quota",
            "limitexceeded",
            "limit exceeded",
            "maximum number of",
            "insufficientinstancecapacity",
        ],
    ),
    (
        Class::Lock,
        &[
            "state lock",
            "error locking state",
            "state blob is already locked",
            "workspace already locked",
            "conditionalcheckfailed",
        ],
    ),
    (
        Class::Network,
        &[
            "connection reset",
            "connection refused",
            "no such host",
            "could not resolve host",
            "i/o timeout",
            "tls handshake",
            "timed out",
            "context deadline exceeded",
            "client.timeout exceeded",
            "temporary failure in name resolution",
            "unexpected eof",
            "network is unreachable",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
        ],
    ),
    (Class::Policy, &["denied by", "policy"]),
    (
        Class::Code,
        &[
            "error: invalid",
            "error: unsupported",
            "error: missing required",
            "error: reference to undeclared",
            "error: duplicate",
            "error: cycle",
            "error: incorrect attribute value type",
            "error: module not installed",
        ],
    ),
];

/// However often it was tried, no wait is longer than after so many attempts.
const GROWS: u32 = 6;

impl Class {
    /// The class of a failure, by what Spacelift says about it.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let found = SIGNS.iter().find(|(_, signs)| signs.iter().any(|&sign| text.contains(sign)));
        found.map_or(Self::Code, |(class, _)| *class)
    }

    /// The reason code of a step that ended by it.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Throttling => Code::ProviderThrottled,
            Self::Quota => Code::QuotaExceeded,
            Self::Lock => Code::StateLocked,
            Self::Network => Code::NetworkFailed,
            Self::Policy => Code::RunDenied,
            Self::Code => Code::RunFailed,
        }
    }

    /// As people say it.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::Throttling => "the provider limits the rate of requests",
            Self::Quota => "a quota is used up",
            Self::Lock => "somebody else holds the lock on the state",
            Self::Network => "the network failed",
            Self::Policy => "a policy denied it",
            Self::Code => "the code failed",
        }
    }

    /// Whether it may pass without anybody doing something.
    fn may_pass(self) -> bool {
        matches!(self, Self::Throttling | Self::Lock | Self::Network)
    }
}

/// How often what failed is tried again, by the class of the failure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// Whether the log of a failed run is read where Spacelift does not say why it failed.
    pub read_logs: bool,
    /// After a failure of the network.
    pub network: Limit,
    /// After the provider limited the rate of requests.
    pub throttling: Limit,
    /// While somebody else holds the lock on the state.
    pub lock: Limit,
    /// After a quota was used up.
    pub quota: Limit,
    /// After a policy of Spacelift said no.
    pub policy: Limit,
    /// After any other failure.
    pub code: Limit,
}

/// How often, and when.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many attempts there are, the first included.
    pub attempts: u32,
    /// The wait before the second attempt.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// How many times longer the wait before each further one is.
    pub factor: f64,
}

impl Default for Retries {
    /// As `config.default.toml` says, and without reading logs.
    fn default() -> Self {
        let limit =
            |attempts, seconds| Limit { attempts, wait: Duration::from_secs(seconds), factor: 2.0 };
        Self {
            read_logs: false,
            network: limit(3, 30),
            throttling: limit(4, 60),
            lock: limit(5, 60),
            quota: limit(1, 300),
            policy: limit(1, 300),
            code: limit(1, 60),
        }
    }
}

impl Retries {
    /// What holds for a class.
    pub(crate) fn of(&self, class: Class) -> Limit {
        match class {
            Class::Throttling => self.throttling,
            Class::Quota => self.quota,
            Class::Lock => self.lock,
            Class::Network => self.network,
            Class::Policy => self.policy,
            Class::Code => self.code,
        }
    }

    /// What cannot be meant, as sentences.
    pub(crate) fn faults(&self) -> Vec<String> {
        let limits = [
            ("network", self.network),
            ("throttling", self.throttling),
            ("lock", self.lock),
            ("quota", self.quota),
            ("policy", self.policy),
            ("code", self.code),
        ];
        let is_sound = |limit: &Limit| limit.attempts > 0 && (1.0..=100.0).contains(&limit.factor);
        let bad = limits.iter().filter(|(_, limit)| !is_sound(limit));
        bad.map(|(name, _)| {
            format!("retries.{name} needs at least one attempt, and a factor from 1 to 100")
        })
        .collect()
    }
}

impl Limit {
    /// How many attempts a step with these labels has.
    pub(crate) fn attempts(self, labels: &[Text]) -> u32 {
        let said =
            labels.iter().find_map(|label| label.strip_prefix(label::ATTEMPTS)?.parse().ok());
        said.map_or(self.attempts, |most: u32| self.attempts.min(most.max(1)))
    }

    /// How long to wait after a failure of this attempt, which counts from one.
    pub(crate) fn wait(self, attempt: u32) -> Duration {
        let times = self.factor.powf(f64::from(attempt.saturating_sub(1).min(GROWS)));
        Duration::try_from_secs_f64(self.wait.as_secs_f64() * times).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests;
