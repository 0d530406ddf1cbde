//! What `stackly connect` makes, at a simulated Spacelift and a double of GitHub.

use std::{collections::BTreeSet, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use hmac::{Hmac, KeyInit, Mac};
use receivers::{GITHUB_TOKEN, Github};
use sha2::Sha256;
use simulator::{Account, Push, Simulator, SpaceSeed, StackSeed};
use tokio::sync::mpsc;

use super::*;
use crate::command::connect::PASSING;

const HERE: &str = "https://in.acme.example";

fn stack(id: &str, space: &str, labels: &[&str]) -> StackSeed {
    StackSeed {
        space: space.into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        namespace: "acme".into(),
        repository: "infra".into(),
        branch: "main".into(),
        ..StackSeed::new(id)
    }
}

/// An account with a space, and below it one that inherits.
async fn account() -> Simulator {
    let space = |id: &str, parent: &str| SpaceSeed {
        id: id.into(),
        parent: Some(parent.into()),
        inherit_entities: true,
        ..SpaceSeed::default()
    };
    let spaces = vec![space("apps-1", "root"), space("web-1", "apps-1"), space("data-1", "root")];
    let stacks = vec![
        stack("ours", "apps-1", &["stackly"]),
        stack("below", "web-1", &["stackly"]),
        stack("theirs", "apps-1", &[]),
        stack("elsewhere", "data-1", &["stackly"]),
    ];
    let account = Account { spaces, stacks, ..Account::default() };
    Simulator::start(simulator::Options::new(account)).await.unwrap()
}

async fn connect(simulator: &Simulator, ingest: &str, more: &[&str]) -> Done {
    let (url, key) = (simulator.url(), simulator.api_key());
    let whose = ["--endpoint", &url, "--api-key-id", &key.id, "--api-key-secret", &key.secret];
    let what = ["connect", "spacelift", "--ingest-url", ingest, "--space", "apps-1"];
    run([&what[..], &whose, more].concat(), None).await
}

fn actions(answer: &Value) -> Vec<String> {
    let lines = answer["lines"].as_array().unwrap().iter();
    lines.map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

/// Somebody who takes webhooks, and tells of each.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    async fn take(
        State(told): State<mpsc::UnboundedSender<(HeaderMap, Bytes)>>,
        headers: HeaderMap,
        body: Bytes,
    ) {
        told.send((headers, body)).unwrap();
    }
    let (told, heard) = mpsc::unbounded_channel();
    let router = Router::new().route("/webhooks/spacelift", post(take)).with_state(told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

#[tokio::test]
async fn a_dry_run_makes_nothing_and_a_second_apply_has_nothing_left_to_do() {
    let simulator = account().await;
    let shown = connect(&simulator, HERE, &[]).await.ok();
    assert!(shown.contains("+ named webhook `stackly` would be made"), "{shown}");
    assert!(shown.contains("2 stacks with the label `stackly`: below, ours"), "{shown}");
    assert!(shown.contains("Nothing was changed"), "{shown}");
    assert!(simulator.control().webhooks().is_empty());

    let made = connect(&simulator, HERE, &["--apply", "--json"]).await.json();
    assert_eq!(actions(&made), ["make", "make", "make"]);
    let secret = made["secret"]["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 64);
    assert_eq!(made["webhook"], "stackly");

    let again = connect(&simulator, HERE, &["--apply", "--json"]).await.json();
    assert_eq!(actions(&again), ["keep", "keep", "keep"]);
    assert!(again["secret"].is_null(), "Spacelift keeps the secret it has");
    let shown = connect(&simulator, HERE, &[]).await.ok();
    assert!(shown.contains("Everything is as it should be."), "{shown}");
}

#[tokio::test]
async fn what_was_made_delivers_signed_webhooks_and_leaves_runs_to_stackly() {
    let simulator = account().await;
    let (ingest, mut heard) = receiver().await;
    let made = connect(&simulator, &ingest, &["--apply", "--json"]).await.json();
    let secret = made["secret"]["secret"].as_str().unwrap().to_owned();

    let control = simulator.control();
    let push = Push { repository: "acme/infra".into(), branch: "main".into(), ..Push::default() };
    control.push(push).unwrap();
    for handed in ["ours", "below"] {
        assert!(control.runs(handed).is_empty(), "{handed} waits for Stackly");
    }
    for own in ["theirs", "elsewhere"] {
        assert_eq!(control.runs(own).len(), 1, "{own} goes on as it did");
    }

    let (headers, body) = heard.recv().await.unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(headers["x-signature-256"], signature.as_str());
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["stack"]["id"], "theirs", "another space is not ours to hear of");
}

#[tokio::test]
async fn states_that_a_run_only_passes_through_and_runs_of_stackly_itself_are_not_told() {
    let simulator = account().await;
    let (ingest, mut heard) = receiver().await;
    connect(&simulator, &ingest, &["--apply"]).await.ok();
    let control = simulator.control();
    let push = Push { repository: "acme/infra".into(), branch: "main".into(), ..Push::default() };
    control.push(push).unwrap();
    let key = simulator.api_key();
    let options = spacelift::Options {
        endpoint: simulator.url(),
        api_key_id: key.id,
        api_key_secret: key.secret.into(),
        timeout: Duration::from_secs(10),
        requests_per_second: 5,
        requests_burst: 10,
        breaker_failures: 10,
        breaker_wait: Duration::from_secs(1),
    };
    let request = spacelift::Trigger {
        stack: "ours".into(),
        commit: None,
        run_type: contracts::run::RunType::Tracked,
        mark: "stackly a-chain an-effect".to_owned(),
    };
    spacelift::Client::new(&options).unwrap().trigger(&request).await.unwrap();

    let mut wanted = BTreeSet::new();
    for (stack, is_own) in [("ours", true), ("theirs", false)] {
        let run = &control.runs(stack)[0];
        let history: Vec<_> = run.history.iter().map(|it| it.state.as_str()).collect();
        assert!(history.contains(&"PREPARING"), "{history:?}");
        let told = history.iter().filter(|state| !PASSING.contains(state));
        let told = told.filter(|state| **state != "QUEUED" || !is_own);
        wanted.extend(told.map(|state| (stack.to_owned(), (*state).to_owned())));
    }
    let mut told = BTreeSet::new();
    while told.len() < wanted.len() {
        let body: Value = serde_json::from_slice(&heard.recv().await.unwrap().1).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        told.insert((text(&body["stack"]["id"]), text(&body["state"])));
    }
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn what_differs_is_mended_and_keeps_what_others_gave_it() {
    let simulator = account().await;
    connect(&simulator, HERE, &["--apply"]).await.ok();
    simulator.control().enable_webhook("stackly", false).unwrap();

    let moved = "https://hooks.acme.example";
    let shown = connect(&simulator, moved, &[]).await.ok();
    assert!(shown.contains("~ named webhook `stackly` would be changed"), "{shown}");
    assert!(shown.contains("it is switched off, it sends to https://in.acme.example"), "{shown}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let file = file.to_str().unwrap();
    let changed = ["--apply", "--new-secret", "--secret-file", file];
    let shown = connect(&simulator, moved, &changed).await.ok();
    let secret = std::fs::read_to_string(file).unwrap();
    assert!(!shown.contains(secret.trim()) && shown.contains("The secret is in"), "{shown}");
    let webhook = &simulator.control().webhooks()[0];
    assert!(webhook.enabled);
    assert_eq!(webhook.endpoint, "https://hooks.acme.example/webhooks/spacelift");
    // The file is never written over.
    let failed = connect(&simulator, moved, &changed).await.failed(2);
    assert!(failed.contains("cannot be written"), "{failed}");
}

#[tokio::test]
async fn a_space_that_is_not_there_and_a_key_that_is_not_known_say_so() {
    let simulator = account().await;
    let failed = connect(&simulator, HERE, &["--name", ""]).await.failed(2);
    assert!(failed.contains("--name"), "{failed}");
    let url = simulator.url();
    let told = ["connect", "spacelift", "--endpoint", &url, "--ingest-url", HERE];
    let key = simulator.api_key();
    let right = ["--api-key-id", &key.id, "--api-key-secret", &key.secret];
    let nowhere = [&told[..], &right, &["--space", "nowhere"]].concat();
    let failed = run(nowhere, None).await.failed(3);
    assert!(failed.contains("there are apps-1, data-1, root, web-1"), "{failed}");
    let wrong = [&told[..], &["--api-key-id", "01K", "--api-key-secret", "no"]].concat();
    let failed = run(wrong, None).await.failed(4);
    assert!(failed.contains("does not accept the API key"), "{failed}");
    let missing = run(vec!["connect", "spacelift", "--ingest-url", HERE], None).await.failed(2);
    assert!(missing.contains("SPACELIFT_API_KEY_ENDPOINT"), "{missing}");
}

/// A configuration of ingest that knows a host of repositories.
fn configured(github: &Github, secrets: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[reconcile]\ngithub_token = \"{GITHUB_TOKEN}\"\ngithub_api_base = \"{}\"\n\
         [github]\nsecrets = [{secrets}]\n",
        github.api_base
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

async fn hook(file: &tempfile::NamedTempFile, more: &[&str]) -> Done {
    let config = file.path().to_str().unwrap();
    let arguments = ["connect", "github", "acme/infra", "--ingest-url", HERE, "--config", config];
    run([&arguments, more].concat(), None).await
}

#[tokio::test]
async fn the_webhook_of_a_repository_is_made_once_with_the_secret_that_ingest_has() {
    let github = Github::start().await;
    let file = configured(&github, "\"the one ingest has\"");
    let shown = hook(&file, &[]).await.ok();
    assert!(shown.contains("+ webhook `acme/infra` would be made"), "{shown}");
    assert!(github.hooks().is_empty());

    let shown = hook(&file, &["--apply"]).await.ok();
    assert!(shown.contains("repos/acme/infra/hooks/1"), "{shown}");
    assert!(!shown.contains("the one ingest has"), "{shown}");
    let made = &github.hooks()[0];
    assert_eq!(made["config"]["url"], "https://in.acme.example/webhooks/github");
    assert_eq!(made["config"]["secret"], "the one ingest has");
    assert_eq!(made["events"].as_array().unwrap().len(), 6);

    let again = hook(&file, &["--apply", "--json"]).await.json();
    assert_eq!((again["action"].as_str(), github.hooks().len()), (Some("keep"), 1));
}

#[tokio::test]
async fn a_webhook_that_lacks_an_event_keeps_its_secret_unless_another_is_asked_for() {
    let github = Github::start().await;
    hook(&configured(&github, "\"the one ingest has\""), &["--apply"]).await.ok();
    let spoil = || {
        github.change_hook(0, |hook| {
            hook["events"] = serde_json::json!(["push", "issues"]);
            hook["config"]["content_type"] = "form".into();
        });
    };
    spoil();
    // Without the configuration of ingest, its secret is not known.
    let bare = configured(&github, "");
    let shown = hook(&bare, &[]).await.ok();
    assert!(shown.contains("does not tell of") && !shown.contains("secret"), "{shown}");
    let made = hook(&bare, &["--apply", "--json"]).await.json();
    assert!(made["secret"].is_null(), "{made}");
    let mended = github.hooks()[0].clone();
    assert_eq!(mended["config"]["secret"], "the one ingest has");
    assert_eq!(mended["config"]["content_type"], "json");
    assert_eq!(mended["events"].as_array().unwrap().len(), 7, "theirs stay");

    let shown = hook(&bare, &["--new-secret"]).await.ok();
    assert!(shown.contains("it gets a fresh secret"), "{shown}");
    let made = hook(&bare, &["--new-secret", "--apply", "--json"]).await.json();
    assert_eq!(github.hooks()[0]["config"]["secret"], made["secret"]["secret"]);
    let known = configured(&github, "\"another one\"");
    hook(&known, &["--new-secret", "--apply"]).await.ok();
    assert_eq!(github.hooks()[0]["config"]["secret"], "another one");
}

#[tokio::test]
async fn without_a_secret_a_fresh_one_is_made_and_without_a_token_it_is_told_how_by_hand() {
    let github = Github::start().await;
    let file = configured(&github, "");
    let made = hook(&file, &["--apply", "--json"]).await.json();
    let secret = made["secret"]["secret"].as_str().unwrap();
    assert_eq!(github.hooks()[0]["config"]["secret"], secret);

    let none = tempfile::NamedTempFile::new().unwrap();
    let shown = hook(&none, &[]).await.ok();
    assert!(shown.contains("Payload URL   https://in.acme.example/webhooks/github"), "{shown}");
    let failed = hook(&none, &["--apply"]).await.failed(2);
    assert!(failed.contains("reconcile.github_token"), "{failed}");
}

/// A configuration of ingest that has an app in place of a token.
fn with_app(github: &Github, id: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[reconcile]\ngithub_api_base = \"{}\"\n[reconcile.github_app]\nid = \"{id}\"\nkey = \
         \"\"\"\n{}\"\"\"\n[github]\nsecrets = [\"the one ingest has\"]\n",
        github.api_base, github.app_key
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn an_app_makes_the_webhook_where_it_is_installed_and_says_where_it_is_not() {
    let github = Github::with_app().await;
    let file = with_app(&github, receivers::GITHUB_APP);
    let shown = hook(&file, &[]).await.ok();
    assert!(shown.contains("+ webhook `acme/infra` would be made"), "{shown}");
    hook(&file, &["--apply"]).await.ok();
    assert_eq!(github.hooks()[0]["config"]["secret"], "the one ingest has");
    let again = hook(&file, &["--apply", "--json"]).await.json();
    assert_eq!((again["action"].as_str(), github.hooks().len()), (Some("keep"), 1));

    let config = file.path().to_str().unwrap();
    let elsewhere = ["connect", "github", "others/infra", "--ingest-url", HERE, "--config", config];
    let failed = run(elsewhere.to_vec(), None).await.failed(4);
    assert!(failed.contains("the app is not installed where the repository is"), "{failed}");
    let wrong = with_app(&github, "another");
    let failed = hook(&wrong, &[]).await.failed(4);
    assert!(failed.contains("do not belong together"), "{failed}");
    std::fs::write(wrong.path(), "[reconcile.github_app]\nid = \"1\"\nkey = \"none\"\n").unwrap();
    let failed = hook(&wrong, &[]).await.failed(2);
    assert!(failed.contains("reconcile.github_app: ") && failed.contains("PEM"), "{failed}");
}
