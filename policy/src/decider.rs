//! What happens to a gate: it is asked for, reviewed, or its time has come.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::{Code, Envelope, GateId, Outgoing, Trace, gate::GateRequested, inbound};
use sqlx::PgConnection;
use store::{Decider, Decision, Refusal};
use uuid::Uuid;

use crate::{folder::Library, gate::Gate, review::Review, store as tables};

inbound! {
    /// What happens to a gate.
    #[derive(Debug, Clone)]
    pub enum Happening {
        Requested(GateRequested),
        ; also
        /// A person said something about it.
        Reviewed(Reviewed),
        /// Its time has come, or the policies have changed.
        Due(GateId),
    }
}

/// A person said something about a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The gate.
    pub gate: GateId,
    /// What they said.
    pub review: Review,
}

/// A gate with the story it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The gate.
    pub gate: Gate,
    /// The correlation id of its question.
    pub correlation: Uuid,
    /// Where the question stood in its trace.
    pub trace: Option<Trace>,
}

/// Decides gates by the policies in force.
#[derive(Debug)]
pub struct GateDecider {
    /// The policies in force.
    pub library: Arc<Library>,
}

impl Decider for GateDecider {
    type Input = Happening;
    type State = Option<Kept>;

    async fn keys(
        &self,
        _connection: &mut PgConnection,
        inputs: &[&Happening],
    ) -> Result<Vec<Option<Uuid>>, sqlx::Error> {
        let gate = |input: &&Happening| match input {
            Happening::Requested(request) => request.gate,
            Happening::Reviewed(reviewed) => reviewed.gate,
            Happening::Due(gate) => *gate,
        };
        Ok(inputs.iter().map(|input| Some(gate(input).0)).collect())
    }

    async fn load(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<HashMap<Uuid, Option<Kept>>, sqlx::Error> {
        let kept = tables::load(connection, keys).await?;
        Ok(kept.into_iter().map(|kept| (kept.gate.request.gate.0, Some(kept))).collect())
    }

    fn decide(
        &self,
        state: &mut Option<Kept>,
        input: &Envelope<Happening>,
        now: DateTime<Utc>,
    ) -> Result<Decision, Refusal> {
        let set = self.library.current();
        let changed = match (&input.body, state.as_mut()) {
            (Happening::Requested(request), None) => {
                let gate = Gate::open(&set, request.clone(), now);
                let (correlation, trace) = (input.correlation, input.trace.clone());
                *state = Some(Kept { gate, correlation, trace });
                true
            }
            // Whoever asks again has lost the answer: it is given again, not decided again.
            (Happening::Requested(request), Some(kept)) if kept.gate.is_about(request) => true,
            (Happening::Requested(request), Some(_)) => {
                let text = format!(
                    "{} was asked about another commit or plan before; a gate is bound to what it \
                     was asked about",
                    request.gate
                );
                return Err(Refusal::Never { code: Code::Unreadable, text });
            }
            // A refused review changes nothing; whoever sent it is told by the command.
            (Happening::Reviewed(reviewed), Some(kept)) => {
                kept.gate.review(&set, reviewed.review.clone(), now).unwrap_or(false)
            }
            (Happening::Due(_), Some(kept)) => kept.gate.reconsider(&set, now),
            (Happening::Reviewed(_) | Happening::Due(_), None) => false,
        };
        let mut decision = Decision::none();
        if let Some(kept) = state.as_ref().filter(|_| changed) {
            // A wake-up has no trace of its own; everything else stands in one already.
            let woken = matches!(input.body, Happening::Due(_));
            decision.answers.push(kept.announce(kept.trace.clone().filter(|_| woken)));
        }
        Ok(decision)
    }

    async fn save(
        &self,
        connection: &mut PgConnection,
        states: &[(Uuid, &Option<Kept>)],
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let kept: Vec<&Kept> = states.iter().filter_map(|(_, state)| state.as_ref()).collect();
        tables::save(connection, &kept).await?;
        Ok(Vec::new())
    }

    fn wake_at(&self, state: &Option<Kept>) -> Option<DateTime<Utc>> {
        state.as_ref().and_then(|kept| kept.gate.hold_until())
    }

    fn wake(&self, key: Uuid) -> Option<Happening> {
        Some(Happening::Due(GateId(key)))
    }
}

impl Kept {
    /// The answer, as part of the story that asked for it, whatever caused it.
    fn announce(&self, trace: Option<Trace>) -> Outgoing {
        let announcement = self.gate.announcement();
        let reason = announcement.reasons.first().map(ToString::to_string).unwrap_or_default();
        tracing::info!(
            gate.id = %announcement.gate,
            chain.id = %announcement.chain,
            gate.moment = %announcement.moment,
            gate.revision = announcement.revision,
            outcome = self.gate.outcome_word(),
            reason,
            "decided a gate"
        );
        Outgoing::new(&announcement).within(self.correlation, trace)
    }
}

#[cfg(test)]
mod tests;
