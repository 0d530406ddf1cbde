//! Questions about what was decided: why, and what other policies would have said.

use bus::{Problem, ProblemKind, read};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{GateId, chain::ChainPlanned, gate::OverrideGate, plain};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Desk, shown::shown, unavailable};
use crate::{
    decider::StoredGate,
    document,
    evaluate::{Line, explain},
    foresee::foresee,
    page::{Explained, FollowUp, FollowedUp, Foresight, OnTrial, Overrides, Records, Tried},
    replay::Record,
    review::ReviewRefused,
    store as tables,
};

/// The most decisions in one answer.
const RECORDS_MAX: i64 = 500;
/// Since when differences of a trial are told, if nobody says.
const TRIAL: TimeDelta = TimeDelta::days(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    gate: GateId,
}

/// The planner asks it, and a newer one may tell more.
#[derive(Deserialize)]
struct ForeseeRequest {
    chain: ChainPlanned,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordsRequest {
    since: DateTime<Utc>,
    after: Option<(DateTime<Utc>, Uuid)>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TrialRequest {
    since: Option<DateTime<Utc>>,
}

impl Desk {
    /// `explain`: one decision, line by line, by the very policies that decided it.
    pub(crate) async fn explain(&self, body: Value) -> Result<Value, Problem> {
        let ExplainRequest { gate } = read(body)?;
        let StoredGate { gate, .. } = self.gate(gate).await?;
        let set = self.library.current();
        let case = gate.case_for(gate.decided_at);
        let (lines, by_now): (Vec<Line>, bool) = if set.digest == gate.policy_digest {
            (explain(&set, &case), false)
        } else {
            let kept = tables::kept_set(&self.pool, &gate.policy_digest).await;
            let files = kept.map_err(|error| unavailable(&error))?;
            match files.and_then(|files| document::read_kept(&files).ok()) {
                Some(set) => (explain(&set, &case), false),
                None => (explain(&set, &case), true),
            }
        };
        let gate = shown(&gate, &set);
        Ok(plain(&Explained { gate, lines, by_policies_of_now: by_now }))
    }

    /// `foresee`: what would be decided about a chain that nobody has started.
    pub(crate) async fn foresee(&self, body: Value) -> Result<Value, Problem> {
        let ForeseeRequest { chain } = read(body)?;
        let (set, now) = (self.library.current(), Utc::now());
        let (digest, gates) = (set.digest.clone(), foresee(&set, &chain, now));
        Ok(plain(&Foresight { at: now, digest, gates }))
    }

    /// `records`: decisions with everything they depend on, a page at a time; and from when on all
    /// of them are there.
    pub(crate) async fn records(&self, body: Value) -> Result<Value, Problem> {
        let RecordsRequest { since, after } = read(body)?;
        let after = after.unwrap_or((since, Uuid::nil()));
        let found = tables::recorded(&self.pool, since, after, RECORDS_MAX).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let next = found
            .last()
            .filter(|_| i64::try_from(found.len()) == Ok(RECORDS_MAX))
            .map(|kept| (kept.gate.requested_at, kept.gate.request.gate.0));
        let records: Vec<Record> = found.into_iter().map(|kept| Record::of(kept.gate)).collect();
        let oldest = tables::oldest(&self.pool).await.map_err(|error| unavailable(&error))?;
        let kept_from = oldest.map(|oldest| oldest.max(Utc::now() - self.kept));
        Ok(plain(&Records { records, next, kept_from }))
    }

    /// `overrides`: who broke the glass of what, the newest first.
    pub(crate) async fn overrides(&self, body: Value) -> Result<Value, Problem> {
        let request: TrialRequest = read(body)?;
        let since = request.since.unwrap_or_else(|| Utc::now() - TRIAL);
        let found = tables::overrides(&self.pool, since, RECORDS_MAX).await;
        let overrides = found.map_err(|error| unavailable(&error))?;
        Ok(plain(&Overrides { since, overrides }))
    }

    /// `gate.override`, done: a person says what came of a broken glass.
    pub(super) async fn follow_up(&self, command: OverrideGate) -> Result<Value, Problem> {
        let OverrideGate { gate, by, reason, .. } = command;
        let (by, note) = (by.trim().to_owned(), reason.trim().to_owned());
        for (text, refused) in [(&by, ReviewRefused::Nameless), (&note, ReviewRefused::Noteless)] {
            if text.is_empty() {
                return Err(refused.into());
            }
        }
        let follow_up = FollowUp { by, note, at: Utc::now() };
        let is_noted = tables::follow_up(&self.pool, gate, &follow_up).await;
        if !is_noted.map_err(|error| unavailable(&error))? {
            let message = format!("nobody broke the glass of {gate}; `stackly policy overrides`");
            return Err(Problem::new(ProblemKind::NotFound, "nothing_overridden", message));
        }
        Ok(plain(&FollowedUp { gate, follow_up }))
    }

    /// `shadow`: the policies on trial, and what they would have decided otherwise.
    pub(crate) async fn shadow(&self, body: Value) -> Result<Value, Problem> {
        let request: TrialRequest = read(body)?;
        let Some(shadow) = &self.engine.decider().shadow else {
            let message = "there are no policies on trial; set `policies.shadow` to their folder, or \
                           `policies.shadow_git` to their branch";
            return Err(Problem::new(ProblemKind::NotFound, "no_shadow", message));
        };
        let since = request.since.unwrap_or_else(|| Utc::now() - TRIAL);
        let (trial, differ) = tables::trial_of(&self.pool, since, RECORDS_MAX)
            .await
            .map_err(|error| unavailable(&error))?;
        let set = self.library.current();
        let tried = |StoredGate { gate, .. }| {
            let shown = shown(&gate, &set);
            Some(Tried { gate: shown, shadow: gate.shadow? })
        };
        let shelf = shadow.shelf();
        Ok(plain(&OnTrial {
            folder: shadow.source().title(),
            digest: shelf.set.digest.clone(),
            commit: shelf.set.commit.clone(),
            refused: shelf.refused.map(|refused| refused.faults.to_string()),
            away: shelf.away,
            since,
            trial,
            differences: differ.into_iter().filter_map(tried).collect(),
        }))
    }
}
