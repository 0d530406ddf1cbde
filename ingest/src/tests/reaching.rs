//! Whether the addresses that senders were given lead here, over the wire.

use receivers::GITHUB_TOKEN;
use secrecy::SecretString;
use simulator::{Account, Simulator, WebhookTarget};

use super::*;

/// Ingest, with a GitHub and a Spacelift that send to it.
struct Sending {
    ingest: Running,
    github: receivers::Github,
    simulator: Simulator,
}

impl Sending {
    async fn start() -> Self {
        let github = receivers::Github::start().await;
        let simulator =
            Simulator::start(simulator::Options::new(Account::default())).await.unwrap();
        let key = simulator.api_key();
        let mut settings = Settings::default();
        let reconcile = &mut settings.reconcile;
        reconcile.github_token = SecretString::from(GITHUB_TOKEN);
        reconcile.github_api_base = github.api_base.clone();
        reconcile.github_hooks = vec!["repos/acme/infra/hooks/1".to_owned()];
        reconcile.spacelift_webhooks = ["stackly", "other", "nowhere"].map(str::to_owned).into();
        reconcile.spacelift_endpoint = simulator.url();
        reconcile.spacelift_api_key_id = key.id;
        reconcile.spacelift_api_key_secret = SecretString::from(key.secret);
        let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
        Self { ingest, github, simulator }
    }

    fn url(&self, source: &str) -> String {
        format!("http://{}/webhooks/{source}", self.ingest.address)
    }

    fn spacelift_sends(&self, webhook: &str, endpoint: &str) {
        let target =
            WebhookTarget { endpoint: endpoint.to_owned(), secret: SPACELIFT_SECRET.to_owned() };
        self.simulator.control().add_webhook(webhook, &target);
    }

    async fn github(&self) -> (bool, String) {
        self.ingest.reached("repos/acme/infra/hooks/1").await
    }

    async fn spacelift(&self, webhook: &str) -> (bool, String) {
        self.ingest.reached(&format!("`{webhook}` at Spacelift")).await
    }
}

impl Running {
    /// What is told in the end of the address that this is in the name of.
    async fn reached(&self, name: &str) -> (bool, String) {
        let all: Vec<Value> = self.ask("reach", Value::Null).await;
        let is_it = |told: &&Value| told["name"].as_str().unwrap().contains(name);
        let mut told = all.iter().find(is_it).unwrap_or_else(|| panic!("{name}: {all:?}")).clone();
        let settled = async {
            while told["sound"].is_null() {
                told = self.ask("reached", told["sent"].clone()).await;
            }
        };
        timeout(SOON, settled).await.expect("it is delivered, or given up");
        (told["sound"].as_bool().unwrap(), told["text"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_ping_of_github_s_comes_in_or_it_is_said_why_not() {
    let sending = Sending::start().await;
    let (sound, text) = sending.github().await;
    assert!(!sound && text.contains("shows no such thing to our token"), "{text}");

    sending.github.make_hook(&sending.url("github"), GITHUB_SECRET);
    let (sound, text) = sending.github().await;
    assert!(sound && text.contains("came in here (HTTP 200)"), "{text}");
    let lacks = "does not tell of pull_request, pull_request_review, merge_group, issue_comment";
    assert!(text.contains(lacks) && text.contains("stackly connect github"), "{text}");
    // The same words again are a duplicate, which leads here as well.
    assert!(sending.github().await.0);
    let kept: Vec<Listed> = sending.ingest.ask("deliveries", json!({ "source": "github" })).await;
    assert_eq!((kept.len(), kept[0].code.as_str()), (1, "ping"));

    let events = |events: Value| {
        sending.github.change_hook(0, |hook| hook["events"] = events);
    };
    events(json!(["pull_request"]));
    let (sound, text) = sending.github().await;
    assert!(!sound && text.contains("does not tell of push, "), "{text}");
    events(json!(["*"]));
    let (sound, text) = sending.github().await;
    assert!(sound && !text.contains("does not tell of"), "{text}");

    for (key, value, says) in [
        ("secret", "another".to_owned(), "signs with another secret"),
        ("url", sending.url("nobody"), "ends with /webhooks/github"),
        ("url", "http://127.0.0.1:1/webhooks/github".to_owned(), "failed to connect to host"),
        // Something that answers, and is not ingest.
        ("url", format!("{}/elsewhere", sending.github.api_base), "ends with /webhooks/github"),
    ] {
        let change = |hook: &mut Value| hook["config"][key] = json!(value);
        sending.github.change_hook(0, change);
        let (sound, text) = sending.github().await;
        assert!(!sound && text.contains(says), "{value}: {text}");
    }
    sending.github.change_hook(0, |hook| hook["active"] = json!(false));
    let (sound, text) = sending.github().await;
    assert!(!sound && text.contains("switched off at GitHub"), "{text}");

    // Nobody has ingest ask GitHub about something else.
    let sent = json!({ "hook": "repos/acme/other/hooks/1", "url": "", "after": 0 });
    let asked = sending.ingest.bus.request(&subject::question("ingest", "reached"), &sent).await;
    assert_eq!(asked.unwrap().unwrap_err().code, "malformed");
    sending.ingest.stop().await;
}

#[tokio::test]
async fn what_is_sent_to_where_spacelift_sends_comes_in_or_it_is_said_why_not() {
    let sending = Sending::start().await;
    sending.spacelift_sends("stackly", &sending.url("spacelift"));
    let (sound, text) = sending.spacelift("stackly").await;
    assert!(sound && text.contains("came in here (HTTP 200)"), "{text}");
    let kept: Vec<Listed> =
        sending.ingest.ask("deliveries", json!({ "source": "spacelift" })).await;
    assert_eq!((kept.len(), kept[0].code.as_str()), (1, "ping"));
    // That is no sign that Spacelift knows the secret.
    let told: Value = sending.ingest.ask("sources", Value::Null).await;
    let of_spacelift = told["sources"].as_array().unwrap().iter();
    let of_spacelift = of_spacelift.filter(|source| source["source"] == "spacelift");
    let secrets: Vec<_> = of_spacelift.flat_map(|source| source["secrets"].as_array()).collect();
    assert_eq!(secrets[0].len(), 1, "{told}");
    assert!(secrets[0][0]["last_used_at"].is_null(), "{told}");

    // Another ingest stands there, with a database of its own.
    let other = Running::start().await;
    sending.spacelift_sends("other", &format!("http://{}/webhooks/spacelift", other.address));
    let (sound, text) = sending.spacelift("other").await;
    assert!(!sound && text.contains("nothing came in here"), "{text}");
    other.stop().await;

    sending.spacelift_sends("nowhere", "http://127.0.0.1:1/webhooks/spacelift");
    let (sound, text) = sending.spacelift("nowhere").await;
    assert!(!sound && text.contains("does not get through"), "{text}");
    sending.ingest.stop().await;
}

#[tokio::test]
async fn what_came_in_at_an_app_s_webhook_is_sent_there_again_or_it_is_said_why_not() {
    let github = receivers::Github::with_app().await;
    let mut settings = Settings::default();
    let reconcile = &mut settings.reconcile;
    reconcile.github_app.id = receivers::GITHUB_APP.to_owned();
    reconcile.github_app.key = github.app_key.clone().into();
    reconcile.github_api_base = github.api_base.clone();
    reconcile.github_hooks = vec!["app/hook".to_owned()];
    // What never arrived is not looked for while this goes on.
    reconcile.period = Duration::from_secs(3_600);
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let url = format!("http://{}/webhooks/github", ingest.address);

    let (sound, text) = ingest.reached("app/hook").await;
    assert!(!sound && text.contains("the app has no webhook"), "{text}");
    github.set_app_hook(&url, GITHUB_SECRET);
    let (sound, text) = ingest.reached("app/hook").await;
    assert!(sound && text.contains("delivered nothing to the app"), "{text}");

    let note = |guid: &str| {
        let payload = serde_json::from_str(PUSH).unwrap();
        let (guid, at) = (guid.to_owned(), chrono::Utc::now());
        github.note_delivery(receivers::Delivery { guid, event: "push".to_owned(), at, payload });
    };
    // Something that came nowhere.
    note("d-lost");
    let (sound, text) = ingest.reached("app/hook").await;
    assert!(!sound && text.contains("of late came in here; of the last it sent"), "{text}");
    assert!(text.contains("does not get through"), "{text}");

    ingest.push("d-1", PUSH).await;
    note("d-1");
    let (sound, text) = ingest.reached("app/hook").await;
    assert!(sound && text.contains("came in here (HTTP 200)"), "{text}");
    let kept: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "github" })).await;
    assert_eq!(kept.len(), 1, "nothing follows of what is sent again");

    github.set_app_hook(&url, "another");
    let (sound, text) = ingest.reached("app/hook").await;
    assert!(!sound && text.contains("signs with another secret"), "{text}");
    ingest.stop().await;
}

#[tokio::test]
async fn a_test_of_gitlab_s_comes_in_and_nothing_follows_or_it_is_said_why_not() {
    let gitlab = receivers::Gitlab::start().await;
    let start = async |token: &str| {
        let mut settings = Settings::default();
        settings.senders.gitlab.secrets = vec![SecretString::from("gitlab-token")];
        let reconcile = &mut settings.reconcile;
        reconcile.gitlab_token = SecretString::from(token);
        reconcile.gitlab_api_base = gitlab.api_base.clone();
        reconcile.period = Duration::from_secs(3_600);
        reconcile.gitlab_hooks =
            ["projects/42/hooks/7", "projects/42/hooks/8"].map(str::to_owned).into();
        Running::start_as(embedded::shared_nats().await.url(), settings).await
    };
    let ingest = start(receivers::GITLAB_TOKEN).await;
    let url = |source: &str| format!("http://{}/webhooks/{source}", ingest.address);
    gitlab.send_to(&url("gitlab"), "gitlab-token");
    let (sound, text) = ingest.reached("hooks/7").await;
    assert!(sound && text.contains("what GitLab sent to"), "{text}");
    let kept: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "gitlab" })).await;
    assert_eq!((kept.len(), kept[0].code.as_str()), (1, "event_ignored"));
    let (sound, text) = ingest.reached("hooks/8").await;
    assert!(!sound && text.contains("shows no such thing to our token"), "{text}");

    for (url, token, says) in [
        (url("gitlab"), "another", "GitLab sends another token"),
        (url("nobody"), "gitlab-token", "ends with /webhooks/gitlab"),
        ("http://127.0.0.1:1/webhooks/gitlab".to_owned(), "gitlab-token", "(internal error)"),
    ] {
        gitlab.send_to(&url, token);
        let (sound, text) = ingest.reached("hooks/7").await;
        assert!(!sound && text.contains(says), "{url}: {text}");
    }

    // Who may only read is told of the last that was sent.
    let reader = start(receivers::GITLAB_READ_TOKEN).await;
    let (sound, text) = reader.reached("hooks/7").await;
    assert!(
        !sound && text.contains("the scope `api`") && text.contains("internal error"),
        "{text}"
    );
    reader.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn webhooks_that_their_host_does_not_try_are_asked_about_and_tried_in_its_place() {
    let (bitbucket, azure) =
        (receivers::bitbucket::start().await, receivers::azure_devops::start().await);
    let mut settings = Settings::default();
    settings.senders.bitbucket.secrets = vec![SecretString::from("of bitbucket")];
    settings.senders.azure_devops.scoped_secrets =
        [("Platform/*".to_owned(), vec![SecretString::from("stackly:of azure")])].into();
    settings.senders.bitbucket.scoped_secrets =
        [("acme/*".to_owned(), vec![SecretString::from("of acme")])].into();
    let reconcile = &mut settings.reconcile;
    reconcile.bitbucket_token = SecretString::from(receivers::bitbucket::TOKEN);
    reconcile.bitbucket_api_base = bitbucket.api_base.clone();
    reconcile.bitbucket_hooks =
        ["repositories/acme/infra/hooks/%7B7%7D", "repositories/acme/infra/hooks/gone"]
            .map(str::to_owned)
            .into();
    reconcile.azure_devops_token = SecretString::from(receivers::azure_devops::TOKEN);
    reconcile.azure_devops_api_base = azure.api_base.clone();
    reconcile.azure_devops_hooks = vec!["fd672255".to_owned()];
    let ingest = Running::start_as(embedded::shared_nats().await.url(), settings).await;
    let url = |source: &str| format!("http://{}/webhooks/{source}", ingest.address);

    let at_bitbucket = |url: &str, active: bool| {
        let events = ["repo:push", "pullrequest:created"];
        json!({ "type": "webhook_subscription", "uuid": "{7}", "url": url, "active": active,
            "events": events, "secret_set": true, "description": "Stackly" })
    };
    bitbucket.set_hook("%7B7%7D", at_bitbucket(&url("bitbucket"), true));
    let (sound, text) = ingest.reached("hooks/%7B7%7D").await;
    assert!(sound && text.contains("what ingest sent to"), "{text}");
    let kept: Vec<Listed> = ingest.ask("deliveries", json!({ "source": "bitbucket" })).await;
    assert_eq!((kept.len(), kept[0].code.as_str()), (1, "event_ignored"));
    let (sound, text) = ingest.reached("hooks/gone").await;
    assert!(!sound && text.contains("Bitbucket shows no such thing to our token"), "{text}");
    for (shown, says) in [
        (at_bitbucket(&url("bitbucket"), false), "switched off at Bitbucket"),
        (at_bitbucket(&url("nobody"), true), "ends with /webhooks/bitbucket"),
        (at_bitbucket("http://127.0.0.1:1/", true), "does not get through"),
    ] {
        bitbucket.set_hook("%7B7%7D", shown);
        let (sound, text) = ingest.reached("hooks/%7B7%7D").await;
        assert!(!sound && text.contains(says), "{text}");
    }

    let at_azure = |url: &str| {
        json!({ "id": "fd672255", "publisherId": "tfs", "eventType": "git.push", "status": "enabled",
            "consumerId": "webHooks", "consumerActionId": "httpRequest", "consumerInputs": {
                "url": url, "basicAuthUsername": "stackly", "basicAuthPassword": "********" } })
    };
    azure.set_hook("fd672255", at_azure(&url("azure-devops")));
    let (sound, text) = ingest.reached("fd672255").await;
    assert!(sound && text.contains("what ingest sent to"), "{text}");
    azure.set_hook("fd672255", at_azure(&url("bitbucket")));
    let (sound, text) = ingest.reached("fd672255").await;
    assert!(!sound && text.contains("refuses what ingest sent"), "{text}");
    azure.set_hook("fd672255", at_azure("http://hooks.acme.example/webhooks/azure-devops"));
    let (sound, text) = ingest.reached("fd672255").await;
    assert!(!sound && text.contains("is not HTTPS"), "{text}");
    azure.set_hook("fd672255", at_azure(&url("azure-devops")));
    let sent = |id: u64, result: &str, why: &str| {
        json!({ "id": id, "subscriptionId": "fd672255", "status": "completed", "result": result,
            "details": { "errorMessage": why } })
    };
    azure.notify(sent(8, "failed", "Unauthorized (401)"));
    azure.notify(sent(7, "succeeded", ""));
    let (sound, text) = ingest.reached("fd672255").await;
    assert!(!sound && text.contains("did not come in: Unauthorized (401)"), "{text}");

    // The doctor's own secrets are nobody's.
    let sources: Value = ingest.ask("sources", json!(null)).await;
    let of = |name: &str| -> Vec<&Value> {
        let all = sources["sources"].as_array().unwrap().iter();
        let all = all.filter(|it| it["source"] == name);
        all.flat_map(|it| it["secrets"].as_array().unwrap()).map(|it| &it["scope"]).collect()
    };
    assert_eq!(of("bitbucket"), [&Value::Null, &json!("acme/*")]);
    assert_eq!(of("azure-devops"), [&json!("Platform/*")]);
    ingest.stop().await;
}
