//! The question `proposal`: which commit a pull request is at, for those who are told of it by
//! people who do not say.

use std::collections::HashMap;

use bus::{Problem, read_as};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{memory, store as tables};

/// Ingest asks it, and a newer one may tell more.
#[derive(Deserialize)]
struct Asked {
    repository: String,
    pull_request: u64,
}

/// Answers the question; with nothing, if nothing is known of it.
pub(crate) async fn proposal(pool: PgPool, body: Value) -> Result<Value, Problem> {
    let asked: Asked = read_as("the question is about a pull request", body)?;
    let key = memory::key(&asked.repository);
    let away = |error: sqlx::Error| {
        Problem::unavailable(format!("the planner cannot tell now: {error}; try again"))
    };
    let mut connection = pool.acquire().await.map_err(away)?;
    let memories: HashMap<_, memory::Memory> =
        tables::load_memories(&mut connection, &[key]).await.map_err(away)?;
    let known = memories.get(&key).and_then(|memory| memory.proposal(asked.pull_request));
    Ok(known.map_or_else(|| json!({}), |known| json!(known)))
}
