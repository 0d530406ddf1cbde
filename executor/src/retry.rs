//! Which failures may pass by themselves, and how often a step is tried again because of them: one
//! table.
//!
//! Another attempt is another run: it plans anew, and its apply is asked about anew. So nothing is
//! applied that nobody allowed, also when an apply failed half way.

use std::time::Duration;

use contracts::{Code, Text};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
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

/// How a class of failure is known and treated.
struct Rule {
    class: Class,
    /// Any of these in what Spacelift says, in lower case.
    signs: &'static [&'static str],
    /// How many attempts there are, the first included.
    attempts: u32,
    /// The wait before the second attempt; doubled before each further one.
    wait: Duration,
}

/// The first rule whose signs are found counts: a request limit is no quota.
const RULES: &[Rule] = &[
    Rule {
        class: Class::Throttling,
        signs: &[
            "throttl",
            "rate exceeded",
            "rate limit",
            "too many requests",
            "requestlimitexceeded",
            "status code: 429",
            "slow down",
        ],
        attempts: 4,
        wait: Duration::from_secs(60),
    },
    Rule {
        class: Class::Quota,
        signs: &["quota", "limitexceeded", "limit exceeded", "insufficientinstancecapacity"],
        attempts: 1,
        wait: Duration::ZERO,
    },
    Rule {
        class: Class::Lock,
        signs: &["state lock", "state blob is already locked", "conditionalcheckfailed"],
        attempts: 5,
        wait: Duration::from_secs(60),
    },
    Rule {
        class: Class::Network,
        signs: &[
            "connection reset",
            "connection refused",
            "no such host",
            "i/o timeout",
            "tls handshake",
            "timed out",
            "temporary failure in name resolution",
            "unexpected eof",
            "network is unreachable",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
        ],
        attempts: 3,
        wait: Duration::from_secs(30),
    },
    Rule {
        class: Class::Policy,
        signs: &["denied by", "policy"],
        attempts: 1,
        wait: Duration::ZERO,
    },
];

/// A label that says how many attempts its stack has at most, whatever the failure.
const LABEL: &str = "stackly:attempts=";

impl Class {
    /// The class of a failure, by what Spacelift says about it.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let found = RULES.iter().find(|rule| rule.signs.iter().any(|sign| text.contains(sign)));
        found.map_or(Self::Code, |rule| rule.class)
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
}

/// How many attempts a step has after such a failure.
pub(crate) fn attempts(class: Class, labels: &[Text]) -> u32 {
    let rule = RULES.iter().find(|rule| rule.class == class);
    let usual = rule.map_or(1, |rule| rule.attempts);
    let said = labels.iter().find_map(|label| label.strip_prefix(LABEL)?.parse().ok());
    said.map_or(usual, |most: u32| usual.min(most.max(1)))
}

/// How long to wait after such a failure of this attempt, which counts from one.
pub(crate) fn wait(class: Class, attempt: u32) -> Duration {
    let first = RULES.iter().find(|rule| rule.class == class).map_or(Duration::ZERO, |it| it.wait);
    first * 2u32.pow(attempt.saturating_sub(1).min(6))
}

#[cfg(test)]
mod tests;
