//! Whoever can read a subject can follow everything: plain NATS, CloudEvents 1.0 in binary mode.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use contracts::{
    Message,
    chain::{ChainFinished, ChainPlanned, ChainStarted},
    change::ChangePushed,
    gate::{GateDecided, GateRequested},
    run::RunReported,
    step::{StepFinished, StepStarted},
};
use harness::{Pipeline, patience::PATIENCE, raw_nats::RawNats};
use serde_json::Value;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_nats_subscriber_sees_every_event_as_a_cloud_event() {
    let pipeline = Pipeline::start().await;
    let mut nats = RawNats::connect(&pipeline.installation.nats_url).await.unwrap();
    let prefix = &pipeline.installation.prefix;
    nats.subscribe(&format!("{prefix}.stackly.evt.>")).await.unwrap();

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let mut events = Vec::new();
    while events.last().is_none_or(|(kind, _)| kind != ChainFinished::TYPE) {
        let next = tokio::time::timeout(PATIENCE, nats.next()).await;
        let message = next.unwrap_or_else(|_| panic!("only {events:#?}")).unwrap();
        let headers: BTreeMap<String, String> = message.headers.into_iter().collect();
        let kind = headers["ce-type"].strip_prefix("stackly.").unwrap().to_owned();
        let of_type = format!("{prefix}.stackly.evt.{kind}.");
        assert!(message.subject.starts_with(&of_type), "{} is {kind}", message.subject);
        serde_json::from_slice::<Value>(&message.body).unwrap();
        events.push((kind, headers));
    }

    let mut of_push = BTreeSet::new();
    let story = &events.iter().find(|(kind, _)| kind == ChangePushed::TYPE).unwrap().1;
    let story = story["ce-correlationid"].clone();
    for (kind, headers) in &events {
        assert_eq!(headers["ce-specversion"], "1.0");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["ce-id"], headers["Nats-Msg-Id"]);
        assert!(headers["ce-source"].starts_with("/stackly/"), "{headers:?}");
        assert!(!headers["ce-subject"].is_empty(), "{headers:?}");
        headers["ce-id"].parse::<Uuid>().unwrap();
        DateTime::parse_from_rfc3339(&headers["ce-time"]).unwrap();
        if headers["ce-correlationid"] == story {
            of_push.insert(kind.as_str());
        }
    }
    let expected = [
        ChangePushed::TYPE,
        ChainPlanned::TYPE,
        ChainStarted::TYPE,
        ChainFinished::TYPE,
        GateRequested::TYPE,
        GateDecided::TYPE,
        StepStarted::TYPE,
        StepFinished::TYPE,
    ];
    // Besides them, steps that were seen applying: a quick run may be over before it is looked at.
    let missing: Vec<_> = expected.iter().filter(|kind| !of_push.contains(**kind)).collect();
    assert!(missing.is_empty(), "{missing:?} are not part of the story of {commit}: {of_push:?}");
    let reports = events.iter().filter(|(kind, _)| kind == RunReported::TYPE).count();
    assert!(reports > 0, "what Spacelift's webhooks say is an event as well");
    pipeline.stop().await;
}
