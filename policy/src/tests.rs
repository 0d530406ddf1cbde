//! The whole service on a real nats-server and a real Postgres.

use std::{collections::HashSet, fs, time::Duration};

use bus::{Bus, Problem};
use chrono::DateTime;
use contracts::{
    Envelope, GateId, Message, Outgoing,
    gate::{GateDecided, GateRequested, Moment, Outcome},
};
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::fixtures::{prod, request};

mod ended;
mod git;
mod late;
mod line;
mod reviews;
mod turns;
mod under_way;
mod users;

const APPROVAL: &str = r#"
policy "people" {
  approval {
    min_approvers    = 2
    no_self_approval = true
  }
}
"#;

/// A policy service with a bus and a database of its own.
struct Running {
    config: Config,
    folder: TempDir,
    bus: Bus,
    shutdown: CancellationToken,
    service: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start(policies: &str) -> Self {
        Self::start_with(policies, in_folder()).await
    }

    async fn start_with(policies: &str, git: config::Git) -> Self {
        let nats = embedded::shared_nats().await;
        let options = bus::Options::at(nats.url(), format!("policy-{}", Uuid::new_v4()));
        Self::start_on(policies, git, options).await
    }

    async fn start_on(policies: &str, git: config::Git, bus: bus::Options) -> Self {
        let postgres = embedded::shared_postgres().await;
        let name = format!("policy-{}", Uuid::new_v4());
        postgres.create_database(&name).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.hcl"), policies).unwrap();
        let config = Config {
            bus,
            store: ::store::Options::at(postgres.url(&name)),
            health: ::service::health::Options { listen: String::new() },
            policies: config::Policies {
                folder: folder.path().to_owned(),
                shadow: std::path::PathBuf::new(),
                poll: Duration::from_millis(50),
                git,
                shadow_git: in_folder(),
            },
            retention: config::Retention { decisions: Duration::from_secs(395 * 24 * 3600) },
        };
        let bus = Bus::connect(&config.bus, "test").await.unwrap();
        let shutdown = CancellationToken::new();
        let service = tokio::spawn(run(config.clone(), shutdown.clone()));
        let running = Self { config, folder, bus, shutdown, service };
        running.until_it_answers().await;
        running
    }

    async fn until_it_answers(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let answered = async {
            while self.ask("policies", json!(null)).await.is_none() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answered).await.expect("it answers");
    }

    async fn start_again(&mut self) {
        self.shutdown = CancellationToken::new();
        self.service = tokio::spawn(run(self.config.clone(), self.shutdown.clone()));
        self.until_it_answers().await;
    }

    async fn stop(&mut self) {
        self.shutdown.cancel();
        (&mut self.service).await.unwrap().unwrap();
    }

    async fn decisions(&self) -> impl futures::Stream<Item = Envelope> + Unpin + use<> {
        let subject = subject::events_of(GateDecided::TYPE);
        let decisions = self.bus.tail(&subject).await.unwrap();
        self.bus.flush().await.unwrap();
        // On a slow machine an answer may be published twice.
        let mut seen = HashSet::new();
        decisions.filter(move |decision| std::future::ready(seen.insert(decision.id)))
    }

    async fn request(&self, request: &GateRequested) {
        self.publish(request, request.chain.0).await;
    }

    async fn publish<M: Message>(&self, message: &M, correlation: Uuid) {
        self.publish_at(message, correlation, Utc::now()).await;
    }

    async fn publish_at<M: Message>(&self, message: &M, correlation: Uuid, at: DateTime<Utc>) {
        let outgoing = Outgoing::new(message).within(correlation, None);
        let envelope = outgoing.first("test", Uuid::new_v4(), at);
        let sent = self.bus.send(std::slice::from_ref(&envelope)).await;
        self.bus.stored(sent).await.unwrap();
    }

    async fn ask(&self, question: &str, body: Value) -> Option<Value> {
        let subject = subject::question(CARD.service, question);
        self.bus.request(&subject, &body).await.ok().map(|answer| answer.unwrap())
    }

    async fn review(&self, body: Value) -> Result<Value, Problem> {
        self.bus.request(&subject::command("gate.review"), &body).await.unwrap()
    }
}

fn in_folder() -> config::Git {
    crate::fixtures::git("", std::path::Path::new(""))
}

async fn next(decisions: &mut (impl futures::Stream<Item = Envelope> + Unpin)) -> GateDecided {
    let envelope = tokio::time::timeout(Duration::from_secs(20), decisions.next());
    let envelope = envelope.await.expect("a decision comes").expect("the bus is there");
    assert_eq!(envelope.correlation, prod(Moment::BeforeApply).chain.0);
    serde_json::from_value(envelope.body).unwrap()
}

fn yes(gate: GateId, by: &str) -> Value {
    json!({ "id": Uuid::new_v4(), "gate": gate, "approve": true, "by": by })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_asked_held_approved_and_passes() {
    let mut running = Running::start(APPROVAL).await;
    let mut decisions = running.decisions().await;
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });

    let first = yes(asked.gate, "alice");
    let reply = running.review(first.clone()).await.unwrap();
    assert_eq!(reply["outcome"], "hold_for_approvals");
    assert_eq!((&reply["revision"], &reply["given"]), (&json!(2), &json!(1)));
    assert_eq!(next(&mut decisions).await.revision, 2);
    assert_eq!(running.review(first).await.unwrap(), reply, "sent again, it is the same review");

    let own = running.review(yes(asked.gate, "dora")).await.unwrap_err();
    assert_eq!(own.code, "self_approval");
    let unknown = running.review(yes(GateId(Uuid::from_u128(1)), "bob")).await.unwrap_err();
    assert_eq!(unknown.code, "gate_unknown");
    let malformed = running.review(json!({ "gate": "gate_1" })).await.unwrap_err();
    assert_eq!(malformed.code, "malformed");

    let waiting = running.ask("gates", json!({ "open_only": true })).await.unwrap();
    let gate = &waiting["gates"][0];
    assert_eq!(gate["gate"], json!(asked.gate));
    assert_eq!(gate["approvals"][0]["given"], json!(["alice"]));
    assert_eq!(gate["approvals"][0]["not"], "Dora");
    assert_eq!(gate["reviews"][0]["by"], "alice");

    let reply = running.review(yes(asked.gate, "bob")).await.unwrap();
    assert_eq!((&reply["outcome"], &reply["revision"]), (&json!("pass"), &json!(3)));
    let mut decided = next(&mut decisions).await;
    if decided.revision == 2 {
        // The review that was sent again was answered again, under the same id.
        decided = next(&mut decisions).await;
    }
    assert_eq!(decided.outcome, Outcome::Pass);
    let late = running.review(yes(asked.gate, "carol")).await.unwrap_err();
    assert_eq!(late.code, "gate_decided");
    assert!(late.message.contains("has its 2 approvals (alice, bob)"), "{late}");
    let waiting = running.ask("gates", json!({ "open_only": true })).await.unwrap();
    assert_eq!(waiting, json!({ "gates": [], "more": false, "next": null }));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_policies_decide_what_waits_and_faulty_ones_change_nothing() {
    let mut running = Running::start(APPROVAL).await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;

    fs::write(running.folder.path().join("b.hcl"), "policy {").unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let refused = async {
        loop {
            let policies = running.ask("policies", json!(null)).await.unwrap();
            if !policies["refused"].is_null() {
                return policies;
            }
            ticks.tick().await;
        }
    };
    let policies = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert_eq!(policies["digest"], json!(held.policy_digest));
    assert_eq!(policies["policies"][0]["name"], "people");
    assert_eq!(policies["refused"]["faults"][0]["line"], 1);

    fs::write(running.folder.path().join("b.hcl"), "").unwrap();
    fs::write(running.folder.path().join("a.hcl"), APPROVAL.replace('2', "1")).unwrap();
    let relaxed = next(&mut decisions).await;
    assert_eq!(relaxed.outcome, Outcome::HoldForApprovals { given: 0, needed: 1 });
    assert_eq!(relaxed.revision, 2);
    assert_ne!(relaxed.policy_digest, held.policy_digest);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_changed_while_nobody_looked_decide_after_the_start() {
    let mut running = Running::start(APPROVAL).await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    running.stop().await;
    fs::write(running.folder.path().join("a.hcl"), "").unwrap();
    running.start_again().await;
    let mut decided = next(&mut decisions).await;
    // What was not noted as told before the end is told once more, under the same id.
    while decided.revision == held.revision {
        decided = next(&mut decisions).await;
    }
    assert_eq!(decided.outcome, Outcome::Pass);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_reused_for_another_plan_is_a_dead_letter() {
    let mut running = Running::start("").await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    next(&mut decisions).await;
    running.request(&request(Moment::BeforeApply, &[])).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let buried = async {
        loop {
            let letters = running.bus.dead_letters(10).await.unwrap();
            if let Some(letter) = letters.into_iter().next() {
                return letter;
            }
            ticks.tick().await;
        }
    };
    let letter = tokio::time::timeout(Duration::from_secs(20), buried).await.unwrap();
    assert_eq!(letter.consumer, CARD.consumer);
    assert!(letter.reason.contains("was asked about another commit or plan before"), "{letter:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_set_keeps_the_service_from_starting_unless_another_was_in_force() {
    const FAULTY: &str = "policy \"a\" {}\n";
    let mut running = Running::start(APPROVAL).await;
    let mut decisions = running.decisions().await;
    let before = running.ask("policies", json!(null)).await.unwrap();
    running.stop().await;
    fs::write(running.folder.path().join("a.hcl"), FAULTY).unwrap();
    running.start_again().await;
    let policies = running.ask("policies", json!(null)).await.unwrap();
    assert_eq!(policies["digest"], before["digest"]);
    assert_eq!(policies["refused"]["faults"][0]["line"], 1, "{policies:#}");
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    fs::write(running.folder.path().join("a.hcl"), "").unwrap();
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass);
    running.stop().await;

    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("a.hcl"), FAULTY).unwrap();
    let mut config = running.config.clone();
    config.policies.folder = elsewhere.path().to_owned();
    let error = run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("a.hcl:1:1: this policy demands nothing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_trial_keeps_nothing_from_starting_and_is_told() {
    let trial = tempfile::tempdir().unwrap();
    fs::write(trial.path().join("a.hcl"), "policy \"a\" {}\n").unwrap();
    let mut running = Running::start(APPROVAL).await;
    running.stop().await;
    running.config.policies.shadow = trial.path().to_owned();
    let mut events = running.bus.tail(&subject::events_of(PoliciesRefused::TYPE)).await.unwrap();
    running.bus.flush().await.unwrap();
    running.start_again().await;
    let refused: PoliciesRefused = git::told(&mut events).await;
    assert!(refused.trial && refused.faults[0].line == Some(1), "{refused:?}");
    assert!(refused.reason.text.contains("on trial"), "{refused:?}");

    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });
    let shadow = running.ask("shadow", json!(null)).await.unwrap();
    assert!(shadow["refused"].as_str().unwrap().contains("a.hcl:1:1"), "{shadow:#}");
    assert_eq!(shadow["trial"]["differ"], 0, "nothing is tried");

    // Once there was another, that is tried on, also by who starts with a fault.
    fs::write(trial.path().join("a.hcl"), "policy \"no\" {\n deny { reason = \"no\" }\n}\n")
        .unwrap();
    let sound = running.until_tried("it is mended", |said| said["refused"].is_null()).await;
    running.stop().await;
    fs::write(trial.path().join("a.hcl"), "policy \"a\" {}\n").unwrap();
    running.start_again().await;
    let shadow = running.ask("shadow", json!(null)).await.unwrap();
    assert_eq!(shadow["digest"], sound["digest"]);
    assert!(shadow["refused"].as_str().unwrap().contains("a.hcl:1:1"), "{shadow:#}");
    let gate = GateId(Uuid::from_u128(99));
    running.request(&GateRequested { gate, ..prod(Moment::BeforeApply) }).await;
    running.until_tried("it is tried on", |said| said["trial"]["differ"] == 1).await;
    running.stop().await;
}

#[test]
fn the_card_says_what_is_taken() {
    assert_eq!(CARD.takes, <decider::Happening as contracts::Inbound>::TAKES);
}

#[test]
fn the_defaults_are_a_whole_configuration() {
    let layers = ::service::config::Layers::merge("policy", DEFAULTS, None, &Default::default());
    let config: Config = layers.unwrap().read().unwrap();
    assert_eq!(config.policies.poll, Duration::from_secs(1));
}

/// Everything that can be done to a gate besides reviewing it, on the wire.
#[tokio::test(flavor = "multi_thread")]
async fn the_glass_is_broken_told_and_listed_and_the_next_gate_of_the_chain_passes() {
    let night = "policy \"never\" {\n schedule {\n recurrence = \"FREQ=DAILY;UNTIL=20200101\"\n }\n}\n\
                 break_glass \"oncall\" {\n allowed_users = [\"olga\"]\n}";
    let mut running = Running::start(night).await;
    let mut decisions = running.decisions().await;
    let told = running.bus.tail(&subject::events_of(GateOverridden::TYPE)).await;
    let mut told = told.unwrap();
    running.bus.flush().await.unwrap();
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldUntil { until: evaluate::never() });

    let order = |by: &str| json!({ "id": Uuid::new_v4(), "gate": asked.gate, "by": by, "reason": "it burns", "chain": true });
    let command = subject::command(OverrideGate::TYPE);
    let stranger = running.bus.request(&command, &order("mallory")).await.unwrap().unwrap_err();
    assert_eq!(stranger.code, "override_refused");
    let reply = running.bus.request(&command, &order("Olga")).await.unwrap().unwrap();
    assert_eq!(reply["outcome"], "pass");
    // What was decided before may be told again.
    let passed = loop {
        let decided = next(&mut decisions).await;
        if decided.revision > held.revision {
            break decided;
        }
    };
    assert_eq!(passed.reasons[0].code, Code::Overridden);
    let event = tokio::time::timeout(Duration::from_secs(20), told.next()).await.unwrap().unwrap();
    let event: GateOverridden = serde_json::from_value(event.body).unwrap();
    assert_eq!((event.by.as_str(), event.reason.as_str()), ("Olga", "it burns"));

    let mut later = asked.clone();
    later.gate = GateId(Uuid::from_u128(77));
    running.request(&later).await;
    let passed = next(&mut decisions).await;
    assert_eq!((passed.gate, passed.outcome), (later.gate, Outcome::Pass));
    let listed = running.ask("overrides", json!(null)).await.unwrap();
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["overrides"][0]["follow_up"], json!(null));

    let back = json!({ "id": Uuid::new_v4(), "gate": asked.gate, "approve": false, "withdraw": true, "by": "olga" });
    running.review(back.clone()).await.unwrap();
    let mut held = asked.clone();
    held.gate = GateId(Uuid::from_u128(78));
    running.request(&held).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldUntil { until: evaluate::never() });
    let again = json!({ "id": Uuid::new_v4(), "gate": asked.gate, "approve": false, "withdraw": true, "by": "olga" });
    assert_eq!(running.review(again).await.unwrap_err().code, "gate_decided");

    let done =
        |gate: GateId| json!({ "gate": gate, "by": "ann", "reason": "see 4711", "done": true });
    let nothing = running.bus.request(&command, &done(held.gate)).await.unwrap().unwrap_err();
    assert_eq!(nothing.code, "nothing_overridden");
    running.bus.request(&command, &done(asked.gate)).await.unwrap().unwrap();
    let listed = running.ask("overrides", json!(null)).await.unwrap();
    let [only] = listed["overrides"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&only["taken_back"], &only["follow_up"]["by"]), (&json!(true), &json!("ann")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_asked_over_the_stream_and_whoever_answers_first_decides() {
    let mut running = Running::start("hook \"desk\" {\n on_silence = \"deny\"\n}").await;
    let mut decisions = running.decisions().await;
    let questions = running.bus.tail(&subject::events_of(HookAsked::TYPE)).await;
    let mut questions = questions.unwrap();
    running.bus.flush().await.unwrap();
    running.request(&prod(Moment::BeforeApply)).await;
    let waiting = tokio::time::timeout(Duration::from_secs(20), questions.next());
    let question = waiting.await.unwrap().unwrap();
    let question: HookAsked = serde_json::from_value(question.body).unwrap();
    assert_eq!((question.hook.as_str(), question.on_silence.as_str()), ("desk", "deny"));
    assert_eq!(next(&mut decisions).await.reasons[0].code, Code::WaitingForHook);
    let answer = |pass| json!({ "id": Uuid::new_v4(), "hook": "desk", "gate": question.gate, "pass": pass, "by": "me" });
    let command = subject::command_for(AnswerHook::TYPE, "desk");
    let reply = running.bus.request(&command, &answer(true)).await.unwrap().unwrap();
    assert_eq!(reply["outcome"], "pass");
    let late = running.bus.request(&command, &answer(false)).await.unwrap().unwrap_err();
    assert_eq!(late.code, "hook_closed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_says_nothing_is_taken_at_its_stated_word() {
    let hook = "hook \"desk\" {\n timeout = \"1s\"\n on_silence = \"deny\"\n}";
    let mut running = Running::start(hook).await;
    let mut decisions = running.decisions().await;
    running.request(&prod(Moment::BeforeApply)).await;
    assert!(matches!(next(&mut decisions).await.outcome, Outcome::HoldUntil { .. }));
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Deny);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_explained_recorded_and_tried_on() {
    let trial = tempfile::tempdir().unwrap();
    fs::write(
        trial.path().join("a.hcl"),
        "policy \"no\" {\n match {\n moment = \"before_apply\"\n }\n deny { reason = \"no\" }\n}",
    )
    .unwrap();
    let mut running = Running::start(APPROVAL).await;
    running.stop().await;
    running.config.policies.shadow = trial.path().to_owned();
    running.start_again().await;
    let mut decisions = running.decisions().await;
    let asked = prod(Moment::BeforeApply);
    running.request(&asked).await;
    let held = next(&mut decisions).await;
    assert_eq!(held.outcome, Outcome::HoldForApprovals { given: 0, needed: 2 });

    // Explained by the policies that decided it, also when others are in force.
    fs::write(running.folder.path().join("a.hcl"), "").unwrap();
    assert_eq!(next(&mut decisions).await.outcome, Outcome::Pass);
    fs::write(running.folder.path().join("a.hcl"), APPROVAL).unwrap();
    let explained = running.ask("explain", json!({ "gate": asked.gate })).await.unwrap();
    assert_eq!(explained["by_policies_of_now"], false);
    assert!(explained["lines"][0]["text"].as_str().unwrap().contains("no policy matches"));

    let since = Utc::now() - chrono::TimeDelta::hours(1);
    let records = running.ask("records", json!({ "since": since })).await.unwrap();
    assert_eq!(records["kept_from"], records["records"][0]["requested_at"]);
    let record: replay::Record = serde_json::from_value(records["records"][0].clone()).unwrap();
    let set = document::read(&[document::File { name: "a".into(), text: APPROVAL.into() }]);
    let differs = record.differs(&set.unwrap()).expect("it would be held");
    assert_eq!(differs.would, Outcome::HoldForApprovals { given: 0, needed: 2 });

    let shadow = running.ask("shadow", json!(null)).await.unwrap();
    assert_eq!(shadow["trial"], json!({ "decided": 1, "differ": 1 }));
    assert_eq!(shadow["differences"][0]["shadow"]["outcome"], "deny");
    running.stop().await;
}
