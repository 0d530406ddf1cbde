//! What the planner decides about pushes that are read again, beside what it decided when they came.

use futures::{StreamExt, stream};
use planner::reconsider::Reconsidered;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    command::desk::{Desk, read},
    failure::Failure,
    output::deliveries::decision::Decision,
};

/// How many deliveries are asked about at once.
const AT_ONCE: usize = 8;
/// These tell of no pushes, and tell much.
const NO_HOSTS: [&str; 2] = ["spacelift", "slack"];

/// A push as ingest reads it now.
#[derive(Deserialize)]
struct Push {
    pushed: Value,
    event: Option<Uuid>,
}

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
    let pushes: Result<Vec<Push>, Failure> = async {
        let answer = desk.ask("ingest", "pushes", json!({ "delivery": delivery })).await?;
        read("ingest", answer)
    }
    .await;
    match pushes {
        Ok(pushes) => {
            let decided = pushes.into_iter().map(|push| reconsidered(desk, push));
            futures::future::join_all(decided).await
        }
        Err(failure) => vec![Decision::unknown(failure.text())],
    }
}

async fn reconsidered(desk: &Desk, Push { pushed, event }: Push) -> Decision {
    let question = json!({ "pushed": pushed, "event": event });
    let answer = desk.ask("planner", "reconsider", question).await;
    match answer.and_then(|answer| read::<Reconsidered>("planner", answer)) {
        Ok(reconsidered) => Decision::compared(&reconsidered),
        Err(failure) => Decision::unknown(failure.text()),
    }
}
