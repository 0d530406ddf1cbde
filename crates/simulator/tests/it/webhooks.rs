//! Webhooks: bodies, signatures, retries, and what goes wrong with them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use simulator::{Account, Control, Fault, FaultKind, Options, RunState, StackSeed, WebhookTarget};
use tokio::sync::mpsc;

use crate::client::{Client, PATIENCE, account};

const SECRET: &str = "a shared secret";

struct Letter {
    headers: HeaderMap,
    body: Bytes,
}

impl Letter {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver that can be told what to answer.
struct Receiver {
    url: String,
    letters: mpsc::UnboundedReceiver<Letter>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

type Inbox = (mpsc::UnboundedSender<Letter>, Arc<Mutex<VecDeque<u16>>>);

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    inbox.0.send(Letter { headers, body }).unwrap();
    let status = inbox.1.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

impl Receiver {
    async fn start() -> Self {
        let (sender, letters) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let router = Router::new().route("/", post(receive)).with_state((sender, answers.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, letters, answers }
    }

    fn target(&self) -> WebhookTarget {
        WebhookTarget { endpoint: self.url.clone(), secret: SECRET.into() }
    }

    fn will_answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    async fn next(&mut self) -> Letter {
        tokio::time::timeout(PATIENCE, self.letters.recv()).await.unwrap().unwrap()
    }

    async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut letters = Vec::with_capacity(count);
        for _ in 0..count {
            letters.push(self.next().await.json());
        }
        letters
    }

    /// The states told of, in the order of their versions.
    async fn states(&mut self, count: usize) -> Vec<String> {
        let mut letters = self.take(count).await;
        letters.sort_by_key(|letter| letter["stateVersion"].as_i64());
        letters.iter().map(|letter| letter["state"].as_str().unwrap().to_owned()).collect()
    }
}

async fn with_webhook(receiver: &Receiver) -> Client {
    let mut options = Options::new(account(&["net"]));
    options.webhook = Some(receiver.target());
    Client::with(options).await
}

/// Waits until so many deliveries of the webhook are over.
async fn delivered(control: &Control, webhook: &str, count: usize) {
    let done = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
        while control.deliveries(webhook).len() < count {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap();
}

#[tokio::test]
async fn every_state_of_a_run_is_told_with_both_signatures_over_the_raw_body() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    client.trigger("net", "TRACKED").await;
    let mut states = Vec::new();
    for _ in 0..6 {
        let letter = receiver.next().await;
        let mut sha1 = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
        sha1.update(&letter.body);
        let sha1 = format!("sha1={}", hex::encode(sha1.finalize().into_bytes()));
        let mut sha256 = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        sha256.update(&letter.body);
        let sha256 = format!("sha256={}", hex::encode(sha256.finalize().into_bytes()));
        assert_eq!(letter.headers["x-signature"], sha1.as_str());
        assert_eq!(letter.headers["x-signature-256"], sha256.as_str());
        assert_eq!(letter.headers["content-type"], "application/json");
        states.push(letter.json()["state"].as_str().unwrap().to_owned());
    }
    states.sort_unstable();
    assert_eq!(states, ["INITIALIZING", "PLANNING", "PREPARING", "QUEUED", "READY", "UNCONFIRMED"]);
}

#[tokio::test]
async fn the_body_has_spacelifts_own_fields() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let run = client.trigger("net", "TRACKED").await;
    let letters = receiver.take(6).await;
    let letter = letters.iter().find(|letter| letter["state"] == "UNCONFIRMED").unwrap();
    assert_eq!(letter["account"], "acme");
    assert_eq!(letter["stateVersion"], 6);
    assert_eq!(letter["run"]["id"], run.as_str());
    assert_eq!(letter["run"]["type"], "TRACKED");
    assert_eq!(
        letter["run"]["delta"],
        json!({"added": 1, "changed": 0, "deleted": 0, "resources": 1})
    );
    assert_eq!(letter["run"]["url"], format!("{}/stack/net/run/{run}", client.simulator.url()));
    assert_eq!(letter["run"]["commit"]["hash"].as_str().unwrap().len(), 40);
    assert_eq!(letter["stack"]["vcs"], "GITHUB");
    assert_eq!(letter["stack"].get("space"), None);
    let millis = letter["timestamp_millis"].as_i64().unwrap();
    assert_eq!(letter["timestamp"], millis / 1_000);
}

#[tokio::test]
async fn a_server_error_is_tried_again_three_times_and_a_client_error_never() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    control.pause();
    receiver.will_answer(&[500, 502, 200]);
    client.trigger("net", "TRACKED").await;
    receiver.take(3).await;
    delivered(&control, "simulator", 1).await;
    assert_eq!(control.deliveries("simulator")[0].attempts, 3);

    receiver.will_answer(&[500, 500, 500, 500]);
    client.trigger("net", "TRACKED").await;
    receiver.take(4).await;
    delivered(&control, "simulator", 2).await;
    let last = control.deliveries("simulator").pop().unwrap();
    assert_eq!((last.attempts, last.status), (4, Some(500)));

    receiver.will_answer(&[404]);
    client.trigger("net", "TRACKED").await;
    receiver.take(1).await;
    delivered(&control, "simulator", 3).await;
    let last = control.deliveries("simulator").pop().unwrap();
    assert_eq!((last.attempts, last.status), (1, Some(404)));
    assert_eq!(control.webhooks()[0].consecutive_failures, 2);
}

#[tokio::test]
async fn without_retry_on_failure_a_server_error_is_final() {
    let mut receiver = Receiver::start().await;
    let client = Client::start(account(&["net"])).await;
    let control = client.simulator.control();
    control.pause();
    let data = client
        .data(
            "mutation($input:WebhooksIntegrationInput!){webhooksIntegrationCreate(stack:\"net\",input:\
             $input){id retryOnFailure}}",
            json!({"input": {"enabled": true, "endpoint": receiver.url, "secret": SECRET}}),
        )
        .await;
    let id = data["webhooksIntegrationCreate"]["id"].as_str().unwrap();
    receiver.will_answer(&[500]);
    client.trigger("net", "TRACKED").await;
    receiver.take(1).await;
    delivered(&control, id, 1).await;
    assert_eq!(control.deliveries(id)[0].attempts, 1);
}

#[tokio::test]
async fn ten_failures_in_a_row_switch_a_webhook_off_until_it_is_enabled() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    control.pause();
    receiver.will_answer(&[400; 9]);
    for _ in 0..9 {
        client.trigger("net", "PROPOSED").await;
    }
    delivered(&control, "simulator", 9).await;
    assert!(control.webhooks()[0].enabled);
    receiver.will_answer(&[400]);
    client.trigger("net", "PROPOSED").await;
    delivered(&control, "simulator", 10).await;
    receiver.take(10).await;
    assert!(!control.webhooks()[0].enabled);

    client.trigger("net", "PROPOSED").await;
    control.enable_webhook("simulator", true).unwrap();
    let told = client.trigger("net", "PROPOSED").await;
    assert_eq!(receiver.next().await.json()["run"]["id"], told.as_str());
    delivered(&control, "simulator", 11).await;
    assert_eq!(control.webhooks()[0].consecutive_failures, 0);
}

#[tokio::test]
async fn lost_and_doubled_webhooks_follow_their_fault() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    control.add_fault(Fault::always(FaultKind::WebhookLost).on("PLANNING"));
    control.add_fault(Fault::always(FaultKind::WebhookDoubled).on("UNCONFIRMED"));
    client.trigger("net", "TRACKED").await;
    let states = receiver.states(6).await;
    assert_eq!(
        states,
        ["QUEUED", "READY", "PREPARING", "INITIALIZING", "UNCONFIRMED", "UNCONFIRMED"]
    );
}

#[tokio::test]
async fn a_reordered_webhook_comes_after_the_one_that_follows_it() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    control.add_fault(Fault::always(FaultKind::WebhookLost));
    control.pause();
    client.trigger("net", "PROPOSED").await;
    control.clear_faults();
    control.add_fault(Fault::always(FaultKind::WebhookReordered).on("READY"));
    for state in ["PREPARING", "INITIALIZING", "FINISHED"] {
        control.add_fault(Fault::always(FaultKind::WebhookLost).on(state));
    }

    control.resume();

    let letters = receiver.take(2).await;
    let states: Vec<&Value> = letters.iter().map(|letter| &letter["state"]).collect();
    assert_eq!(states, ["PLANNING", "READY"]);
}

#[tokio::test]
async fn the_last_webhook_of_all_comes_even_if_it_was_held_back() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    control.pause();
    control.add_fault(Fault::always(FaultKind::WebhookReordered));
    client.trigger("net", "PROPOSED").await;
    assert_eq!(receiver.next().await.json()["state"], "QUEUED");
}

#[tokio::test]
async fn a_delayed_webhook_comes_late() {
    let mut receiver = Receiver::start().await;
    let client = with_webhook(&receiver).await;
    let control = client.simulator.control();
    let delay = FaultKind::WebhookDelayed { delay_ms: 3_000 };
    control.add_fault(Fault::always(delay).on("QUEUED"));
    client.trigger("net", "TRACKED").await;
    let letters = receiver.take(6).await;
    assert_eq!(letters.last().unwrap()["state"], "QUEUED");
}

#[tokio::test]
async fn a_named_webhook_hears_what_a_notification_policy_sends_it() {
    let mut receiver = Receiver::start().await;
    let spaces = vec![
        simulator::SpaceSeed { id: "apps-1".into(), ..Default::default() },
        simulator::SpaceSeed { id: "data-1".into(), ..Default::default() },
    ];
    let stack = |id: &str, space: &str| StackSeed { space: space.into(), ..StackSeed::new(id) };
    let stacks = vec![stack("in", "apps-1"), stack("out", "data-1")];
    let client = Client::start(Account { spaces, stacks, ..Account::default() }).await;
    client.simulator.control().pause();
    let data = client
        .data(
            "mutation($input:NamedWebhooksIntegrationInput!){namedWebhooksIntegrationCreate(input:\
             $input){id name endpoint enabled labels space{id name} retryOnFailure createdAt secret \
             secretHeaders}}",
            json!({"input": {"enabled": true, "endpoint": receiver.url, "space": "apps-1",
                "name": "Stackly", "secret": SECRET, "labels": []}}),
        )
        .await;
    let webhook = &data["namedWebhooksIntegrationCreate"];
    assert_eq!(webhook["id"], "stackly");
    client
        .data(
            "mutation{namedWebhooksIntegrationSetHeaders(id:\"stackly\",input:{entries:[{key:\
             \"x-team\",value:\"ops\"}]}){secretHeaders}}",
            json!({}),
        )
        .await;
    client.trigger("in", "PROPOSED").await;
    let body = "package spacelift\nwebhook[{\"endpoint_id\": \"stackly\"}] { input.run_updated }";
    client
        .data(
            "mutation($input:PolicyCreateInput!){policyCreatev2(input:$input){id type}}",
            json!({"input": {"name": "Tell Stackly", "type": "NOTIFICATION", "space": "apps-1",
                "body": body}}),
        )
        .await;

    client.trigger("out", "PROPOSED").await;
    let run = client.trigger("in", "PROPOSED").await;

    let letter = receiver.next().await;
    assert_eq!(letter.json()["run"]["id"], run.as_str(), "nothing before the policy or outside");
    assert_eq!(letter.headers["x-team"], "ops");
    let data = client
        .data(
            "{searchNamedWebhooksIntegrations(input:{first:50}){edges{node{id secretHeaders}} \
             pageInfo{hasNextPage}}}",
            json!({}),
        )
        .await;
    let edges = &data["searchNamedWebhooksIntegrations"]["edges"];
    assert_eq!(edges, &json!([{"node": {"id": "stackly", "secretHeaders": ["x-team"]}}]));
}

#[tokio::test]
async fn the_audit_webhook_is_tried_first_and_then_told_of_every_mutation() {
    let mut receiver = Receiver::start().await;
    let client = Client::start(account(&["net"])).await;
    client.simulator.control().pause();
    let set = "mutation($input:AuditTrailWebhookInput!){auditTrailSetWebhook(input:$input){enabled \
        endpoint includeRuns retryOnFailure}}";
    let input = json!({"input": {"enabled": true, "endpoint": receiver.url, "includeRuns": true,
        "secret": SECRET, "retryOnFailure": true}});
    receiver.will_answer(&[500]);
    let refused = client.error(set, input.clone()).await;
    assert!(refused.contains("test delivery"), "{refused}");
    client.data(set, input).await;
    receiver.take(2).await;

    let saved = receiver.next().await.json();
    assert_eq!(saved["action"], "audit_trail_webhook.set");
    assert!(!saved.to_string().contains(SECRET));
    client.trigger("net", "TRACKED").await;
    let letters = receiver.take(2).await;
    let mutation = letters.iter().find(|letter| letter.get("action").is_some()).unwrap();
    assert_eq!(mutation["action"], "run.trigger");
    assert_eq!(mutation["context"]["mutation"], "runTrigger");
    assert_eq!(mutation["data"]["args"]["Stack"], "net");
    assert_eq!(mutation["actor"], format!("api::{}", client.simulator.api_key().id));
    let run = letters.iter().find(|letter| letter.get("state").is_some()).unwrap();
    assert_eq!(run["state"], "QUEUED");
}

#[tokio::test]
async fn thousands_of_webhooks_all_arrive_in_the_end() {
    let mut receiver = Receiver::start().await;
    let mut options = Options::new(account(&["net"]));
    options.account.stacks[0].autodeploy = true;
    options.webhook = Some(receiver.target());
    let client = Client::with(options).await;
    for _ in 0..300 {
        client.trigger("net", "TRACKED").await;
    }
    let letters = receiver.take(300 * 7).await;
    let finished = letters.iter().filter(|letter| letter["state"] == "FINISHED").count();
    assert_eq!(finished, 300);
    assert_eq!(client.newest("net").state, RunState::Finished);
}
