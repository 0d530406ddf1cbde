//! The effects that read code, and what is told when that fails.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bus::{Problem, ProblemKind};
use chrono::{TimeDelta, Utc};
use contracts::{Code, CommitSha, Reason};
use store::{Claim, Performed, Performer};

use super::{Call, Mirrors, Reading, origin::is_lasting};
use crate::{
    decider::{Input, Planner},
    under_way::UnderWay,
    validate::{self, Validated, Validator},
};

/// For how long one attempt waits. What takes longer goes on, and the next attempt finds it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// For how long a commit is asked for that the origin does not have: hosts tell of some a moment
/// before they give them, and one that a forced push took back never comes.
const MISSING_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// The performer of readings, and of validations.
pub(crate) struct Reads {
    mirrors: Arc<Mirrors>,
    validator: Validator,
    under_way: UnderWay<anyhow::Result<Reading>>,
}

impl Performer for Reads {
    type Decider = Planner;

    async fn perform(&self, claim: &Claim) -> Performed<Input> {
        if claim.kind == validate::KIND {
            return self.validator.perform(claim).await;
        }
        let call: Call = match claim.read() {
            Ok(call) => call,
            Err(why) => return Performed::Later { after: PAUSE, why, uncertain: false },
        };
        let what = format!("{} of {}", call.branch, call.repository);
        let trouble = match self.attempt(claim.id, call.clone()).await {
            Ok(reading) => return Performed::Done(Input::Read(Arc::new(reading))),
            Err(trouble) => trouble,
        };
        let shelf = &self.mirrors.shelf;
        if trouble.is_missing() {
            // Whoever says so was there to be asked.
            shelf.note_there(&call.repository);
        }
        let patience = trouble.patience(self.mirrors.patience, shelf.is_away(&call.repository));
        let text = match &trouble {
            Trouble::Slow => format!("the mirror cannot give {what}: it is still being fetched"),
            Trouble::Failed(error) => format!("the mirror cannot give {what}: {error:#}"),
        };
        let why = Reason::new(Code::GitUnavailable, text);
        if Utc::now() - claim.created_at < TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX) {
            return Performed::Later { after: PAUSE, why, uncertain: false };
        }
        if let Trouble::Failed(_) = trouble {
            tracing::warn!(repository = call.repository, reason = why.text, "no mirror");
            if !trouble.is_missing() {
                shelf.note_away(&call.repository, why.clone());
            }
        }
        drop(self.under_way.take(claim.id));
        let is_missing = trouble.is_missing();
        let reading = Reading { is_missing, ..Reading::failed(call, why) };
        Performed::Done(Input::Read(Arc::new(reading)))
    }

    fn undecidable(&self, claim: &Claim, why: String) -> Option<Input> {
        if claim.kind == validate::KIND {
            let call = serde_json::from_value(claim.body.clone()).ok()?;
            return Some(Input::Validated(Arc::new(Validated::undecidable(call, &why))));
        }
        let call: Call = serde_json::from_value(claim.body.clone()).ok()?;
        let what = call.commit.as_ref().map_or(call.branch.as_str(), CommitSha::as_str);
        let reason = undecidable(what, &why);
        Some(Input::Read(Arc::new(Reading::undecidable(call, reason))))
    }
}

/// Why a commit that was asked for cannot be read, and what to do if it is nowhere.
pub(crate) fn unreadable(error: anyhow::Error, advice: &str) -> Problem {
    match error.downcast_ref() {
        Some(git::Error::Missing { commit }) => {
            let text = format!("no mirror has {commit}; {advice}");
            Problem::new(ProblemKind::NotFound, "commit_unknown", text)
        }
        Some(git::Error::NoCommit { .. }) => Problem::malformed(format!("{error:#}")),
        _ => Problem::new(ProblemKind::Unavailable, "git_unavailable", format!("{error:#}")),
    }
}

/// Why nothing follows from a commit whose code was read.
pub(crate) fn undecidable(commit: &str, why: &str) -> Reason {
    let text = format!(
        "what follows from {commit} cannot be written down ({why}); the catalogue is left as it was"
    );
    Reason::new(Code::Undecidable, text)
}

/// Why an attempt gave nothing.
enum Trouble {
    /// It goes on, and a later attempt may find it.
    Slow,
    Failed(anyhow::Error),
}

impl Trouble {
    /// Whether the origin was asked and does not have the commit.
    fn is_missing(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        matches!(error.downcast_ref(), Some(git::Error::Missing { .. }))
    }

    /// For how long it is tried again; `usual` is how long where nothing else is known.
    fn patience(&self, usual: Duration, is_away: bool) -> Duration {
        match self {
            Self::Slow => usual,
            // It was waited for already, and most likely nothing has changed.
            Self::Failed(error) if is_lasting(error) || is_away => Duration::ZERO,
            Self::Failed(_) if self.is_missing() => usual.min(MISSING_PATIENCE),
            Self::Failed(_) => usual,
        }
    }
}

impl Reads {
    pub(crate) fn new(mirrors: Arc<Mirrors>, validator: Validator) -> Self {
        Self { mirrors, validator, under_way: UnderWay::default() }
    }

    async fn attempt(&self, id: uuid::Uuid, call: Call) -> Result<Reading, Trouble> {
        let reading = self.mirrors.clone().read(call);
        let in_time = self.under_way.wait((id, ATTEMPT), reading).await.ok_or(Trouble::Slow)?;
        in_time.context("reading it panicked").flatten().map_err(Trouble::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MISSING_PATIENCE, Trouble};

    #[test]
    fn a_commit_that_is_nowhere_is_not_waited_for_as_long_as_an_origin_that_is_away() {
        let usual = Duration::from_secs(60);
        let missing = git::Error::Missing { commit: "c0ffee".to_owned() };
        let missing = Trouble::Failed(anyhow::Error::from(missing).context("a look at it"));
        assert!(missing.is_missing());
        assert_eq!(missing.patience(usual, false), MISSING_PATIENCE);
        let away = Trouble::Failed(anyhow::anyhow!("no route to host"));
        assert!(!away.is_missing());
        assert_eq!(away.patience(usual, false), usual);
        assert_eq!(away.patience(usual, true), Duration::ZERO);
    }
}
