//! The commands against the real services: that they still answer as this program reads them.

use std::{collections::BTreeMap, fs, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use simulator::Simulator;
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{interval, timeout},
};

use super::*;
use crate::system::{self, Ended, SERVICES};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "what GitHub signs with";
const POLICY: &str = r#"
policy "two_eyes" {
  match { stacks = ["dns"] }
  approval {
    min_approvers    = 1
    no_self_approval = true
  }
}
"#;

/// The five services, with a sample account.
struct Whole {
    at: Installation,
    ingest: String,
    simulator: Simulator,
    _policies: TempDir,
    running: JoinSet<Ended>,
}

impl Whole {
    async fn start() -> Self {
        let at = Installation::new().await;
        let account = simulator::sample_account();
        let simulator = Simulator::start(simulator::Options::new(account)).await.unwrap();
        let postgres = embedded::shared_postgres().await;
        postgres.create_database(&at.prefix).await.unwrap();
        let policies = tempfile::tempdir().unwrap();
        fs::write(policies.path().join("all.hcl"), POLICY).unwrap();
        let key = simulator.api_key();
        let installation = system::Installation {
            nats_url: at.url.clone(),
            prefix: at.prefix.clone(),
            database_url: postgres.url(&at.prefix),
            ingest: format!("127.0.0.1:{}", embedded::free_port().unwrap()),
            spacelift_url: simulator.url(),
            api_key_id: key.id,
            api_key_secret: key.secret,
            github_secret: SECRET.to_owned(),
            spacelift_secret: "what Spacelift signs with".to_owned(),
            policies: policies.path().display().to_string(),
        };
        let mut environment: BTreeMap<String, String> = installation.environment();
        for (name, value) in [("SILENCE", "1s"), ("POLL_EVERY", "200ms")] {
            environment.insert(format!("EXECUTOR__RUNS__{name}"), value.to_owned());
        }
        // The whole of it: what the test changes in the account stands in no audit trail.
        for name in ["REFRESH", "WHOLE"] {
            environment.insert(format!("PLANNER__CATALOGUE__{name}"), "1s".to_owned());
        }
        let mut running = JoinSet::new();
        for service in SERVICES {
            system::start(service, &environment, at.stop.clone(), &mut running).unwrap();
        }
        let ingest = installation.ingest;
        Self { at, ingest, simulator, _policies: policies, running }
    }

    /// Runs a command until it says what is wanted.
    async fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let waited = timeout(PATIENCE, async {
            let mut ticks = interval(Duration::from_millis(100));
            loop {
                ticks.tick().await;
                let done = self.at.run(arguments).await;
                last = match &done.result {
                    Ok(()) => done.text,
                    Err(failure) => failure.text(),
                };
                if wanted(&last) {
                    return;
                }
            }
        });
        match waited.await {
            Ok(()) => last,
            Err(_) => panic!("{arguments:?} still says {last}"),
        }
    }

    /// GitHub tells of a push by jane.
    async fn push(&self, path: &str) {
        let id = Uuid::new_v4().simple().to_string();
        let commit = format!("{id}{}", &id[..8]);
        let head = json!({ "id": commit, "message": "Point elsewhere", "added": [], "removed": [],
            "modified": [path], "timestamp": "2026-11-20T10:00:00Z", "url": "https://x.example",
            "author": { "name": "Jane", "email": "jane@acme.example", "username": "jane" } });
        let body = json!({ "ref": "refs/heads/main", "after": commit, "created": false,
            "before": "1111111111111111111111111111111111111111", "deleted": false,
            "forced": false, "head_commit": head, "commits": [head],
            "pusher": { "name": "jane" }, "sender": { "login": "jane" },
            "repository": { "full_name": simulator::SAMPLE_REPOSITORY, "name": "infra",
                "owner": { "login": "acme" } } });
        let body = serde_json::to_vec(&body).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&body);
        let response = reqwest::Client::new()
            .post(format!("http://{}/webhooks/github", self.ingest))
            .header("Content-Type", "application/json")
            .header("X-GitHub-Event", "push")
            .header("X-GitHub-Delivery", Uuid::new_v4().to_string())
            .header(
                "X-Hub-Signature-256",
                format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
            )
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    async fn stop(mut self) {
        self.at.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            let (service, result) = ended.unwrap();
            result.unwrap_or_else(|error| panic!("{service}: {error:#}"));
        }
    }
}

/// Policies and streams are as they were made.
async fn others_answer(at: &Installation) {
    let policies = at.run(&["policy", "status"]).await.ok();
    assert!(policies.contains("policy  two_eyes") && policies.contains("all.hcl"), "{policies}");
    let topology = at.run(&["topology", "show"]).await.ok();
    assert!(!topology.contains('✗') && !topology.contains("is not there"), "{topology}");
}

/// What is not there, or not said clearly, is told by the exit status.
async fn nothing_is_guessed(at: &Installation, chain: &str) {
    for (nothing, status) in [
        (vec!["drift", "fix", "nosuch"], 3),
        (vec!["loose", "adopt", "nosuch", "--path", "x"], 3),
        (vec!["why", "nosuch"], 3),
        (vec!["plan", "--repository", "acme/none", "--path", "x"], 3),
        (vec!["retry", &format!("{chain}/nosuch")], 3),
        (vec!["go", "--label", "nosuch"], 3),
        (vec!["policy", "explain", "gate_zzz"], 3),
        (vec!["policy", "explain", "gate_"], 2),
        (vec!["stop", "--reason", " "], 2),
        (vec!["stacks", "label:"], 2),
    ] {
        at.run(&nothing).await.failed(status);
    }
    let text = at.run(&["plan", "--path", "nosuch"]).await.ok();
    assert!(text.contains("a push to main changes nosuch, outside"), "{text}");
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_followed_and_approved_by_commands_alone() {
    let whole = Whole::start().await;
    let at = &whole.at;
    // The planner answers before it has read the account.
    let known = |text: &str| text.contains("✓ 15 stacks") && !text.contains('✗');
    whole.until(&["status"], known).await;
    assert!(at.run(&["stacks"]).await.ok().contains("15 stacks, catalogue"));

    whole.push("stacks/dns/main.tf").await;
    let gates = whole.until(&["gates"], |text| text.contains("0 of 1 approvals")).await;
    assert!(gates.contains("policy two_eyes: 0 of 1 approvals, may be given by anybody but jane"));
    let open = at.run(&["chains", "--open", "--json"]).await.json();
    let chain = open["chains"][0]["chain"].as_str().unwrap().to_owned();
    let page = at.run(&["chain", &chain[..12]]).await.ok();
    assert!(page.contains("… gating_plan") && page.contains("two_eyes"), "{page}");

    let place = format!("{chain}/dns");
    let text = at.run(&["approve", &place, "--as", "jane"]).await.failed(4);
    assert!(text.contains("jane made this change"), "{text}");
    let text = at.run(&["approve", &place, "--as", "alice", "--note", "go"]).await.ok();
    assert!(text.contains("approved as alice") && text.contains("✓ passed"), "{text}");

    whole.until(&["chain", &chain], |text| text.contains("✓ finished  deploy")).await;
    at.run(&["approve", &chain, "--as", "bob"]).await.failed(3);
    let all = at.run(&["gates", "--all", "--chain", &chain]).await.ok();
    assert!(all.contains("alice approved") && all.contains(": go"), "{all}");
    let open = at.run(&["gates", "--all", "--chain", &chain, "--json"]).await.json();
    let gates = open["gates"].as_array().unwrap();
    let held = gates.iter().find(|gate| !gate["reviews"].as_array().unwrap().is_empty()).unwrap();
    let gate = held["gate"].as_str().unwrap();
    let why = at.run(&["policy", "explain", gate]).await.ok();
    assert!(why.contains("● policy two_eyes") && why.contains("= together: pass"), "{why}");
    let folder = tempfile::tempdir().unwrap();
    let three = "policy \"three\" {\n  match {\n    moment = [\"before_plan\"]\n  }\n  approval { min_approvers = 3 }\n}\n";
    std::fs::write(folder.path().join("a.hcl"), three).unwrap();
    let path = folder.path().to_str().unwrap();
    let replayed = at.run(&["policy", "replay", path]).await.ok();
    assert!(replayed.contains("… 1 of 3 approvals"), "{replayed}");
    assert_eq!(at.run(&["policy", "overrides"]).await.ok(), "nobody broke the glass\n");
    at.run(&["policy", "shadow"]).await.failed(3);
    at.run(&["override", gate, "--reason", "it burns", "--as", "bob"]).await.failed(4);
    let trace = at.run(&["trace", &chain]).await.ok();
    assert_has(&trace, &["github.push", "planner-changes", "policy-gates", "run.trigger"]);
    assert!(!trace.contains('✗'), "{trace}");
    assert!(at.run(&["deliveries", "--source", "github"]).await.ok().contains("✓ accepted"));
    let page = at.run(&["chain", &chain, "--json"]).await.json();
    let why = at.run(&["why", page["change"]["commit"].as_str().unwrap()]).await.ok();
    assert!(why.contains("accepted: gives change.pushed"), "{why}");
    assert!(why.contains("planner change.pushed → chain.planned"), "{why}");
    let doctor = at.run(&["doctor"]).await.text;
    assert_has(&doctor, &["✓ a signed ping", "✓ JetStream", "✓ names of people"]);
    others_answer(at).await;
    nothing_is_guessed(at, &chain).await;
    assert_has(&doctor, &["✓ webhooks of github", "✓ policies", "no event waits for it"]);
    assert!(at.run(&["notices", &chain]).await.ok().contains("nobody was told"));
    assert_eq!(at.run(&["dead", "list"]).await.ok(), "no dead letters\n");

    let deliveries = at.run(&["deliveries", "--source", "github", "--json"]).await.json();
    let delivery = deliveries["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let replay = ["deliveries", "replay", &delivery, "--dry-run"];
    let same = at.run(&replay).await.ok();
    assert!(same.contains("is decided as then: a chain of 1 run: dns"), "{same}");
    assert!(same.contains("0 differently, 0 decided differently; nothing was"), "{same}");
    let labels = Some(vec!["depends-on:dns".to_owned()]);
    let patch = simulator::StackPatch { labels, ..simulator::StackPatch::default() };
    whole.simulator.control().patch_stack("monitoring-prod", patch).unwrap();
    let other = whole.until(&replay, |text| text.contains("would be decided")).await;
    assert!(other.contains("monitoring-prod would run as well"), "{other}");
    assert!(other.contains("1 decided differently"), "{other}");
    let chains = at.run(&["chains", "--json"]).await.json();
    assert_eq!(chains["chains"].as_array().unwrap().len(), 1, "nothing was started");
    whole.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_locked_listed_and_unlocked_by_commands_alone() {
    let whole = Whole::start().await;
    let at = &whole.at;
    whole.until(&["locks"], |text| text == "no stack is locked by us\n").await;
    let text = at.run(&["locks", "dns"]).await.ok();
    assert_eq!(text, "nobody ever locked dns with `stackly lock`\n");

    let lock = ["lock", "dns", "--as", "jane", "--note", "moving the state"];
    let text = at.run(&lock).await.ok();
    assert!(text.starts_with("dns is locked: jane has locked it since 20"), "{text}");
    assert!(text.ends_with("(moving the state)\n"), "{text}");
    let table = at.run(&["locks"]).await.ok();
    let row = table.lines().nth(1).unwrap();
    for part in ["dns", "locked", "jane", "moving the state"] {
        assert!(row.contains(part), "no {part} in {table}");
    }
    let locks = at.run(&["locks", "--json"]).await.json();
    assert_eq!(locks["locks"][0]["said"]["by"], "jane");

    let text = at.run(&["lock", "dns", "--as", "bob"]).await.failed(4);
    assert!(text.contains("jane has locked it since"), "{text}");
    let text = at.run(&["unlock", "dns", "--as", "bob"]).await.failed(4);
    assert!(text.contains("`--force` takes the lock of somebody else off"), "{text}");
    at.run(&["lock", "nowhere", "--as", "jane"]).await.failed(3);
    at.run(&["unlock", "network-prod", "--as", "jane"]).await.failed(4);

    let text = at.run(&["unlock", "dns", "--force", "--as", "bob", "--json"]).await.json();
    assert_eq!(text["state"], "free");
    assert_eq!(at.run(&["locks"]).await.ok(), "no stack is locked by us\n");
    let text = at.run(&["locks", "dns"]).await.ok();
    let told = "dns is free: unlocked by bob; jane had locked it\n";
    assert!(text.starts_with(told), "{text}");
    for event in ["lock_asked", "locked", "unlock_asked", "unlocked", "person:bob"] {
        assert!(text.contains(event), "no {event} in {text}");
    }
    whole.stop().await;
}
