//! The whole service on a real nats-server, a real Postgres and a simulated Spacelift.

use std::{collections::HashSet, time::Duration};

use bus::Bus;
use chrono::Utc;
use contracts::{
    CommitSha, Envelope, Outgoing,
    change::{Change, Paths},
};
use futures::StreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{
    Account, DependencySeed, Fault, FaultKind, Options, ReferenceSeed, Simulator, StackSeed,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;

mod account;
mod drift;
mod git;
mod pushes;

/// Long enough for a loaded machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn seed(id: &str) -> StackSeed {
    StackSeed {
        id: id.to_owned(),
        name: id.to_owned(),
        namespace: "acme".to_owned(),
        repository: "infra".to_owned(),
        branch: "main".to_owned(),
        project_root: Some(id.to_owned()),
        ..StackSeed::default()
    }
}

/// `network` → `dns` (native, with a reference) → `app` (label).
fn account() -> Account {
    Account {
        stacks: vec![
            StackSeed { labels: vec!["depends-on:dns".to_owned()], ..seed("app") },
            seed("dns"),
            StackSeed {
                additional_project_globs: vec!["modules/**".to_owned()],
                ..seed("network")
            },
        ],
        dependencies: vec![DependencySeed {
            stack: "dns".to_owned(),
            depends_on: "network".to_owned(),
            references: vec![ReferenceSeed::new("ZONE", "TF_VAR_zone")],
            ..DependencySeed::default()
        }],
        ..Account::default()
    }
}

/// A planner with an account, a bus and a database of its own.
struct Running {
    simulator: Simulator,
    config: Config,
    bus: Bus,
    services: Vec<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Running {
    async fn prepare(account: Account) -> Self {
        let (nats, postgres) = (embedded::shared_nats().await, embedded::shared_postgres().await);
        let name = format!("planner-{}", Uuid::new_v4());
        postgres.create_database(&name).await.unwrap();
        let simulator = Simulator::start(Options::new(account)).await.unwrap();
        let key = simulator.api_key();
        let config = Config {
            bus: bus::Options::at(nats.url(), &name),
            store: ::store::Options::at(postgres.url(&name)),
            health: service::health::Options { listen: String::new() },
            spacelift: spacelift::Options {
                endpoint: simulator.url(),
                api_key_id: key.id,
                api_key_secret: SecretString::from(key.secret),
                timeout: Duration::from_secs(5),
                requests_per_second: 1_000,
                requests_burst: 1_000,
                breaker_failures: 10,
                breaker_wait: Duration::from_secs(10),
            },
            // So long that whatever is read again was asked for.
            catalogue: config::Catalogue {
                refresh: Duration::from_secs(3_600),
                whole: Duration::from_secs(3_600),
                pause: Duration::from_millis(10),
                label: String::new(),
            },
            previews: config::Previews { from_forks: false },
            git: config::Git {
                username: "x-access-token".to_owned(),
                patience: Duration::from_secs(60),
                ..config::Git::nowhere()
            },
            validation: config::Validation {
                enabled: true,
                rules: String::new(),
                patience: Duration::from_secs(60),
                scanners: Vec::new(),
                reports: Vec::new(),
            },
        };
        let bus = Bus::connect(&config.bus, "test").await.unwrap();
        bus.ensure_streams().await.unwrap();
        Self { simulator, config, bus, services: Vec::new() }
    }

    async fn start(account: Account) -> Self {
        let mut running = Self::prepare(account).await;
        running.spawn();
        running.until("as_of is known", |status| !status["as_of"].is_null()).await;
        running
    }

    fn spawn(&mut self) {
        let shutdown = CancellationToken::new();
        let service = tokio::spawn(run(self.config.clone(), shutdown.clone()));
        self.services.push((shutdown, service));
    }

    async fn stop(&mut self) {
        for (shutdown, service) in self.services.drain(..) {
            shutdown.cancel();
            service.await.unwrap().unwrap();
        }
    }

    /// Waits until the status is as described, and gives it.
    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let mut ticks = tokio::time::interval(Duration::from_millis(25));
        let asked = async {
            loop {
                ticks.tick().await;
                if let Some(status) = self.ask("status", Value::Null).await {
                    last = status;
                    if holds(&last) {
                        return;
                    }
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asked).await;
        assert!(in_time.is_ok(), "not in time: {what}; last seen: {last:#}");
        last
    }

    async fn ask(&self, question: &str, body: Value) -> Option<Value> {
        let subject = subject::question(CARD.service, question);
        self.bus.request(&subject, &body).await.ok()?.ok()
    }

    async fn answers(&self) -> impl futures::Stream<Item = Envelope> + Unpin + use<> {
        let answers = self.bus.tail("stackly.evt.chain.>").await.unwrap();
        self.bus.flush().await.unwrap();
        // On a slow machine an answer may be published twice.
        let mut seen = HashSet::new();
        answers.filter(move |answer| std::future::ready(seen.insert(answer.id)))
    }

    async fn publish<M: Message>(&self, message: &M) -> Uuid {
        let outgoing = Outgoing::new(message).within(Uuid::new_v4(), None);
        let envelope = outgoing.first("ingest", Uuid::new_v4(), Utc::now());
        let sent = self.bus.send(std::slice::from_ref(&envelope)).await;
        self.bus.stored(sent).await.unwrap();
        envelope.correlation
    }
}

fn push(repository: &str, commit: &str, path: &str) -> ChangePushed {
    ChangePushed {
        change: Change {
            repository: repository.to_owned(),
            branch: "main".to_owned(),
            commit: CommitSha::from(commit),
            previous: None,
            author: "ada".to_owned(),
            authors: Vec::new(),
            title: "wider subnets".to_owned(),
            url: None,
            pull_request: None,
        },
        paths: Paths::All(vec![path.to_owned()]),
        deleted: false,
        tag: false,
        forced: false,
    }
}

async fn next(answers: &mut (impl futures::Stream<Item = Envelope> + Unpin)) -> Envelope {
    let answer = tokio::time::timeout(PATIENCE, answers.next()).await;
    answer.expect("an answer comes").expect("the bus is there")
}

/// An entry of the audit trail.
fn audited(action: &str, entity: Option<&str>) -> AccountAudited {
    AccountAudited {
        account: "acme".to_owned(),
        action: action.to_owned(),
        actor: "user::ada".to_owned(),
        entity: entity.map(str::to_owned),
    }
}

fn stacks(planned: &Envelope) -> Vec<&str> {
    assert_eq!(planned.kind, ChainPlanned::TYPE, "{:#}", planned.body);
    let steps = planned.body["steps"].as_array().unwrap();
    steps.iter().map(|step| step["stack"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_push_becomes_a_chain_over_native_dependencies_and_labels() {
    let mut running = Running::start(account()).await;
    let mut answers = running.answers().await;

    let story = running.publish(&push("Acme/Infra", "c0ffee", "modules/vpc/main.tf")).await;
    let planned = next(&mut answers).await;

    assert_eq!(stacks(&planned), ["network", "dns", "app"]);
    assert_eq!(planned.correlation, story);
    assert_eq!(planned.body["graph_version"], 1);
    assert_eq!(
        planned.body["edges"],
        json!([
            { "parent": "dns", "child": "app",
              "origins": [{ "from": "label", "label": "depends-on:dns" }] },
            { "parent": "network", "child": "dns",
              "origins": [{ "from": "native", "references": ["ZONE -> TF_VAR_zone"] }] },
        ])
    );

    running.publish(&push("acme/infra", "c0ffee", "modules/vpc/main.tf")).await;
    let again = next(&mut answers).await;
    assert_eq!(
        (again.kind.as_str(), &again.body["reason"]["code"]),
        (ChainIgnored::TYPE, &json!("already_planned"))
    );
    let text = again.body["reason"]["text"].as_str().unwrap();
    assert!(text.contains(planned.body["chain"].as_str().unwrap()), "{text}");
    running.stop().await;
}

#[tokio::test]
async fn only_stacks_with_the_label_are_driven_where_one_is_configured() {
    let labelled = |seed: StackSeed| StackSeed { labels: vec!["stackly".to_owned()], ..seed };
    let account = Account {
        stacks: vec![labelled(seed("app")), seed("dns"), labelled(seed("network"))],
        ..account()
    };
    let mut running = Running::prepare(account).await;
    running.config.catalogue.label = "stackly".to_owned();
    running.spawn();
    running.until("two stacks are known", |status| status["stacks"] == 2).await;
    let mut answers = running.answers().await;
    running.publish(&push("acme/infra", "c0ffee", "dns/main.tf")).await;
    let ignored = next(&mut answers).await;
    assert_eq!(ignored.body["reason"]["code"], "nothing_touched");
    let told = running.ask("trace", json!({ "correlation": ignored.correlation })).await.unwrap();
    let notes: Vec<&Value> = told.as_array().unwrap().iter().map(|it| &it["note"]).collect();
    assert!(notes.contains(&&ignored.body["reason"]["text"]), "{told:#}");
    running.publish(&push("acme/infra", "c0ffef", "network/main.tf")).await;
    assert_eq!(stacks(&next(&mut answers).await), ["network"], "what is between them is not ours");
    running.stop().await;
}

#[tokio::test]
async fn a_tag_delivers_the_stacks_that_go_by_it() {
    let mut account = account();
    let labels = vec!["stackly:on-tag=v*".to_owned(), "depends-on:dns".to_owned()];
    account.stacks.push(StackSeed { labels, ..seed("shop") });
    let mut running = Running::start(account).await;
    let mut answers = running.answers().await;
    let tag = |name: &str, commit: &str| {
        let mut pushed = push("acme/infra", commit, "readme.md");
        name.clone_into(&mut pushed.change.branch);
        pushed.tag = true;
        pushed
    };

    running.publish(&tag("v1.2.0", "c0ffee")).await;
    let planned = next(&mut answers).await;
    assert_eq!(stacks(&planned), ["shop"]);
    assert_eq!(planned.body["steps"][0]["on_commit"], true);
    running.publish(&tag("nightly", "c0ffee")).await;
    let ignored = next(&mut answers).await;
    assert_eq!(ignored.body["reason"]["code"], "tag_pushed");
    // What it depends on is pushed, and it waits for a tag all the same.
    running.publish(&push("acme/infra", "beef", "dns/main.tf")).await;
    assert_eq!(stacks(&next(&mut answers).await), ["dns", "app"]);
    running.stop().await;
}

#[tokio::test]
async fn a_stack_made_a_moment_ago_is_found_before_its_push_is_ignored() {
    let mut running = Running::start(account()).await;
    let mut answers = running.answers().await;
    let shop = StackSeed { repository: "shop".to_owned(), ..seed("shop") };
    running.simulator.control().add_stack(shop).unwrap();

    let story = running.publish(&push("acme/shop", "c0ffee", "shop/main.tf")).await;
    let planned = next(&mut answers).await;
    assert_eq!((stacks(&planned), planned.correlation), (vec!["shop"], story));

    running.publish(&push("acme/website", "c0ffee", "index.html")).await;
    let ignored = next(&mut answers).await;
    assert_eq!(ignored.body["reason"]["code"], "repository_unknown");
    running.stop().await;
}

#[tokio::test]
async fn while_spacelift_is_away_a_push_waits_and_status_says_why() {
    let mut running = Running::prepare(account()).await;
    let control = running.simulator.control();
    let fault = control.add_fault(Fault::always(FaultKind::ServerError { status: 503 }));
    running.spawn();
    let mut answers = running.answers().await;
    running.publish(&push("acme/infra", "c0ffee", "dns/main.tf")).await;

    let status = running
        .until("a push waits", |status| {
            !status["trouble"].is_null() && status["waiting"][0]["waiting"] == 1
        })
        .await;
    assert_eq!(status["waiting"][0]["name"], "acme/infra");
    assert_eq!(status["version"], 0);

    control.remove_fault(fault);
    assert_eq!(stacks(&next(&mut answers).await), ["dns", "app"]);
    let status = running.until("all is well", |status| status["waiting"] == json!([])).await;
    assert_eq!((&status["trouble"], &status["stacks"]), (&Value::Null, &json!(3)));
    running.stop().await;
}

#[tokio::test]
async fn after_a_restart_what_was_known_is_known_though_spacelift_is_away() {
    let mut running = Running::start(account()).await;
    running.stop().await;
    let mut answers = running.answers().await;
    let down = Fault::always(FaultKind::ServerError { status: 503 });
    running.simulator.control().add_fault(down);

    running.spawn();
    running.publish(&push("acme/infra", "c0ffee", "app/main.tf")).await;

    assert_eq!(stacks(&next(&mut answers).await), ["app"]);
    running.stop().await;
}

#[tokio::test]
async fn an_audit_entry_about_a_stack_has_the_account_read_again() {
    let mut running = Running::start(account()).await;
    running.simulator.control().add_stack(seed("late")).unwrap();

    running.publish(&audited("stack.create", None)).await;

    let status = running.until("there are four stacks", |status| status["stacks"] == 4).await;
    assert_eq!(status["version"], 2);
    let page = running.ask("stacks", json!({ "after": "dns", "limit": 1 })).await.unwrap();
    assert_eq!(page["stacks"][0]["id"], "late");
    let graph = running.ask("graph", Value::Null).await.unwrap();
    assert_eq!(graph["edges"].as_array().unwrap().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn replicas_share_one_catalogue_and_answer_each_push_once() {
    let mut running = Running::start(account()).await;
    running.spawn();
    running.spawn();
    let mut answers = running.answers().await;
    let pushes = 30;
    for n in 0..pushes {
        running.publish(&push("acme/infra", &format!("c{n}"), "network/main.tf")).await;
        running.publish(&push(&format!("acme/none-{n}"), "c0ffee", "x")).await;
    }

    // A replica that starts sends what it does not know to be sent: the same under the same id.
    let mut told = std::collections::HashMap::new();
    while told.len() < 2 * pushes {
        let answer = next(&mut answers).await;
        told.insert(answer.id, answer.kind);
    }

    let planned = told.values().filter(|kind| *kind == ChainPlanned::TYPE).count();
    assert_eq!((planned, told.len()), (pushes, 2 * pushes));
    running.stop().await;
    let late = async {
        while let Some(answer) = answers.next().await {
            assert!(told.contains_key(&answer.id), "a push was answered twice: {answer:?}");
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), late).await;
}

#[tokio::test]
async fn a_push_is_reconsidered_beside_what_was_decided_and_nothing_is_started() {
    let mut running = Running::start(account()).await;
    let mut answers = running.answers().await;
    let pushed = push("acme/infra", "c0ffee", "dns/main.tf");
    let event = running.publish(&pushed).await;
    let planned = next(&mut answers).await;
    let question = json!({ "pushed": pushed, "event": event });
    let asked = running.ask("reconsider", question.clone()).await.unwrap();
    assert_eq!(asked["then"][0]["chain"], planned.body["chain"]);
    for part in ["steps", "edges", "change"] {
        assert_eq!(asked["then"][0][part], planned.body[part], "{part}");
        assert_eq!(asked["now"][0][part], planned.body[part], "{part}");
    }

    // Neither what was never told nor what is deleted, a tag or another's is taken for the same.
    let untold = running.ask("reconsider", json!({ "pushed": pushed, "event": null })).await;
    assert_eq!(untold.unwrap()["then"], json!([]));
    for (pushed, code) in [
        (ChangePushed { deleted: true, ..pushed.clone() }, "ref_deleted"),
        (ChangePushed { tag: true, ..pushed.clone() }, "tag_pushed"),
        (push("acme/other", "c0ffee", "dns/main.tf"), "repository_unknown"),
    ] {
        let asked = running.ask("reconsider", json!({ "pushed": pushed, "event": event })).await;
        let now = &asked.unwrap()["now"][0];
        assert_eq!((&now["outcome"], &now["reason"]["code"]), (&json!("ignored"), &json!(code)));
    }
    let silence = tokio::time::timeout(Duration::from_millis(200), answers.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_pull_request_is_reconsidered_as_a_preview_and_nothing_is_started() {
    let mut running = Running::start(account()).await;
    let mut answers = running.answers().await;
    let ChangePushed { change, paths, .. } = push("acme/infra", "c0ffee", "dns/main.tf");
    let change = Change { pull_request: Some(7), ..change };
    let proposed = ChangeProposed { change, paths, fork: false, updated_at: None };
    let event = running.publish(&proposed).await;
    let planned = next(&mut answers).await;
    assert_eq!(planned.body["kind"], "preview");
    let question = json!({ "proposed": proposed, "event": event });
    let asked = running.ask("reconsider", question).await.unwrap();
    for part in ["kind", "steps", "edges", "change", "options"] {
        assert_eq!(asked["then"][0][part], planned.body[part], "{part}");
        assert_eq!(asked["now"][0][part], planned.body[part], "{part}");
    }
    let of_fork = ChangeProposed { fork: true, ..proposed.clone() };
    let asked = running.ask("reconsider", json!({ "proposed": of_fork, "event": null })).await;
    assert_eq!(asked.unwrap()["now"][0]["reason"]["code"], "policy_denied");
    let both = json!({ "proposed": proposed, "pushed": push("a/b", "c", "d"), "event": null });
    assert_eq!(running.ask("reconsider", both).await, None, "one at a time");
    let silence = tokio::time::timeout(Duration::from_millis(200), answers.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    running.stop().await;
}
