//! Every service dies at every labelled place between two durable writes where it can.

use std::{collections::BTreeSet, time::Duration};

use harness::{
    Pipeline, Setup, accounts,
    fleet::FAILPOINT,
    github,
    patience::{PATIENCE, eventually},
};
use receivers::{HOOK_SECRET, Hook, Reply, work};
use serde_json::json;

use super::{asides, setup};

/// How long a service may take to come to a place.
const DEATH: Duration = Duration::from_secs(30);

const ALL: &[&str] = &["planner", "policy", "executor", "notifier"];

/// Each label, and the services that come to it. `bus::FAILPOINTS` lists the labels. The planner's
/// calls are to Git: see [`the_planner_dies_at_every_call_it_makes`].
const PLACES: &[(&str, &[&str])] = &[
    ("engine.before_commit", ALL),
    ("engine.after_commit", ALL),
    ("engine.before_publish", ALL),
    ("engine.before_mark", &["planner", "policy", "executor"]),
    ("effect.before_call", &["executor", "notifier"]),
    ("effect.after_call", &["executor", "notifier"]),
    ("effect.before_postpone", &["executor", "notifier"]),
    ("consume.before_ack", ALL),
    ("relay.before_era", &["ingest", "planner", "policy", "executor"]),
    ("relay.before_publish", &["ingest", "planner", "policy", "executor"]),
    ("relay.before_mark", &["ingest", "planner", "policy", "executor"]),
    ("ingest.before_commit", &["ingest"]),
    ("ingest.after_commit", &["ingest"]),
    ("ingest.before_mark", &["ingest"]),
    ("spacelift.before_trigger", &["executor"]),
    ("spacelift.after_trigger", &["executor"]),
    ("spacelift.after_act", &["executor"]),
];

#[test]
fn every_label_has_its_services() {
    let on_the_way = PLACES.iter().map(|(label, _)| *label);
    let tried: BTreeSet<&str> = on_the_way.chain(asides::PLACES.iter().copied()).collect();
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
                if (*label, service) == ("effect.before_postpone", "notifier") {
                    hook.reply(Reply::Status(503));
                }
                let commit = die_at(&mut pipeline, service, label, *nth).await;
                chains.push(pipeline.ended(&commit).await);
            }
        }
    }
    pipeline.assert_all_well(&chains);
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
    let order = format!("{label}={nth}");
    let is_left_over = label.starts_with("relay.") && label != "relay.before_era";
    if is_left_over && service != "ingest" {
        return die_with_leftovers(pipeline, service, &order).await;
    }
    let written = pipeline.fleet.log(service).len();
    pipeline.fleet.start(service, &[(FAILPOINT, &order)]);
    if is_left_over {
        // What surely is left over, it takes while the broker is away; it may die sooner of what was not
        // marked yet when it was killed.
        tokio::select! {
            () = pipeline.ready() => {}
            _ = pipeline.fleet.process(service).exited() => {}
        }
        pipeline.servers.expect_own().nats.kill().await;
    }
    if label == "effect.before_postpone" && service == "executor" {
        let fault = simulator::Fault::once(simulator::FaultKind::AnswerLost).on("runTrigger");
        pipeline.spacelift.add_fault(fault);
    }
    let user = pipeline.user.clone();
    let pushing = tokio::spawn(async move { user.push(&["stacks/a/main.tf"]).await });
    if !pipeline.servers.expect_own().nats.is_up() {
        // Ingest takes it without the broker, unless it died already of what was left over before.
        let accepted = eventually(
            "the push to be accepted",
            PATIENCE,
            || async { pushing.is_finished() },
            |it| *it,
        );
        tokio::select! {
            _ = accepted => {}
            _ = pipeline.fleet.process(service).exited() => {}
        }
        pipeline.servers.expect_own().nats.restart().await.unwrap();
    }
    has_died(pipeline, service, &order, written).await;
    pipeline.fleet.start(service, &[]);
    pushing.await.unwrap()
}

/// Lets a service die between what it decided and its telling, and then, before anybody asks it
/// again, at a place where it tells what was left over.
async fn die_with_leftovers(pipeline: &mut Pipeline, service: &'static str, order: &str) -> String {
    let untold = "engine.after_commit=1";
    let mut written = pipeline.fleet.log(service).len();
    pipeline.fleet.start(service, &[(FAILPOINT, untold)]);
    let commit = pipeline.push(&["stacks/a/main.tf"]).await;
    has_died(pipeline, service, untold, written).await;
    written = pipeline.fleet.log(service).len();
    pipeline.fleet.start(service, &[(FAILPOINT, order)]);
    has_died(pipeline, service, order, written).await;
    pipeline.fleet.start(service, &[]);
    commit
}

/// Waits until a service has died where it was told to.
pub(super) async fn has_died(
    pipeline: &mut Pipeline,
    service: &'static str,
    order: &str,
    written: usize,
) {
    let died = pipeline.fleet.died(service, DEATH).await;
    let log = pipeline.fleet.log(service);
    let log = log.get(written..).unwrap_or_default();
    assert!(died, "{service} does not come to {order}: {log}");
    assert!(log.contains("fail point reached; dying"), "{service} died of something else: {log}");
}

/// Mirrors make calls of the planner: every repository is fetched and read as an effect.
#[tokio::test(flavor = "multi_thread")]
async fn the_planner_dies_at_every_call_it_makes() {
    let (base, mirrors) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (work, away) = (base.path().join("work"), base.path().join("away"));
    std::fs::create_dir(&work).unwrap();
    work::git(&work, &["init", "--quiet", "--initial-branch", "main"]);
    let code = ["a", "b", "c", "d"].map(|stack| format!("stacks/{stack}/main.tf"));
    let files: Vec<_> = code.iter().map(|path| (path.as_str(), "# new\n")).collect();
    let mut head = work::commit(&work, &files);
    let hook = Hook::start().await;
    let mut setup = impatient(&hook);
    for (name, folder) in [("PLANNER__GIT__FOLDER", mirrors.path()), ("PLANNER__GIT__URL", &work)] {
        setup.environment.push((name.to_owned(), folder.display().to_string()));
    }
    let mut pipeline = Pipeline::with(setup).await;
    let mut chains = Vec::new();
    for label in ["effect.before_call", "effect.after_call", "effect.before_postpone"] {
        pipeline.fleet.kill("planner").await;
        let written = pipeline.fleet.log("planner").len();
        let order = format!("{label}=1");
        let before = std::mem::replace(
            &mut head,
            work::commit(&work, &[("stacks/a/main.tf", &format!("# {label}\n"))]),
        );
        if label == "effect.before_postpone" {
            std::fs::rename(&work, &away).unwrap();
        }
        pipeline.fleet.start("planner", &[(FAILPOINT, &order)]);
        let mut payload = github::push(&head, &["stacks/a/main.tf"]);
        payload["before"] = json!(before);
        let (status, answer) = pipeline.deliver("push", &payload).await;
        assert!((200..300).contains(&status), "the push was answered {status}: {answer}");
        has_died(&mut pipeline, "planner", &order, written).await;
        if away.exists() {
            std::fs::rename(&away, &work).unwrap();
        }
        pipeline.fleet.start("planner", &[]);
        chains.push(pipeline.ended(&head).await);
    }
    pipeline.assert_all_well(&chains);
    deaths(chains.len());
    pipeline.stop().await;
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
