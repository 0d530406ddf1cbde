//! What a running system tells about itself: one trace from the webhook to the Slack call, metrics,
//! health pages, and logs that programs can read.

mod collector;

use std::collections::BTreeSet;

use collector::{Collector, Span, orphans};
use harness::{
    Pipeline, Setup,
    patience::{PATIENCE, eventually},
    telling,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use receivers::{SLACK_TOKEN, Slack};
use serde_json::Value;
use stackly::system::SERVICES;

/// Everything we write ourselves; what libraries say in detail is theirs.
const OURS_IN_DETAIL: &str = "info,bus=debug,store=debug,service=debug,spacelift=debug,\
    ingest=debug,planner=debug,policy=debug,executor=debug,notifier=debug";

fn apart(environment: Vec<(String, String)>) -> Setup {
    Setup { apart: Some(env!("CARGO_BIN_EXE_serve").into()), environment, ..Setup::default() }
}

fn telling_soon(slack: &Slack) -> Vec<(String, String)> {
    let pause = ("NOTIFIER__SLACK__UPDATE_PAUSE".to_owned(), "100ms".to_owned());
    telling(slack).into_iter().chain([pause]).collect()
}

/// Waits until Slack shows how the chain ended.
async fn told_the_end(slack: &Slack) {
    let texts =
        || async { slack.messages().into_iter().map(|message| message.text).collect::<Vec<_>>() };
    let ended = |texts: &Vec<String>| texts.iter().any(|text| text.contains("finished"));
    eventually("Slack to show the end", PATIENCE, texts, ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_webhook_to_the_slack_message() {
    let (collector, slack) = (Collector::start().await, Slack::start().await);
    let mut environment = telling_soon(&slack);
    environment.push(("STACKLY__TELEMETRY__OTLP_ENDPOINT".to_owned(), collector.endpoint.clone()));
    let pipeline = Pipeline::with(apart(environment)).await;

    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    let chain = pipeline.ended(&commit).await;
    told_the_end(&slack).await;
    pipeline.assert_all_well(&[chain]);
    // What was not sent yet is sent when they end.
    pipeline.stop().await;

    let traces = collector.traces();
    for trace in traces.values() {
        assert!(orphans(trace).is_empty(), "{:#?} in {trace:#?}", orphans(trace));
    }
    let is_push =
        |span: &Span| span.kind == SpanKind::Server && span.name == "POST /webhooks/github";
    let of_push: Vec<_> = traces.values().filter(|trace| trace.iter().any(is_push)).collect();
    let [trace] = of_push[..] else { panic!("{} traces of one push", of_push.len()) };
    assert_eq!(trace.iter().filter(|span| span.parent.is_empty()).count(), 1, "{trace:#?}");
    assert_spans(trace);
    // Nothing was done for the chain outside of its trace.
    let others = traces.values().filter(|other| !other.iter().any(is_push)).flatten();
    let strays: Vec<_> = others
        .filter(|span| span.name.contains("slack") || span.name.contains("TriggerRun"))
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}

/// Who did what, with the attributes that the conventions ask for.
fn assert_spans(trace: &[Span]) {
    let find = |service: &str, kind: SpanKind, name: &str| {
        let fits =
            |span: &&Span| span.service == service && span.kind == kind && span.name.contains(name);
        let found: Vec<_> = trace.iter().filter(fits).collect();
        let seen: BTreeSet<_> = trace.iter().map(|it| (&*it.service, &*it.name)).collect();
        assert!(!found.is_empty(), "no {name} of {service} in {seen:#?}");
        found
    };
    for span in find("ingest", SpanKind::Server, "POST /webhooks/github") {
        assert_eq!(span.attribute("http.request.method"), "POST");
        assert_eq!(span.attribute("http.response.status_code"), "202");
        assert_eq!(span.attribute("http.route"), "/webhooks/github");
    }
    for (service, event) in [
        ("planner", "change.pushed"),
        ("policy", "gate.requested"),
        ("executor", "chain.planned"),
        ("executor", "gate.decided"),
        ("notifier", "chain.finished"),
    ] {
        for span in find(service, SpanKind::Consumer, &format!("process {event}")) {
            assert_eq!(span.attribute("messaging.system"), "nats");
            assert_eq!(span.attribute("messaging.operation.type"), "process");
            assert_eq!(span.attribute("messaging.destination.name"), "STACKLY_EVENTS");
            assert_eq!(span.attribute("event.type"), event);
            assert!(!span.attribute("messaging.message.id").is_empty());
        }
    }
    find("executor", SpanKind::Internal, "perform");
    let triggers = find("executor", SpanKind::Client, "mutation TriggerRun");
    assert_eq!(triggers.len(), 4, "one call for each stack: {triggers:#?}");
    for span in triggers {
        assert_eq!(span.attribute("http.response.status_code"), "200");
        assert_eq!(span.attribute("graphql.operation.type"), "mutation");
        assert_eq!(span.attribute("server.address"), "127.0.0.1");
    }
    for span in find("notifier", SpanKind::Client, "slack chat.postMessage") {
        assert_eq!(span.attribute("http.request.method"), "POST");
        assert_eq!(span.attribute("http.response.status_code"), "200");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_shows_its_health_and_its_metrics_and_logs_in_json() {
    let slack = Slack::start().await;
    let mut environment = telling_soon(&slack);
    environment.push(("STACKLY__TELEMETRY__LOG".to_owned(), OURS_IN_DETAIL.to_owned()));
    let pages = SERVICES.map(|service| {
        let port = embedded::free_port().unwrap();
        let key = format!("{}__HEALTH__LISTEN", service.to_uppercase());
        environment.push((key, format!("127.0.0.1:{port}")));
        (service, format!("http://127.0.0.1:{port}"))
    });
    let pipeline = Pipeline::with(apart(environment)).await;
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    pipeline.ended(&commit).await;
    told_the_end(&slack).await;

    for (service, page) in pages {
        for name in ["live", "ready"] {
            let answer = pipeline.client.get(format!("{page}/{name}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{service} /{name}");
            assert_eq!(answer.json::<Value>().await.unwrap()[name], true);
        }
        let answer = pipeline.client.get(format!("{page}/metrics")).send().await.unwrap();
        assert_metrics(service, &answer.text().await.unwrap());
        let installation = &pipeline.installation;
        let secrets = [
            SLACK_TOKEN,
            &installation.github_secret,
            &installation.spacelift_secret,
            &installation.api_key_secret,
        ];
        let log = pipeline.fleet.log(service);
        assert_log(service, &log);
        let secret = secrets.into_iter().find(|secret| log.contains(secret));
        assert!(secret.is_none(), "{service} logs a secret");
    }
    pipeline.stop().await;
}

/// What the dashboards are drawn from.
fn assert_metrics(service: &str, page: &str) {
    let shown = |name: &str, labels: &[&str]| {
        let fits = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
                && labels.iter().all(|label| line.contains(label))
        };
        assert!(page.lines().any(|line| fits(&line)), "no {name} {labels:?} of {service}:\n{page}");
    };
    let consumer = match service {
        "ingest" => {
            shown("stackly_deliveries_total", &["source=\"github\"", "code=\"accepted\""]);
            return;
        }
        "planner" => planner::CARD.consumer,
        "policy" => policy::CARD.consumer,
        "executor" => executor::CARD.consumer,
        _ => notifier::CARD.consumer,
    };
    let consumer = format!("consumer=\"{consumer}\"");
    shown("stackly_messages_total", &[&consumer, "outcome=\"answered\""]);
    shown("stackly_handle_duration_seconds_bucket", &[&consumer, "le="]);
    if ["planner", "executor"].contains(&service) {
        shown("stackly_spacelift_requests_total", &["operation=", "result=\"ok\""]);
    }
}

/// Lines that programs can read, with the fields they search for.
fn assert_log(service: &str, log: &str) {
    let read = |line| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{service}: {error}: {line}"))
    };
    let entries: Vec<Value> = log.lines().map(read).collect();
    let has = |entry: &Value, field: &str| match &entry[field] {
        Value::String(text) => !text.is_empty(),
        other => !other.is_null(),
    };
    assert!(!entries.is_empty(), "{service} logs nothing");
    for entry in &entries {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(has(entry, field), "{service}: no {field} in {entry}");
        }
    }
    if service == "policy" {
        let decided = entries.iter().find(|entry| entry["message"] == "decided a gate");
        let decided = decided.unwrap_or_else(|| panic!("no decision in {log}"));
        for field in ["gate.id", "chain.id", "outcome", "reason"] {
            assert!(has(decided, field), "no {field} in {decided}");
        }
        for field in ["consumer", "event.id", "event.type", "event.attempt", "correlation.id"] {
            assert!(has(&decided["span"], field), "no {field} in {decided}");
        }
    }
}
