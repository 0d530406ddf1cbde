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
const AT_ONCE: usize = 8;
/// These tell of no changes, and tell much.
const NO_HOSTS: [&str; 2] = ["spacelift", "slack"];

/// Adds to each answer about a delivery what the planner decides.
pub(super) async fn add(desk: &Desk, answers: &mut [Value]) {
    let ids = answers.iter().map(|told| {
        let is_host = !NO_HOSTS.iter().any(|source| told["delivery"]["source"] == *source);
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
    let changes: Result<Vec<Value>, Failure> = async {
        let answer = desk.ask("ingest", "changes", json!({ "delivery": delivery })).await?;
        read("ingest", answer)
    }
    .await;
    match changes {
        Ok(changes) => {
            let decided = changes.into_iter().map(|change| reconsidered(desk, change));
            futures::future::join_all(decided).await
        }
        Err(failure) => vec![Decision::unknown(failure.text())],
    }
}

/// `change` is a push or a pull request as ingest reads it now, with the event that told it.
async fn reconsidered(desk: &Desk, change: Value) -> Decision {
    let answer = desk.ask("planner", "reconsider", change).await;
    match answer.and_then(|answer| read::<Reconsidered>("planner", answer)) {
        Ok(reconsidered) => Decision::compared(&reconsidered),
        Err(failure) => Decision::unknown(failure.text()),
    }
}
