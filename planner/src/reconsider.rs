//! What would be decided now about a push that was decided upon before: the question `reconsider`.
//! Nothing is started, stored or told.

use std::sync::Arc;

use bus::Problem;
use contracts::change::ChangePushed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    known::Shelf,
    mirror::Mirrors,
    question::{known, value},
    what_if::{self, Outcome},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// As it would be told now.
    pushed: ChangePushed,
    /// By which event it was told then, if it was.
    event: Option<Uuid>,
}

/// The decisions about one push, those about stacks whose code it takes away after that about itself.
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
    body: Value,
) -> Result<Value, Problem> {
    let Asked { pushed, event } = serde_json::from_value(body).map_err(|error| {
        Problem::new("malformed", format!("the question is about a push: {error}"))
    })?;
    let away = |error: sqlx::Error| {
        Problem::new("unavailable", format!("the planner cannot tell now: {error}; try again"))
    };
    let told = match event {
        Some(event) => store::told(&pool, event).await.map_err(away)?,
        None => Vec::new(),
    };
    let then = told.iter().filter_map(Outcome::told).collect();
    let known = known(&shelf)?.known;
    let what_if::Answer { outcome, also } = what_if::of_push(mirrors, &known, pushed).await;
    let now = std::iter::once(outcome).chain(also).collect();
    value(&Reconsidered { then, now })
}
