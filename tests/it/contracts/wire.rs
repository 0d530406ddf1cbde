//! Events as they really come out of the pipeline, held against what is published about them.

use std::{collections::BTreeSet, time::Duration};

use contracts::{Envelope, registry, subject};
use futures::{Stream, StreamExt};
use harness::Pipeline;
use serde_json::{Value, json};

use super::{published, writers};

/// What every chain that ends well tells on its way.
const TOLD: [&str; 9] = [
    "change.pushed",
    "chain.planned",
    "gate.requested",
    "gate.decided",
    "chain.started",
    "step.started",
    "run.reported",
    "step.finished",
    "chain.finished",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_real_chain_fits_its_published_schema() {
    let pipeline = Pipeline::start().await;
    let events = pipeline.bus.tail(subject::EVENTS).await.unwrap();

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let told = told(events).await;
    pipeline.ended(&commit).await;

    let document: Value = serde_json::from_str(&published::read("docs/asyncapi.json")).unwrap();
    let mut kinds = BTreeSet::new();
    for event in &told {
        kinds.insert(event.kind.as_str());
        assert_published(event, &document);
    }
    for kind in TOLD {
        assert!(kinds.contains(kind), "{kind} was not told; only {kinds:?}");
    }
    let chain: BTreeSet<_> = told
        .iter()
        .filter(|event| event.kind.starts_with("chain.") || event.kind.starts_with("step."))
        .map(|event| event.correlation)
        .collect();
    assert_eq!(chain.len(), 1, "one change is one story");
    assert_more_may_be_asked(&pipeline, &told).await;
    pipeline.stop().await;
}

/// Of two services, the one that asks may be of a newer build.
async fn assert_more_may_be_asked(pipeline: &Pipeline, told: &[Envelope]) {
    let planned = told.iter().find(|event| event.kind == "chain.planned").unwrap();
    let (chain, repository) = (&planned.body["chain"], &planned.body["change"]["repository"]);
    for (service, question, mut body) in [
        ("policy", "gates", json!({ "chain": chain })),
        ("policy", "policies", json!({})),
        ("policy", "foresee", json!({ "chain": planned.body })),
        ("planner", "proposal", json!({ "repository": repository, "pull_request": 7 })),
        ("executor", "chains", json!({ "limit": 1 })),
        ("executor", "chain", json!({ "chain": chain })),
    ] {
        body["added_next_year"] = json!("something");
        let subject = subject::question(service, question);
        let answer = pipeline.bus.request(&subject, &body).await.unwrap();
        assert!(answer.is_ok(), "{question} of {service}: {answer:?}");
    }
}

/// Everything that is told until a chain has finished.
async fn told(mut events: impl Stream<Item = Envelope> + Unpin) -> Vec<Envelope> {
    let mut told = Vec::new();
    let last = async {
        while let Some(event) = events.next().await {
            let last = event.kind == "chain.finished";
            told.push(event);
            if last {
                break;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), last).await;
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert!(ended.is_ok(), "no chain finished; told was {kinds:?}");
    told
}

fn assert_published(event: &Envelope, document: &Value) {
    let kind = event.kind.as_str();
    let known = registry::event(kind).unwrap_or_else(|| panic!("{kind} is not published"));
    assert_eq!(event.version, known.version, "{kind}");
    let service = event.source.strip_prefix("/stackly/").unwrap_or_default();
    assert!(writers(kind).contains(&service), "{kind} comes from {}", event.source);

    let payload = &document["components"]["messages"][kind]["payload"];
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "allOf": [payload],
        "components": document["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(&event.body) {
        panic!("{kind} is not as published: {error}\n{:#}", event.body);
    }
}
