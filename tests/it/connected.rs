//! What connects Stackly with Spacelift is made by it, carries, and is mended.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use contracts::{
    catalogue::AccountAlerted,
    chain::{ChainFinished, ChainState},
};
use harness::{
    Pipeline, Setup,
    listener::Listener,
    patience::{PATIENCE, eventually},
};
use simulator::WebhookTarget;

/// Between Spacelift and ingest: a way that is blocked until it is opened.
#[derive(Clone)]
struct Way {
    is_open: Arc<AtomicBool>,
    ingest: String,
    client: reqwest::Client,
}

impl Way {
    async fn to(ingest: &str) -> (Self, String) {
        let way = Self {
            is_open: Arc::default(),
            ingest: format!("http://{ingest}/webhooks/spacelift"),
            client: reqwest::Client::new(),
        };
        let router = Router::new().route("/", post(forward)).with_state(way.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (way, format!("http://{address}/"))
    }
}

async fn forward(State(way): State<Way>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !way.is_open.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY;
    }
    let mut request = way.client.post(&way.ingest).body(body);
    for name in ["content-type", "x-signature-256"] {
        request = request.header(name, &headers[name]);
    }
    let answer = request.send().await.unwrap();
    StatusCode::from_u16(answer.status().as_u16()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_spacelift_switched_off_is_switched_on_and_told_of_and_the_chain_ends() {
    let environment = vec![("INGEST__RECONCILE__PERIOD".to_owned(), "300ms".to_owned())];
    let pipeline = Pipeline::with(Setup { webhooks: false, environment, ..Setup::default() }).await;
    let mut listener = Listener::start(&pipeline.bus).await;
    let (way, endpoint) = Way::to(&pipeline.installation.ingest).await;
    let secret = pipeline.installation.spacelift_secret.clone();
    let id = pipeline.spacelift.add_webhook("stackly", &WebhookTarget { endpoint, secret });

    // A chain of four runs has more than ten states to tell of, and none of them arrives.
    pipeline.push(&["stacks/a/main.tf"]).await;
    let alerted: AccountAlerted = listener.expect().await;
    assert!(alerted.title.contains("has switched the webhook stackly off"), "{alerted:?}");
    assert!(alerted.text.starts_with("webhook_switched_off: "), "{alerted:?}");
    let failed = pipeline.spacelift.deliveries(&id);
    assert!(failed.len() >= 10 && failed.iter().all(|one| one.status == Some(502)), "{failed:?}");

    // The way is open again, and so is the webhook: what follows arrives.
    way.is_open.store(true, Ordering::SeqCst);
    let finished: ChainFinished = listener.expect().await;
    assert_eq!(finished.state, ChainState::Finished, "polling alone had brought it there");
    let is_on = || async { pipeline.spacelift.webhooks()[0].enabled };
    eventually("the webhook to be on", PATIENCE, is_on, |on: &bool| *on).await;
    pipeline.push(&["stacks/d/main.tf"]).await;
    let arrived = || async {
        pipeline.spacelift.deliveries(&id).iter().filter(|one| one.delivered()).count()
    };
    eventually("a webhook to arrive", PATIENCE, arrived, |count: &usize| *count > 0).await;
    let finished: ChainFinished = listener.expect().await;
    assert_eq!(finished.state, ChainState::Finished);
    pipeline.stop().await;
}
