//! Look before you repeat: which run came of a trigger whose answer was lost.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{CommitSha, RunId, run::RunType};

use crate::RunFacts;

/// How far Spacelift's clock and ours may be apart. Too little would miss a run and trigger it
/// again; too much only finds runs that are known anyway.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// The run that a trigger would have made. The mark that the trigger carries is no part of it: Spacelift
/// shows it to policies alone. The stack is ours while a step is in flight, so what
/// fits is ours or somebody is using our API key.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The commit asked for; none if the trigger left it to the stack.
    pub commit: Option<CommitSha>,
    /// The kind of run asked for.
    pub run_type: RunType,
    /// Our actor, as [`crate::Client::actor`] says.
    pub triggered_by: String,
    /// When the trigger was first about to be sent, by our clock.
    pub since: DateTime<Utc>,
    /// Runs of the stack that came of something else we did.
    pub known: Vec<RunId>,
}

impl Expected {
    /// The time from which on runs must be read: what to give to [`crate::Client::recent_runs`].
    pub fn horizon(&self) -> DateTime<Utc> {
        self.since - CLOCK_SKEW
    }

    /// The time from which on, by our clock, it must be known what runs came of something else: that of
    /// Spacelift may be ahead.
    pub fn known_from(&self) -> DateTime<Utc> {
        self.horizon() - CLOCK_SKEW
    }

    fn fits(&self, run: &RunFacts) -> bool {
        // Spacelift cuts its times to whole seconds.
        run.created_at.timestamp() >= self.horizon().timestamp()
            && run.run_type == self.run_type
            && run.triggered_by.as_deref() == Some(self.triggered_by.as_str())
            && self.commit.as_ref().is_none_or(|commit| *commit == run.commit)
            && !self.known.contains(&run.run)
    }
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made per look and taken apart at once")]
pub enum Found {
    /// The trigger took effect, and this is its run.
    One(RunFacts),
    /// No run fits: the trigger did not take effect, provided it had the time to.
    None,
    /// Several fit: a person must say which.
    Several(Vec<RunFacts>),
}

/// Which of `runs` came of the trigger that was `expected`.
pub fn look_for(runs: &[RunFacts], expected: &Expected) -> Found {
    let mut fitting: Vec<RunFacts> = Vec::new();
    for run in runs.iter().filter(|run| expected.fits(run)) {
        // Pages that shift while they are read may show a run twice.
        if !fitting.iter().any(|other| other.run == run.run) {
            fitting.push(run.clone());
        }
    }
    match fitting.len() {
        0 => Found::None,
        1 => Found::One(fitting.remove(0)),
        _ => Found::Several(fitting),
    }
}
