//! What must be so before the next wave begins: as configured, and as the labels of stacks say.

use contracts::label;
use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::Wave;
use crate::{checks::Hook, label::soak_of, step::Step};

/// What must be so before the next wave begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How long every wave soaks.
    #[serde(with = "humantime_serde")]
    pub soak: Duration,
    /// How many steps of a wave may end badly.
    pub failures: Failures,
    /// The checks that must hold after every wave, by name.
    pub checks: Vec<String>,
    /// How often the checks are made while a wave soaks; zero for only when it has soaked.
    #[serde(with = "humantime_serde")]
    pub look_every: Duration,
    /// The checks that somebody outside answers. As configured with the checks.
    #[serde(skip)]
    pub hooks: BTreeMap<String, Hook>,
    /// More, for waves with a stack that has a label.
    pub labels: BTreeMap<String, Special>,
    /// More, for waves with a stack of a space.
    pub spaces: BTreeMap<String, Special>,
}

/// What must be so after waves with certain stacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Special {
    /// How long such a wave soaks at least.
    #[serde(with = "humantime_serde::option")]
    pub soak: Option<Duration>,
    /// How many of its steps may end badly, in place of what holds for all.
    pub failures: Option<Failures>,
    /// The checks that must hold, too.
    pub checks: Vec<String>,
}

/// How many steps of a wave may end badly before no later one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(u8),
}

impl Default for Failures {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl Failures {
    /// How many of so many steps.
    pub(crate) fn of(self, steps: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => steps * usize::from(percent) / 100,
        }
    }
}

impl FromStr for Failures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = match text.trim().strip_suffix('%') {
            Some(percent) => {
                percent.trim_end().parse().ok().filter(|percent| *percent <= 100).map(Self::Percent)
            }
            None => text.trim().parse().ok().map(Self::Count),
        };
        read.ok_or_else(|| "is neither a number nor a percentage such as \"10%\"".to_owned())
    }
}

impl<'de> Deserialize<'de> for Failures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Failures;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a percentage such as \"10%\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Failures, E> {
                text.parse().map_err(|fault| E::custom(format!("`{text}` {fault}")))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Failures, E> {
                let count = usize::try_from(number).map_err(E::custom)?;
                Ok(Failures::Count(count))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Failures, E> {
                usize::try_from(number).map(Failures::Count).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// What must be so after one wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) soak: Duration,
    /// How many of its steps may end badly.
    pub(crate) failures: usize,
    pub(crate) checks: Vec<String>,
}

impl Rules {
    /// What must be so after a wave of these steps. What is said of any of its stacks counts: the
    /// longest time, all checks, and of what is said of failures the least.
    pub(crate) fn of(&self, wave: &Wave, steps: &[Step]) -> Rule {
        let mut soak = self.soak;
        let mut failures: Option<usize> = None;
        let mut checks = self.checks.clone();
        for planned in wave.steps.iter().map(|&at| &steps[at].planned) {
            let labels = planned.labels.iter().filter_map(|label| self.labels.get(label.as_str()));
            for special in labels.chain(self.spaces.get(planned.space.as_str())) {
                soak = soak.max(special.soak.unwrap_or_default());
                let few = special.failures.map(|few| few.of(wave.steps.len()));
                failures = failures.into_iter().chain(few).min();
                checks.extend(special.checks.iter().cloned());
            }
            for label in &planned.labels {
                soak = soak.max(soak_of(label).and_then(Result::ok).unwrap_or_default());
                checks.extend(label.strip_prefix(label::CHECK).map(|name| name.trim().to_owned()));
            }
        }
        checks.sort();
        checks.dedup();
        let failures = failures.unwrap_or_else(|| self.failures.of(wave.steps.len()));
        Rule { soak, failures, checks }
    }

    /// What to add to a sentence about a wave of which a label names no time: that it is not heeded.
    pub(crate) fn unheeded(wave: &Wave, steps: &[Step]) -> String {
        let said = wave.steps.iter().map(|&at| &steps[at].planned).flat_map(|planned| {
            planned.labels.iter().filter_map(|label| match soak_of(label)? {
                Ok(_) => None,
                Err(_) => Some(format!(
                    "; `{label}` of {} names no time, so it is not heeded",
                    planned.stack
                )),
            })
        });
        said.collect()
    }

    /// The checks that are named anywhere, each with the key that names it.
    pub(crate) fn named(&self) -> impl Iterator<Item = (String, &str)> {
        let everywhere = self.checks.iter().map(|name| ("waves.checks".to_owned(), name.as_str()));
        let labels = self.labels.iter().map(|it| ("labels", it));
        let spaces = self.spaces.iter().map(|it| ("spaces", it));
        let special = labels.chain(spaces).flat_map(|(kind, (key, special))| {
            let place = format!("waves.{kind}.\"{key}\".checks");
            special.checks.iter().map(move |name| (place.clone(), name.as_str()))
        });
        everywhere.chain(special)
    }
}
