//! What the planner decides about pushes and pull requests that are read again, beside what it
//! decided when they came.

use futures::{StreamExt, stream};
use planner::reconsider::Reconsidered;
use serde_json::{Value, json};

use crate::{
    command::desk::{Desk, read},
    failure::Failure,
    output::deliveries::decision::Decision,
};

/// How many deliveries are asked about at once.
pub(in crate::command) const AT_ONCE: usize = 8;
/// These tell of no changes, and tell much.
const NO_HOSTS: [&str; 2] = ["spacelift", "slack"];

/// Whether this source may tell of changes.
pub(in crate::command) fn is_host(source: &str) -> bool {
    !NO_HOSTS.contains(&source)
}

/// Adds to each answer about a delivery what the planner decides.
pub(super) async fn add(desk: &Desk, answers: &mut [Value]) {
    let ids = answers.iter().map(|told| {
        let is_host = told["delivery"]["source"].as_str().is_some_and(is_host);
        (told["code"] == "accepted" && is_host).then(|| told["delivery"]["id"].clone())
    });
    let ids: Vec<Option<Value>> = ids.collect();
    let decided: Vec<Vec<Decision>> =
        stream::iter(ids).map(|id| of(desk, id)).buffered(AT_ONCE).collect().await;
    for (told, decisions) in answers.iter_mut().zip(decided) {
        told["decisions"] = json!(decisions);
    }
}

async fn of(desk: &Desk, delivery: Option<Value>) -> Vec<Decision> {
    let Some(delivery) = delivery else { return Vec::new() };
    let decided = reconsidered(desk, &delivery).await.into_iter();
    decided
        .map(|one| match one {
            Ok(reconsidered) => Decision::compared(&reconsidered),
            Err(failure) => Decision::unknown(failure.text()),
        })
        .collect()
}

/// What the planner decided about each change that a delivery tells of, and would decide now.
pub(in crate::command) async fn reconsidered(
    desk: &Desk,
    delivery: &Value,
) -> Vec<Result<Reconsidered, Failure>> {
    let changes: Result<Vec<Value>, Failure> = async {
        let answer = desk.ask("ingest", "changes", json!({ "delivery": delivery })).await?;
        read("ingest", answer)
    }
    .await;
    // Each is a push or a pull request as ingest reads it now, with the event that told it.
    let one = |change| async move {
        let answer = desk.ask("planner", "reconsider", change).await?;
        read::<Reconsidered>("planner", answer)
    };
    match changes {
        Ok(changes) => futures::future::join_all(changes.into_iter().map(one)).await,
        Err(failure) => vec![Err(failure)],
    }
}
