//! What people ask and say over request and reply: reviews, gates, policies.

use std::sync::Arc;

use bus::Problem;
use chrono::Utc;
use contracts::{ChainId, Envelope, GateId, Message, gate::ReviewGate};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sqlx::PgPool;
use store::Engine;
use uuid::Uuid;

use crate::{
    decider::{GateDecider, Happening, Kept, Reviewed},
    evaluate::standings,
    folder::Library,
    gate::Gate,
    model::PolicySet,
    review::Review,
    store::{self as tables, Filter},
};

/// The most gates in one answer.
const GATES_MAX: i64 = 500;

/// Who answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Where reviews are decided.
    pub(crate) engine: Engine<GateDecider>,
    /// Where gates are kept.
    pub(crate) pool: PgPool,
    /// The policies in force.
    pub(crate) library: Arc<Library>,
}

#[derive(Deserialize)]
struct ReviewRequest {
    /// Made by who asks: the same review sent again is the same review.
    id: Option<Uuid>,
    #[serde(flatten)]
    review: ReviewGate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GatesRequest {
    chain: Option<ChainId>,
    gate: Option<GateId>,
    stack: Option<String>,
    open_only: bool,
    limit: i64,
}

impl Default for GatesRequest {
    fn default() -> Self {
        Self { chain: None, gate: None, stack: None, open_only: false, limit: GATES_MAX }
    }
}

impl Desk {
    /// `gate.review`: a person approves or rejects. Committed before it is answered.
    pub(crate) async fn review(&self, body: Value) -> Result<Value, Problem> {
        let ReviewRequest { id, review: asked } = read(body)?;
        let gate = asked.gate;
        let before = self.gate(gate).await?;
        let now = Utc::now();
        let review = Review {
            id: Uuid::new_v5(&gate.0, id.unwrap_or_else(Uuid::new_v4).as_bytes()),
            by: asked.by.trim().to_owned(),
            approve: asked.approve,
            note: asked.note.filter(|note| !note.trim().is_empty()),
            at: now,
        };
        let envelope = Envelope {
            id: review.id,
            kind: ReviewGate::TYPE.to_owned(),
            version: ReviewGate::VERSION,
            key: gate.to_string(),
            source: "/stackly/policy".to_owned(),
            time: now,
            correlation: before.correlation,
            causation: None,
            trace: before.trace,
            body: Happening::Reviewed(Reviewed { gate, review: review.clone() }),
        };
        self.engine.submit(envelope).await.map_err(|error| unavailable(&error))?;
        let after = self.gate(gate).await?.gate;
        if after.reviews.iter().any(|taken| taken.id == review.id) {
            return Ok(shown(&after, &self.library.current()));
        }
        match after.accepts(&self.library.current(), &review) {
            Err(refused) => Err(Problem::new(refused.code(), refused.to_string())),
            Ok(()) => Err(Problem::new(
                "review_superseded",
                "the gate changed while you wrote; look at it and say it again",
            )),
        }
    }

    /// `gates`: what waits, for whom, and why.
    pub(crate) async fn gates(&self, body: Value) -> Result<Value, Problem> {
        let GatesRequest { chain, gate, stack, open_only, limit } =
            if body.is_null() { GatesRequest::default() } else { read(body)? };
        let limit = limit.clamp(1, GATES_MAX);
        let filter = Filter { chain, gate, stack, open_only, limit: limit + 1 };
        let mut found =
            tables::find(&self.pool, &filter).await.map_err(|error| unavailable(&error))?;
        let more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if more {
            found.pop();
        }
        let set = self.library.current();
        let gates: Vec<Value> = found.iter().map(|kept| shown(&kept.gate, &set)).collect();
        Ok(json!({ "gates": gates, "more": more }))
    }

    /// `policies`: the set in force, and why what is in the folder is not.
    pub(crate) async fn policies(&self, _body: Value) -> Result<Value, Problem> {
        let shelf = self.library.shelf();
        let policies: Vec<Value> = shelf
            .set
            .policies
            .iter()
            .map(|policy| {
                json!({
                    "name": policy.name,
                    "file": policy.file,
                    "match": policy.scope,
                    "rules": policy.rules,
                })
            })
            .collect();
        let refused = shelf
            .refused
            .map(|(at, faults)| json!({ "at": at, "text": faults.to_string(), "faults": faults }));
        Ok(json!({
            "folder": self.library.folder(),
            "digest": shelf.set.digest,
            "loaded_at": shelf.loaded_at,
            "policies": policies,
            "groups": shelf.set.groups,
            "warnings": shelf.set.warnings,
            "refused": refused,
        }))
    }

    async fn gate(&self, gate: GateId) -> Result<Kept, Problem> {
        let filter = Filter { gate: Some(gate), limit: 1, ..Filter::default() };
        let found = tables::find(&self.pool, &filter).await.map_err(|error| unavailable(&error))?;
        found.into_iter().next().ok_or_else(|| {
            let message = format!(
                "there is no {gate}; `stackly chains` shows what waits, with the gate's name"
            );
            Problem::new("gate_unknown", message)
        })
    }
}

/// A gate as people see it. What is decided asks for nothing any more, whatever the policies say now.
fn shown(gate: &Gate, set: &PolicySet) -> Value {
    let request = &gate.request;
    let standings = standings(set, request, &gate.reviews);
    let approvals: Vec<Value> = standings
        .iter()
        .filter(|_| !gate.outcome.is_final())
        .map(|standing| {
            json!({
                "policy": standing.policy,
                "needed": standing.needed,
                "given": standing.given,
                "may_approve": standing.left(),
                "not": standing.author,
            })
        })
        .collect();
    let mut shown = serde_json::to_value(gate.announcement()).expect("messages are plain data");
    let more = json!({
        "kind": request.kind,
        "stacks": request.stacks,
        "change": request.change,
        "run": request.run,
        "delta": request.delta,
        "final": gate.outcome.is_final(),
        "approvals": approvals,
        "reviews": gate.reviews,
        "requested_at": gate.requested_at,
        "decided_at": gate.decided_at,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

fn read<T: DeserializeOwned>(body: Value) -> Result<T, Problem> {
    serde_json::from_value(body).map_err(|error| Problem::new("malformed", error.to_string()))
}

fn unavailable(error: &dyn std::error::Error) -> Problem {
    Problem::new("unavailable", format!("the policy service cannot tell now: {error}; try again"))
}
