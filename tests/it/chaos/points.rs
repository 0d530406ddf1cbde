//! Every service dies at every labelled place between two durable writes where it can.

use std::{collections::BTreeSet, time::Duration};

use harness::{
    Pipeline, Setup, accounts,
    patience::{PATIENCE, eventually},
};
use receivers::{HOOK_SECRET, Hook};

use super::{assert_nothing_buried, setup};

/// How long a service may take to come to a place.
const DEATH: Duration = Duration::from_secs(30);

const ALL: &[&str] = &["planner", "policy", "executor", "notifier"];

/// Each label, and the services that come to it. `bus::FAILPOINTS` lists the labels.
const PLACES: &[(&str, &[&str])] = &[
    ("engine.before_commit", ALL),
    ("engine.after_commit", ALL),
    ("engine.before_publish", &["executor", "notifier"]),
    ("engine.before_mark", &["planner", "policy", "executor"]),
    ("effect.before_call", &["executor", "notifier"]),
    ("effect.after_call", &["executor", "notifier"]),
    ("effect.before_postpone", &["executor"]),
    ("consume.before_ack", ALL),
    ("relay.before_era", &["ingest", "planner", "policy", "executor"]),
    ("relay.before_publish", &["ingest"]),
    ("relay.before_mark", &["ingest"]),
    ("ingest.before_commit", &["ingest"]),
    ("ingest.after_commit", &["ingest"]),
    ("ingest.before_mark", &["ingest"]),
    ("spacelift.before_trigger", &["executor"]),
    ("spacelift.after_trigger", &["executor"]),
    ("spacelift.after_act", &["executor"]),
];

#[test]
fn every_label_has_its_services() {
    let tried: BTreeSet<&str> = PLACES.iter().map(|(label, _)| *label).collect();
    let known: BTreeSet<&str> = bus::FAILPOINTS.iter().copied().collect();
    assert_eq!(tried, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_executor_dies_at_every_place_it_comes_to() {
    die_everywhere(|service| service == "executor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_services_die_at_every_place_they_come_to() {
    die_everywhere(|service| service != "executor").await;
}

async fn die_everywhere(concerns: impl Fn(&str) -> bool) {
    let hook = Hook::start().await;
    let mut pipeline = Pipeline::with(impatient(&hook)).await;
    let mut chains = Vec::new();
    for (label, services) in PLACES {
        for service in services.iter().copied().filter(|service| concerns(service)) {
            for nth in times(label, service) {
                let commit = die_at(&mut pipeline, service, label, *nth).await;
                chains.push(pipeline.ended(&commit).await);
            }
        }
    }
    pipeline.assert_all_well(&chains);
    assert_nothing_buried(&pipeline).await;
    let finished: BTreeSet<String> =
        chains.iter().map(|chain| chain.line.chain.to_string()).collect();
    eventually(
        "the end of every chain to be told",
        PATIENCE,
        || async { told(&hook) },
        |told| told.is_superset(&finished),
    )
    .await;
    deaths(chains.len());
    pipeline.stop().await;
}

/// The first time and a later one, where there is more than one in a chain.
fn times(label: &str, service: &str) -> &'static [u32] {
    match (label.split('.').next(), service) {
        (Some("engine" | "consume" | "effect" | "spacelift"), "executor" | "policy")
            if label != "effect.before_postpone" =>
        {
            &[1, 3]
        }
        _ => &[1],
    }
}

/// Short leases, so that what a death leaves behind is taken up soon. Stacks wait for confirmation,
/// so that there is something to do after a plan.
fn impatient(hook: &Hook) -> Setup {
    let mut account = accounts::diamond();
    for stack in &mut account.stacks {
        stack.autodeploy = false;
    }
    let webhooks = format!(
        r#"[{{ name = "hook", url = "{}", secret = "{HOOK_SECRET}", events = ["chain.*"] }}]"#,
        hook.url
    );
    let told = [
        ("STACKLY__STORE__LEASE", "2s"),
        ("STACKLY__BUS__ACK_WAIT", "1s"),
        ("EXECUTOR__SPACELIFT__TIMEOUT", "1s"),
        ("NOTIFIER__DELIVERY__TIMEOUT", "1s"),
        ("NOTIFIER__DELIVERY__WEBHOOK_RETRIES", r#"["200ms", "1s", "5s"]"#),
        ("NOTIFIER__WEBHOOKS", &webhooks),
    ];
    let environment = told.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Setup { account, pace: simulator::Pace::zero(), environment, ..setup() }
}

/// Lets a service die at the `nth` time it comes to a place during a chain, and starts it again.
/// Gives the commit.
async fn die_at(pipeline: &mut Pipeline, service: &'static str, label: &str, nth: u32) -> String {
    pipeline.fleet.kill(service).await;
    let written = pipeline.fleet.log(service).len();
    let order = format!("{label}={nth}");
    pipeline.fleet.start(service, &[("STACKLY_FAILPOINT", &order)]);
    if label.starts_with("relay.") && label != "relay.before_era" {
        // Nothing is left over unless the broker is away.
        pipeline.ready().await;
        pipeline.servers.expect_own().nats.kill().await;
    }
    if label == "effect.before_postpone" {
        let fault = simulator::Fault::once(simulator::FaultKind::AnswerLost).on("runTrigger");
        pipeline.spacelift.add_fault(fault);
    }
    let user = pipeline.user.clone();
    let pushing = tokio::spawn(async move { user.push(&["stacks/a/main.tf"]).await });
    if !pipeline.servers.expect_own().nats.is_up() {
        // Ingest takes it without the broker.
        eventually(
            "the push to be accepted",
            PATIENCE,
            || async { pushing.is_finished() },
            |it| *it,
        )
        .await;
        pipeline.servers.expect_own().nats.restart().await.unwrap();
    }
    let died = pipeline.fleet.died(service, DEATH).await;
    let log = pipeline.fleet.log(service);
    let log = log.get(written..).unwrap_or_default();
    assert!(died, "{service} does not come to {order}: {log}");
    assert!(log.contains("fail point reached; dying"), "{service} died of something else: {log}");
    pipeline.fleet.start(service, &[]);
    pushing.await.unwrap()
}

/// The chains whose end was told to a webhook.
fn told(hook: &Hook) -> BTreeSet<String> {
    let ends = hook.received().into_iter().filter(|it| it.body["type"] == "chain.finished");
    ends.filter_map(|it| it.body["data"]["chain"].as_str().map(str::to_owned)).collect()
}

#[expect(clippy::print_stdout, reason = "how much was done belongs to what was seen")]
fn deaths(count: usize) {
    println!("{count} deaths at labelled places");
}
