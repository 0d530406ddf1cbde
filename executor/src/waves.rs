//! Waves: which steps of a chain go before which, beyond what they depend on.
//!
//! What a stack depends on goes before everything a label says: a stack that depends on a later wave
//! is of that wave, and what a canary depends on goes with the canaries. So waves and dependencies
//! together never form a circle.

mod rules;
mod turns;

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use contracts::{
    Code, Reason, StackId, Text,
    chain::{ChainKind, PlannedStep},
    label,
    step::StepState,
};
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use rules::Failures;
pub(crate) use rules::{Rule, Rules};
#[cfg(test)]
use turns::Turn;
pub use turns::turns;

use crate::{chain::Chain, shape::Shape, step::Step};

/// Which wave it is; smaller ones go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Of the canaries, and of what they depend on.
    Canary,
    /// Of the stacks with this number.
    Number(u32),
    /// Of the stacks whose label names no number: last is never too early.
    Last,
}

impl Name {
    /// What the labels of a stack say; if they say several, the latest.
    fn of(labels: &[Text]) -> Option<Self> {
        let said = |label: &Text| {
            let number = label.strip_prefix(label::WAVE)?.strip_prefix(['=', ':'])?;
            Some(number.trim().parse().map_or(Self::Last, Self::Number))
        };
        match labels.iter().any(|label| *label == label::CANARY) {
            true => Some(Self::Canary),
            false => labels.iter().filter_map(said).max(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => f.write_str("the canary wave"),
            Self::Number(number) => write!(f, "wave {number}"),
            Self::Last => f.write_str("the last wave (of stacks whose label names no number)"),
        }
    }
}

/// Steps that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wave {
    /// Which it is.
    pub name: Name,
    /// Their places.
    pub steps: Vec<usize>,
}

/// The waves of a chain. Made of its steps, never written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waves {
    /// In order.
    list: Vec<Wave>,
    /// By step: how many of them must be through before it starts.
    after: Vec<usize>,
}

impl Waves {
    /// The waves of these steps, if any of them waits for one. A preview changes nothing that
    /// others would have to be spared.
    pub(crate) fn of(kind: ChainKind, steps: &[Step], shape: &Shape) -> Self {
        Self::of_planned(kind, steps.iter().map(|step| &step.planned), shape)
    }

    fn of_planned<'a>(
        kind: ChainKind,
        steps: impl Iterator<Item = &'a PlannedStep>,
        shape: &Shape,
    ) -> Self {
        let said: Vec<_> = steps.map(|step| Name::of(&step.labels)).collect();
        if kind == ChainKind::Preview || said.iter().all(Option::is_none) {
            return Self::default();
        }
        // Children have later places than their parents.
        let mut is_first = vec![false; said.len()];
        for at in (0..said.len()).rev() {
            is_first[at] = said[at] == Some(Name::Canary)
                || shape.children(at).iter().any(|&child| is_first[child]);
        }
        let mut lifted: Vec<Option<Name>> = vec![None; said.len()];
        let mut waves: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (at, own) in said.iter().enumerate() {
            if is_first[at] {
                waves.entry(Name::Canary).or_default().push(at);
                continue;
            }
            let above = shape.parents(at).iter().filter_map(|&parent| lifted[parent]);
            lifted[at] = above.chain(*own).max();
            if let (Some(name), true) = (lifted[at], own.is_some()) {
                waves.entry(name).or_default().push(at);
            }
        }
        let canaries = usize::from(waves.contains_key(&Name::Canary));
        let place = |name| waves.keys().position(|known| Some(*known) == name);
        let after = (0..said.len()).map(|at| match said[at] {
            _ if is_first[at] => 0,
            Some(_) => place(lifted[at]).expect("it is in its own wave"),
            None => canaries,
        });
        let after: Vec<usize> = after.collect();
        if after.iter().all(|&after| after == 0) {
            return Self::default();
        }
        let list = waves.into_iter().map(|(name, steps)| Wave { name, steps }).collect();
        Self { list, after }
    }

    /// A wave by its place.
    #[cfg(test)]
    pub(crate) fn at(&self, place: usize) -> &Wave {
        &self.list[place]
    }

    /// Whether no step waits for a wave.
    pub(crate) fn is_none(&self) -> bool {
        self.list.is_empty()
    }
}

/// How far the waves of a chain are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// How many waves are through; they stay so.
    pub passed: usize,
    /// How often health was looked at.
    pub looks: u32,
    /// What the wave after those waits for, once all of its steps have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who outside was asked in the newest look and has not answered, by the name of the check, and
    /// until when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, DateTime<Utc>>,
}

impl Rollout {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// When something is to be done: the wave has soaked, its health is to be looked at again, or
    /// somebody has not answered in time.
    pub(crate) fn wake_at(&self) -> Option<DateTime<Utc>> {
        let (until, next) = match &self.stage {
            Some(Stage::Soaking { until, next, .. }) => (Some(*until), *next),
            _ => (None, None),
        };
        until.into_iter().chain(next).chain(self.asked.values().copied()).min()
    }
}

/// What a wave waits for whose steps have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// That time passes in which something may show.
    Soaking {
        /// When it is over.
        until: DateTime<Utc>,
        /// When health is looked at meanwhile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<DateTime<Utc>>,
        /// The checks of the look under way that have not answered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        open: Vec<String>,
    },
    /// The answers of health checks.
    Checking {
        /// The checks that have not answered.
        open: Vec<String>,
        /// What those said that do not hold.
        failed: Vec<String>,
    },
    /// A person.
    Held {
        /// Why.
        reason: Reason,
        /// Until when it was to soak.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        soaks_until: Option<DateTime<Utc>>,
    },
}

/// How the steps of a wave stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) steps: usize,
    /// How many have not ended.
    pub(crate) open: usize,
    /// How many did not end well.
    pub(crate) bad: usize,
    /// How many of those that ended may have changed something.
    pub(crate) changed: usize,
}

/// A wave, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveLine {
    /// Which it is: `wave 2`, `the canary wave`.
    pub wave: String,
    /// Its stacks.
    pub stacks: Vec<StackId>,
    /// How many of its steps have ended.
    pub ended: usize,
    /// Later ones may begin.
    pub through: bool,
    /// What it waits for, once its steps have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
}

impl fmt::Display for WaveLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wave, stacks, ended, .. } = self;
        write!(f, "{wave}: {ended} of {} ended", stacks.len())?;
        match &self.stage {
            _ if self.through => f.write_str(", and it is through"),
            None => Ok(()),
            Some(Stage::Soaking { until, open, .. }) => {
                write!(f, ", and it soaks until {}", moment(*until))?;
                let open = open.join(", ");
                if open.is_empty() { Ok(()) } else { write!(f, "; health checks are made: {open}") }
            }
            Some(Stage::Checking { open, failed }) => {
                write!(f, ", and health checks are made: {}", open.join(", "))?;
                if failed.is_empty() { Ok(()) } else { write!(f, "; {}", failed.join("; ")) }
            }
            Some(Stage::Held { reason, .. }) => write!(f, ", and it is held {}", reason.text),
        }
    }
}

/// A time as it is told.
pub(crate) fn moment(at: DateTime<Utc>) -> impl fmt::Display {
    at.format("%Y-%m-%d %H:%M:%S UTC")
}

impl Waves {
    /// The waves, as people are shown them.
    pub(crate) fn lines(&self, steps: &[Step], rollout: &Rollout) -> Vec<WaveLine> {
        let line = |(at, wave): (usize, &Wave)| {
            let steps = || wave.steps.iter().map(|&at| &steps[at]);
            WaveLine {
                wave: wave.name.to_string(),
                stacks: steps().map(|step| step.planned.stack.clone()).collect(),
                ended: steps().filter(|step| step.state.is_terminal()).count(),
                through: at < rollout.passed,
                stage: rollout.stage.clone().filter(|_| at == rollout.passed),
            }
        };
        self.list.iter().enumerate().map(line).collect()
    }
}

impl Chain {
    /// The wave that is not through, if a step waits for it. What is there for what has gone wrong
    /// waits for none.
    pub(crate) fn wave_before(&self, at: usize) -> Option<&Wave> {
        let passed = self.course.rollout.passed;
        let after = self.waves.after.get(at).copied().unwrap_or_default();
        let waits = after > passed && !self.is_called_for(at);
        if waits { self.waves.list.get(passed) } else { None }
    }

    /// The first wave that is not through.
    pub(crate) fn current_wave(&self) -> Option<&Wave> {
        self.waves.list.get(self.course.rollout.passed)
    }

    /// How its steps stand.
    pub(crate) fn tally(&self, wave: &Wave) -> Tally {
        let steps = || wave.steps.iter().map(|&at| &self.steps[at]);
        let is_bad = |step: &&Step| step.state.is_terminal() && step.state != StepState::Finished;
        // A run of another chain, or of an earlier attempt, may have changed something, too.
        let has_run = |step: &Step| {
            let is_shared = step.reason.code == Code::RunShared;
            step.run.is_some() || is_shared || step.course.attempt > 1
        };
        let has_changed = |step: &&Step| has_run(step) && !step.course.unchanged;
        Tally {
            steps: wave.steps.len(),
            open: steps().filter(|step| !step.state.is_terminal()).count(),
            bad: steps().filter(is_bad).count(),
            changed: steps().filter(has_changed).count(),
        }
    }
}

#[cfg(test)]
mod tests;
