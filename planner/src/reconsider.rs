//! What would be decided now about a push or a pull request that was decided upon before: the
//! question `reconsider`. Nothing is started, stored or told, and no scanner runs.

use std::{collections::BTreeSet, sync::Arc};

use bus::{Problem, read_as};
use contracts::{
    Action, Code, StackId,
    change::{ChangeProposed, ChangePushed},
    plain,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    known::Shelf,
    memory::Wish,
    mirror::Mirrors,
    question::known,
    store as tables,
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
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reconsidered {
    /// Then; nothing where it was not told, or what was decided is not kept any more.
    pub then: Vec<Outcome>,
    /// Now, by what is known now.
    pub now: Vec<Outcome>,
    /// Those of their stacks of which account or code say something else since then; not known where
    /// nothing was decided then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<BTreeSet<StackId>>,
}

/// Answers the question.
pub(crate) async fn reconsider(
    pool: PgPool,
    (mirrors, shelf): (Arc<Mirrors>, Arc<Shelf>),
    previews_from_forks: bool,
    body: Value,
) -> Result<Value, Problem> {
    const WHAT: &str = "the question is about a push or a pull request";
    let asked = read_as(WHAT, body)?;
    let (wish, event) = match asked {
        Asked { pushed: Some(pushed), proposed: None, event } => (Wish::Pushed(pushed), event),
        Asked { pushed: None, proposed: Some(it), event } => (Wish::Proposed(it), event),
        _ => return Err(Problem::malformed(format!("{WHAT}: name one"))),
    };
    let away = |error: sqlx::Error| {
        Problem::unavailable(format!("the planner cannot tell now: {error}; try again"))
    };
    let told = match event {
        Some(event) => store::told(&pool, event).await.map_err(away)?,
        None => Vec::new(),
    };
    let decided_at = told.iter().map(|event| event.time).max();
    let commit = wish.change().commit.clone();
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
    let changed = match decided_at {
        Some(at) => {
            let all: BTreeSet<&str> = then.iter().chain(&now).flat_map(stacks).collect();
            let all: Vec<&str> = all.into_iter().collect();
            let since = (at, commit.as_str());
            let changed = tables::changed_since(&pool, &all, since).await.map_err(away)?;
            Some(changed.into_iter().collect())
        }
        None => None,
    };
    Ok(plain(&Reconsidered { now, then, changed }))
}

/// The stacks that would run.
fn stacks(outcome: &Outcome) -> impl Iterator<Item = &str> {
    let steps = match outcome {
        Outcome::Planned(chain) => &chain.steps[..],
        Outcome::Ignored { .. } | Outcome::Refused { .. } => &[],
    };
    steps.iter().map(|step| step.stack.as_str())
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
