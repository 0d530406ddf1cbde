//! What would be decided now about a push or a pull request that was decided upon before: the
//! question `reconsider`. Nothing is started, stored or told, and no scanner runs.

use std::sync::Arc;

use bus::Problem;
use contracts::{
    Action, Code,
    change::{ChangeProposed, ChangePushed},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    known::Shelf,
    memory::Wish,
    mirror::Mirrors,
    question::{known, value},
    what_if::{self, Outcome},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// As it would be told now; a pull request, if this is nothing.
    pushed: Option<ChangePushed>,
    proposed: Option<ChangeProposed>,
    /// By which event it was told then, if it was.
    event: Option<Uuid>,
}

/// The decisions about one change, those about stacks whose code it takes away after that about
/// itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconsidered {
    /// Then; nothing where it was not told, or what was decided is not kept any more.
    pub then: Vec<Outcome>,
    /// Now, by what is known now.
    pub now: Vec<Outcome>,
}

/// Answers the question.
pub(crate) async fn reconsider(
    pool: PgPool,
    (mirrors, shelf): (Arc<Mirrors>, Arc<Shelf>),
    previews_from_forks: bool,
    body: Value,
) -> Result<Value, Problem> {
    let malformed = |why: String| {
        let text = format!("the question is about a push or a pull request: {why}");
        Problem::malformed(text)
    };
    let asked = serde_json::from_value(body).map_err(|error| malformed(error.to_string()))?;
    let (wish, event) = match asked {
        Asked { pushed: Some(pushed), proposed: None, event } => (Wish::Pushed(pushed), event),
        Asked { pushed: None, proposed: Some(it), event } => (Wish::Proposed(it), event),
        _ => return Err(malformed("name one".to_owned())),
    };
    let away = |error: sqlx::Error| {
        Problem::unavailable(format!("the planner cannot tell now: {error}; try again"))
    };
    let told = match event {
        Some(event) => store::told(&pool, event).await.map_err(away)?,
        None => Vec::new(),
    };
    let mut then: Vec<Outcome> = told.iter().filter_map(Outcome::told).collect();
    // It may have been told of late, after the account was read anew.
    then.sort_by_key(is_about_code);
    let now = match wish.no_chain(previews_from_forks) {
        Some(reason) => vec![Outcome::Ignored { reason }],
        None => {
            let known = known(&shelf)?.known;
            let what_if::Answer { outcome, also } = what_if::of_wish(mirrors, &known, wish).await;
            std::iter::once(outcome).chain(also).collect()
        }
    };
    let now = as_gone(&then, as_found(&then, now));
    value(&Reconsidered { now, then })
}

/// Whether it is about stacks whose code a change takes away, and not about the change itself.
fn is_about_code(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Planned(chain) => chain.action == Action::Deregister,
        Outcome::Ignored { reason } | Outcome::Refused { reason } => {
            matches!(reason.code, Code::StaysLoose | Code::StillNeeded)
        }
    }
}

/// Code is taken away once: what was decided about that then counts still.
fn as_gone(then: &[Outcome], mut now: Vec<Outcome>) -> Vec<Outcome> {
    if !now.iter().any(is_about_code) {
        now.extend(then.iter().filter(|outcome| is_about_code(outcome)).cloned());
    }
    now
}

/// What scanners found then counts still: that they are not run again is no other decision.
fn as_found(then: &[Outcome], mut now: Vec<Outcome>) -> Vec<Outcome> {
    let is_found = |it: &Outcome| match it {
        Outcome::Refused { reason } => reason.code == Code::ValidationRejected,
        Outcome::Planned(_) | Outcome::Ignored { .. } => false,
    };
    if let (Some(found), Some(Outcome::Planned(_))) = (then.first(), now.first())
        && is_found(found)
    {
        now[0] = found.clone();
    }
    now
}
